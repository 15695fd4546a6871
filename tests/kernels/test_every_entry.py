"""Every kernel is launched by some test, repeats bit for bit, and compiles for every GPU."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from gpunet import backend, kernels
from gpunet.backend import factors, inner_products, launches, to_device, to_numpy
from gpunet.backend.average import Averages
from gpunet.backend.columns import add_bias
from gpunet.backend.conv.patches import fold, unfold, unfold_rounded
from gpunet.backend.devices import device_of
from gpunet.backend.epilogue import Gradients
from gpunet.backend.join import launch_join
from gpunet.backend.loss_scale import new_scaling
from gpunet.backend.losses import Asked
from gpunet.backend.sizes import conv_sizes
from gpunet.backend.tensor_cores import After
from gpunet.kernels.loader import source

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
FILES = [  # of the other files, tests of their own
    "activations", "adam", "arrays", "augment", "average", "batchnorm", "columns", "gradient_norm", "im2col", "images",
    "layer_norm", "losses", "loss_scale", "noise", "norm_tangent", "penalty", "residual", "resize", "softmax",
    "spectral",
    *(f"factors/factors_{precision}" for precision in factors.DTYPES),
]  # fmt: skip
ARCHITECTURES = [75, 80, 86, 89, 90, 100, 120]
SLOW = ("conv2d", "winograd", "ladder/matmul")  # to compile


def run_all(device):
    """Run every operation that these files serve; return the results as NumPy arrays, and check Adam on the way."""
    rng = np.random.default_rng(0)
    x, y, dy = (to_device(rng.standard_normal((6000, 3)).astype("float32"), device) for _ in range(3))
    channel = to_device(np.ones(3, "float32"), device)
    results = [f(x) for f in (backend.relu, backend.tanh, backend.sigmoid, backend.column_sum)]
    results += [f(dy.copy(), y) for f in (backend.relu_backward, backend.tanh_backward, backend.sigmoid_backward)]
    results += [backend.leaky_relu(x, 0.2), backend.leaky_relu_backward(dy.copy(), y, 0.2), launches.zeros(x, 5)]
    results += [add_bias(x.copy(), channel), *backend.bce_with_logits(x, 1.0)]
    results += [*backend.bce_of_halves(x, (0.9, 0.2)), launch_join(x, y, x, y)]
    results += backend.softmax_cross_entropy(x, to_device(rng.integers(0, 3, 6000).astype("int32"), device))
    results += [*backend.loss_of_answers(x, "hinge", (1.0, -1.0)), *penalties(x, y, dy, channel)]
    statistics = backend.batchnorm(x, channel, channel, 1e-5, 0.2)
    results += [*statistics, backend.batchnorm_inference(x, channel, channel, None, None, 1e-5)]
    results += backend.batchnorm_backward(dy.copy(), x, statistics[1], statistics[3], channel, channel, 0.2)
    running = channel.copy(), channel.copy()
    joined = backend.batchnorm(x, channel, None, 1e-5, 1.0, (*running, 0.1), 2)  # two batches, each on its own
    results += [*joined, *running, *backend.batchnorm_backward(dy.copy(), x, joined[1], joined[3], channel, None)]
    weight, u, v = y[:300].reshape(20, 5, 9), y[300:303].reshape(-1).copy(), y[400:500].reshape(-1)[:100].copy()
    divided = backend.spectral_norm(weight, u, v, 1e-12, 1)
    results += [*divided, u, v, backend.spectral_norm_backward(x[:300].reshape(20, 5, 9), divided[0], u, v, divided[1])]
    small = backend.downsample(x.reshape(2, 75, 40, 3))
    results += [small, backend.upsample(small, (75, 40)), backend.pool_maps(small), backend.pool_maps(small, mean=True)]
    results += [backend.fill_maps(x, (6000, 2, 2, 3)), backend.add(x, y)]
    maps = x.reshape(2, 10, 300, 3)
    layered = backend.layernorm(maps, channel, channel, 1e-5)
    results += [*layered, *backend.layernorm_backward(dy.reshape(maps.shape).copy(), maps, *layered[1:], channel)]
    results += [array for precision in factors.DTYPES for array in rounded(precision, x, dy, channel)]
    pictures = to_device(rng.integers(0, 256, (2, 5, 5, 3), "uint8"), device)
    real = backend.images_to_real(pictures)
    results += [backend.images_to_real(pictures, flip=to_device(np.array([True, False]), device)), real]
    results += [backend.real_to_images(real)]
    results += [there_and_back(real, size) for size in (1, 2, 3, 4, 5)] + seen_by_D(real, device)
    return [to_numpy(result) for result in results + adam(device)]


def seen_by_D(pictures, device):
    """Pictures (2, 5, 5, 3) that are changed at random, their gradient, and noise; the norm of their numbers."""
    numbers = to_device(np.array([[0.1, 1.5, 0.7, 1, -1, 2, 0], [-0.2, 0.5, 1.2, 0, 2, -1, 1]], "float32"), device)
    made = [f(pictures, numbers, (3, 2), colour) for f in (backend.augment, backend.augment_backward)
            for colour in (True, False)]  # fmt: skip
    clip = to_device(np.zeros(2), device)
    backend.gradient_norm(clip, 0.5, pictures.reshape(-1), numbers.reshape(-1))
    return [*made, backend.add_noise(pictures, to_device(np.array([0.1, 3, 2**32 - 1, 7]), device), 1), clip]


def penalties(x, y, dy, channel):
    """What gradient penalties take: of pictures (60, 100, 3), the tangents of both norms included."""
    x, y, dy, mix = *(array.reshape(60, 100, 3) for array in (x, y, dy)), x[:60, 0].copy()
    results = [*backend.gradient_penalty(x, 10.0), *backend.gradient_penalty(x, 10.0, True), backend.between(x, y, mix)]
    for width in (1, 3):  # of the statistics: layer norm's and instance norm's
        statistics = y[:, 0, :width].copy(), y[:, 1, :width].copy()
        results += backend.norm_tangent_backward(dy, y, x, *statistics, channel)
    clipped = x.reshape(-1).copy()
    backend.clip_weights(clipped, 0.5)
    return [*results, backend.scale_channels(x, channel), clipped]


def rounded(precision, x, dy, channel):
    """Every operation that writes factors of a precision, or reads them."""
    y = factors.leaky_relu(x, 0.2, precision)
    stored = factors.Factor(factors.factor(x, precision), precision) if precision in factors.STORED else x
    z, mean, _, rstd = backend.batchnorm(stored, channel, channel, 1e-5, 0.2, None, 1, precision)
    wide = x.reshape(-1)[:3200].reshape(50, 64)
    few_rows = backend.batchnorm(wide, wide[0], wide[1], 1e-5, 0.2, None, 1, precision)[0].numbers
    given = (stored, mean, rstd, channel, channel, 0.2)
    dx, *sums = backend.batchnorm_backward(dy.copy(), *given, precision=precision)
    others = [factors.factor(x, precision), factors.leaky_relu_backward(dy.copy(), y, 0.2), mean, rstd, *sums]
    sizes = conv_sizes((2, 30, 25), (3, 4, 3, 1), (1, 2), ((1, 0), (2, 1)))
    others += [unfold_rounded(x.reshape(-1)[: 2 * 30 * 25 * 3].reshape(2, 30, 25, 3), sizes, precision).numbers]
    others += [backend.column_sum(stored), *adam_rounded(precision, device_of(x)), *answers(precision, x)]
    return [*others, few_rows, *(made.numbers for made in (y, z, dx))]


def answers(precision, x):
    """A discriminator's last layer over 40 pictures, with and without its loss, and both gradients."""
    flat = x.reshape(-1)
    pictures, weight = (factors.factor(a, precision) for a in (flat[:1600].reshape(40, 40), flat[1600:1640]))
    y, asked = inner_products.output(pictures, weight, precision), Asked("bce", (1.0, 0.0))
    again, dweight = inner_products.output(pictures, weight, precision, None, asked), launches.empty(x, 40)
    dx, _ = inner_products.gradients(pictures, y.reshape(-1), weight, precision, dweight, After())
    norm = Gradients(factors.Factor(pictures, precision), flat[:10], abs(flat[10:20]), None, None, 0.2, (None, None))
    _, sums = inner_products.input_grad(y.reshape(-1), weight, precision, After(norm=norm), 10)
    return [y, again, *asked.of(again), dx, dweight, *sums]


def adam_rounded(precision, device):
    """A step of Adam that rounds the new parameters, and one that is left out: they are those of Adam, rounded."""
    param, grad, m, v = (to_device(a, device) for a in np.random.default_rng(2).random((4, 1500), "float32"))
    plain, state = [a.copy() for a in (param, grad, m, v)], to_device(np.array([1e-3, 0, 0, 0]), device)
    made = factors.Factor(factors.factor(0 * param, precision), precision)
    backend.adam_update(*plain, state.copy(), (0.5, 0.999), 1e-8)
    backend.adam_update(param, grad, m, v, state, (0.5, 0.999), 1e-8, rounded=made)
    for a, b in zip((param, m, v), (plain[0], plain[2], plain[3]), strict=True):
        assert np.array_equal(to_numpy(a), to_numpy(b))
    assert np.array_equal(to_numpy(made.numbers), to_numpy(factors.factor(param, precision)))
    state = to_device(np.array([1e-3] + [0] * 9), device)
    backend.adam_step(state, [(param, grad, m, v)], (0.5, 0.999), 1e-8, rounded=made)
    return [param, made.numbers, state[:2]]


def there_and_back(images, size):
    """Patches of this size of images (2, 5, 5, 3), and the sum of those that each pixel is in."""
    sizes = conv_sizes((2, 5, 5), (size, size, 3, 1), (1, 1), ((0, 0), (0, 0)))
    return fold(unfold(images, sizes), sizes)


def adam(device):
    """Three steps of Adam, compared with the formula in float64."""
    rng = np.random.default_rng(1)
    start, *grads = rng.standard_normal((4, 1500))
    expected, m, v = start.copy(), np.zeros(1500), np.zeros(1500)
    param, m_, v_ = (to_device(a.astype("float32"), device) for a in (start, m, v))
    state = to_device(np.array([1e-3, 0, 0, 0]), device)
    for t, g in enumerate(grads, 1):
        m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g * g
        expected -= 1e-3 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        backend.adam_update(param, to_device(g.astype("float32"), device), m_, v_, state, (0.5, 0.999), 1e-8)
    assert np.abs(to_numpy(param) - expected).max() <= 2e-7 * np.abs(expected).max()
    assert np.abs(to_numpy(m_) - m).max() <= 1e-6 and np.abs(to_numpy(v_) - v).max() <= 1e-8
    assert to_numpy(state)[:2].tolist() == [1e-3, 3]
    scaling = new_scaling(device, 2.0)
    gradient = backend.scale_gradient(to_device(grads[0].astype("float32"), device), scaling)
    backend.unscale_gradients(scaling, gradient)
    backend.adam_update(param, gradient, m_, v_, state, (0.5, 0.999), 1e-8, 0.0, scaling)
    backend.average_update(m_, param, state, 0.999)
    averages, longer = Averages([m_.copy()], [(m_.copy(), param)], 0.999), to_device(np.array([1e-3] + [0] * 9), device)
    backend.adam_step(longer, [(param, gradient, m_, v_)], (0.5, 0.999), 1e-8, averages=averages)
    return [param, m_, v_, scaling, *averages.of_parameters, longer[:2]]


@pytest.mark.parametrize("device", DEVICES)
def test_every_kernel_is_launched_and_repeats_bit_for_bit(device, monkeypatch):
    for limit in ("FINISH_ON_CUDA", "MOST_ROWS_ON_CUDA"):  # so low that a small array has every level of the tree
        monkeypatch.setattr(launches, limit, 32)
    launched, launch, results = set(), kernels.launch, []
    monkeypatch.setattr(
        kernels, "launch", lambda entry, *args, **more: (launched.add(entry), launch(entry, *args, **more))
    )
    for at_once in (True, False):  # sums in one launch, as on a GPU, and level by level, as on a CPU
        for name in ("adam", "augment", "batchnorm", "columns", "gradient_norm", "loss_scale", "losses"):
            page = importlib.import_module(f"gpunet.backend.{name}")
            monkeypatch.setattr(page, "at_once", lambda array, choice=at_once: choice)
        with backend.use("kernels"):
            first, second = run_all(device), run_all(device)
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
        results.append(first)
    for a, b in zip(*results, strict=True):
        assert np.allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())
    every = {f"{stem}.{name}" for stem in FILES for name in kernels.load(stem, "float32", device).entries}
    products = {entry for entry in launched if entry.startswith("conv2d/")}  # on a GPU: tests/kernels/test_tiled.py
    assert launched - products == every


@pytest.mark.parametrize(
    "stem, dtype",
    [
        pytest.param(stem, dtype, marks=[pytest.mark.slow] * stem.startswith(SLOW))
        for stem in kernels.stems()
        for dtype in ("float32", "float64")
        if dtype == "float32" or not stem.startswith(kernels.ON_TENSOR_CORES)  # float64 is never rounded
    ],
)
def test_nvrtc_compiles_for_every_architecture(stem, dtype):
    compile_for(stem, dtype, ARCHITECTURES)


TRAINING = kernels.of_training_on_cuda(backend.PRECISIONS, winograd=True)


@pytest.mark.parametrize(
    "stem", [pytest.param(stem, marks=[pytest.mark.slow] * stem.startswith(SLOW)) for stem in TRAINING]
)
def test_nvrtc_compiles_what_training_uses_for_one_architecture(stem):
    """Short enough for an older NVRTC beside the newest (.ci/run): a machine with a GPU has its own."""
    compile_for(stem, "float32", [90])


def test_kernels_of_training_on_a_gpu_are_those_of_its_precision():
    files = kernels.of_training_on_cuda(["bf16"])
    assert {"adam", "batchnorm", "losses", "im2col"} < set(files) <= set(kernels.stems())
    chosen = [file for file in files if file.startswith(("cells/", "conv2d", "factors/", "winograd/", "ladder/"))]
    convolutions = [f"conv2d_mma/{which}_bf16" for which in ("forward", "input_grad", "of_cells", "weight_grad")]
    assert chosen == ["cells/cells_bf16", "conv2d/conv2d", *convolutions, "factors/factors_bf16"]
    assert not any(f.startswith(kernels.ON_TENSOR_CORES) for f in kernels.of_training_on_cuda(["fp32"]))


def compile_for(stem, dtype, architectures):
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="no CuPy", exc_type=ImportError)
    from gpunet.kernels.loader import cuda

    for architecture in architectures:
        program = nvrtc.createProgram(source.text_of(stem), f"{stem}.cu", (), ())
        try:
            nvrtc.compileProgram(program, (*cuda.options_of_nvrtc(dtype), f"--gpu-architecture=sm_{architecture}"))
        except nvrtc.NVRTCError:
            pytest.fail(f"{stem}.cu, {dtype}, sm_{architecture}:\n{nvrtc.getProgramLog(program)}")
        finally:
            nvrtc.destroyProgram(program)


def test_every_file_opens_with_a_comment_that_says_what_it_computes():
    for stem in kernels.stems():
        assert source.path_of(stem).read_text(encoding="utf-8").startswith("// "), stem
