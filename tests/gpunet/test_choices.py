"""Which algorithm and precision a product takes, that all compute the same, and how the tiled ones are cut up."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from conv_shapes import EIGHTS, MMA_TILES, PASSES, SHAPES, Shape, arrays, expected, on
from gpunet import backend, kernels
from gpunet.backend import choices, tensor_cores
from gpunet.backend.conv import form
from gpunet.backend.tiled import BLOCKS, NARROW, SMALL, TALL, WIDE, plan


def algorithm_of(device, dtype="float32", line=1):
    """Return how a convolution with lines of so many output pixels is computed: a name of PRODUCTS."""
    sizes = backend.conv_sizes((1, line, line), (1, 1, 1, 1), (1, 1), ((0, 0), (0, 0)))
    return choices.product(device, np.dtype(dtype)) or form.way(sizes, device, np.dtype(dtype))


ON_TENSOR_CORES = {"factors/factors_tf32", *(f"conv2d_mma/{which}_tf32" for which in PASSES)}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
MODERN, OLD = 80, 75  # compute capabilities with and without tensor cores for floating point formats


@pytest.fixture
def launched(monkeypatch):
    """Return the list of the kernel files launched from here on."""
    files, launch = [], kernels.launch

    def noted(entry, *args, **more):
        files.append(entry.partition(".")[0])
        launch(entry, *args, **more)

    monkeypatch.setattr(kernels, "launch", noted)
    return files


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "algorithm, files",
    [
        ("im2col", {"im2col"}),
        ("tiled", {"conv2d/conv2d"}),
        ("mma", ON_TENSOR_CORES),
        ("strided", set()),
    ],
)
def test_every_algorithm_computes_the_same(device, dtype, algorithm, files, launched):
    if (device, algorithm) == ("cuda", "strided"):
        pytest.skip("on the CPU only")
    shape = SHAPES[1]
    a = arrays(shape)
    x, weight, dy, bias_f, bias_c = (backend.to_device(array.astype(dtype), device) for array in a.values())
    with backend.use("kernels"), backend.use_conv(algorithm):
        conv = backend.convolution(weight, shape.sizes)
        X, Y = conv.input_form(x), conv.output_form(dy)
        results = [conv.output(X, bias_f), conv.input_grad(Y, bias_c), conv.weight_grad(X, Y)]
    for which, result in zip(PASSES, results, strict=True):
        np.testing.assert_array_equal(host(result), expected(which, shape, a), err_msg=which)
    if dtype == "float64" and algorithm == "mma":
        files = {"conv2d/conv2d"}
    if device == "cuda" and algorithm == "im2col":
        files = {"im2col", "conv2d/conv2d"}  # the product is a kernel of ours, too
    assert set(launched) == files


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("algorithm", [name for name in choices.ALGORITHMS if name != "wgmma"])  # test_hopper.py
def test_linear(device, algorithm, launched):
    if (device, algorithm) == ("cuda", "strided"):
        pytest.skip("on the CPU only")
    rng = np.random.default_rng(0)
    x, weight, dy, bias = (rng.integers(-3, 4, size).astype("float32") for size in [(5, 20), (20, 3), (5, 3), (3,)])
    there = [backend.to_device(array, device) for array in (x, weight, dy, bias)]
    out = backend.to_device(np.zeros_like(weight), device)
    with backend.use("kernels"), backend.use_conv(algorithm):
        assert np.array_equal(host(backend.matmul(there[0], there[1])), x @ weight)
        assert np.array_equal(host(backend.matmul(there[0], there[1], bias=there[3])), x @ weight + bias)
        assert np.array_equal(host(backend.matmul(there[2], there[1].T)), dy @ weight.T)
        assert np.array_equal(host(backend.matmul(there[0].T, there[2], out=out)), x.T @ dy)
    assert np.array_equal(host(out), x.T @ dy)
    tiled = device == "cuda" or algorithm in ("tiled", "mma")
    assert bool(set(launched) - {"columns"}) == tiled  # otherwise BLAS; `columns` adds the bias


@pytest.mark.parametrize(
    "device, capability, precision, conv, dtype, algorithm, rounding",
    [
        ("cpu", MODERN, None, "auto", "float32", "im2col", None),
        ("cpu", MODERN, None, "winograd4", "float32", "im2col", None),
        ("cpu", OLD, None, "mma", "float32", "mma", "tf32"),
        ("cpu", OLD, "bf16", "mma", "float32", "mma", "bf16"),
        ("cuda", MODERN, None, "auto", "float32", "mma", "tf32"),
        ("cuda", OLD, None, "auto", "float32", "tiled", None),
        ("cuda", MODERN, "fp32", "auto", "float32", "tiled", None),
        ("cuda", MODERN, "fp16", "auto", "float32", "mma", "fp16"),
        ("cuda", MODERN, "fp16", "direct", "float32", "mma", "fp16"),
        ("cuda", MODERN, "fp16", "winograd2", "float32", "mma", None),
        ("cuda", MODERN, "fp16", "tiled", "float32", "tiled", None),
        ("cuda", MODERN, "bf16", "auto", "float64", "tiled", None),
        ("cuda", MODERN, None, "im2col", "float64", "im2col", None),
    ],
)
def test_the_choice(monkeypatch, device, capability, precision, conv, dtype, algorithm, rounding):
    monkeypatch.setattr(choices, "_capability", lambda: capability)
    chosen = backend.use_precision(precision) if precision else contextlib.nullcontext()
    with backend.use("kernels"), backend.use_conv(conv), chosen:
        assert algorithm_of(device, dtype) == algorithm
        assert form.rounding((4, 4, 8, 16), device, np.dtype(dtype)) == rounding
        for weight in [(4, 4, 3, 16), (4, 4, 16, 1), (16, 4, 8, 8)]:  # not for tensor cores: full precision
            assert form.rounding(weight, device, np.dtype(dtype)) is None
    with backend.use("reference"), backend.use_conv(conv), chosen:
        assert form.rounding((4, 4, 8, 16), device, np.dtype(dtype)) is None


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[4], SHAPES[8]], ids=str)
def test_channels_that_tensor_cores_do_not_take_are_multiplied_in_full_precision(device, shape, launched):
    """The precision asked for does not matter: nothing is rounded."""
    a = arrays(shape, lambda rng, size: 1 + rng.random(size) * 2.0**-9)  # bf16 would make ones of them
    there = on(device, a)
    with backend.use("kernels"), backend.use_conv("mma"), backend.use_precision("bf16"):
        conv = backend.convolution(there["weight"], shape.sizes)
        y = conv.output(conv.input_form(there["x"]), there["bias_f"])
    assert set(launched) == {"conv2d/conv2d"}
    assert_close(y, expected("forward", shape, a), 16 * EPS32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
@pytest.mark.parametrize(
    "shape",
    [
        Shape(2, 7, 6, 3, 16, (4, 4), (2, 2), ((1, 1), (1, 2))),
        Shape(1, 5, 9, 1, 8, (4, 4), (1, 3), ((3, 0), (0, 3))),
        Shape(3, 4, 4, 3, 8, (4, 4)),  # the kernel covers the image
        Shape(1, 6, 5, 2, 24, (2, 2), (3, 2)),  # pixels between the patches
        Shape(1, 6, 5, 1, 8, (5, 4)),  # 20 numbers of a patch are no multiple of 8: full precision
    ],
    ids=str,
)
def test_pictures_are_multiplied_as_cells_or_as_patches(device, precision, shape, launched):
    """Images of few channels: a cell of stride x stride pixels, or a patch with stride 1, is copied whole."""
    a = arrays(shape)
    there = on(device, a)
    with backend.use("kernels"), backend.use_conv("mma"), backend.use_precision(precision):
        conv = backend.convolution(there["weight"], shape.sizes)
        X, Y = conv.input_form(there["x"]), conv.output_form(there["dy"])
        results = conv.output(X, there["bias_f"]), conv.input_grad(Y, there["bias_c"]), conv.weight_grad(X, Y)
    for which, result in zip(PASSES, results, strict=True):
        np.testing.assert_array_equal(host(result), expected(which, shape, a), err_msg=which)
    of_patches = {f"conv2d_mma/{which}_{precision}" for which in PASSES}
    of_cells = {f"cells/cells_{precision}", f"conv2d_mma/of_cells_{precision}"}
    files = {f"factors/factors_{precision}"} | (of_patches if shape.stride == (1, 1) else of_cells)
    taken = shape.kernel[0] * shape.kernel[1] * shape.c % 8 == 0
    assert set(launched) - {"im2col", "columns"} == (files if taken else {"conv2d/conv2d"})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["tf32", "tf32x3"])
def test_arrays_may_begin_anywhere(device, precision, launched):
    """Factors are new arrays, so that the tensor cores take convolutions of arrays that are not aligned."""
    shape = EIGHTS[0]
    a, there = arrays(shape), {}
    for name, array in on(device, a).items():
        there[name] = backend.array_module(array).zeros(array.size + 1, "float32")[1:].reshape(array.shape)
        there[name][...] = array
    with backend.use("kernels"), backend.use_conv("mma"), backend.use_precision(precision):
        conv = backend.convolution(there["weight"], shape.sizes)
        X, Y = conv.input_form(there["x"]), conv.output_form(there["dy"])
        results = conv.output(X, there["bias_f"]), conv.input_grad(Y, there["bias_c"]), conv.weight_grad(X, Y)
    for which, result in zip(PASSES, results, strict=True):
        np.testing.assert_array_equal(host(result), expected(which, shape, a), err_msg=which)
    assert set(launched) - {"factors/factors_tf32"} == {f"conv2d_mma/{which}_{precision}" for which in PASSES}


@pytest.mark.parametrize(
    "device, precision, conv, message",
    [
        ("cpu", "tf32", "auto", "got precision tf32 on the cpu, expected a GPU of 8.0 or later"),
        ("cuda", "bf16", "auto", "got precision bf16 on a GPU of compute capability 7.5"),
        ("cuda", None, "mma", "got precision tf32 on a GPU of compute capability 7.5"),
        ("cuda", "fp32", "strided", "got algorithm strided on a GPU, expected it on the cpu"),
        ("cpu", "fp32", "mma", "got algorithm mma and precision fp32, expected another one"),
    ],
)
def test_what_cannot_be_done_is_refused(monkeypatch, device, precision, conv, message):
    monkeypatch.setattr(choices, "_capability", lambda: OLD)
    rounding = backend.use_precision(precision) if precision else contextlib.nullcontext()
    with backend.use_conv(conv), rounding, pytest.raises(RuntimeError, match=message):
        algorithm_of(device)


def test_long_lines_are_read_where_they_lie():
    assert [algorithm_of("cpu", line=line) for line in (1, 7, 8, 64)] == ["im2col"] * 2 + ["strided"] * 2
    with backend.use_conv("im2col"):
        assert algorithm_of("cpu", line=64) == "im2col"
    with backend.use_conv("strided"):
        assert algorithm_of("cpu", "float64") == "strided"


def test_choices_end_with_their_block():
    with backend.use_conv("tiled"), backend.use_precision("fp32"):
        assert algorithm_of("cpu") == "tiled"
        with backend.use_conv("im2col"):
            assert algorithm_of("cpu") == "im2col"
        assert algorithm_of("cpu") == "tiled"
    assert algorithm_of("cpu") == "im2col" and backend.precision("cpu") == "fp32"
    for use, name in ((backend.use_conv, "fast"), (backend.use_precision, "fp8")):
        with pytest.raises(ValueError, match=f"got (algorithm|precision) '{name}', expected one of"):
            use(name)


def test_plans_for_tensor_cores_fill_the_gpu_with_the_largest_tiles():
    """Batch 64 of the 64-pixel nets: M, N, tiles along K (of tf32), phases of each pass."""
    huge, wide, tall, small = MMA_TILES
    assert tensor_cores.plan(16384, 128, 64) == (huge, 2)  # 64 tiles of the result, so K is split
    assert tensor_cores.plan(4096, 256, 128) == (huge, 4)
    assert tensor_cores.plan(1024, 512, 256) == (huge, 8)
    assert tensor_cores.plan(65536, 64, 64) == (tall, 1)  # 256 tiles
    assert tensor_cores.plan(1024, 64, 1024) == (tall, 30)
    assert tensor_cores.plan(64, 8, 512) == (small, 32)
    assert tensor_cores.plan(40, 8, 1) == (small, 1)
    assert tensor_cores.plan(0, 8, 9).splits == 1  # no pictures
    for sizes in itertools.product((1, 70, 3000), (8, 72, 600), (0, 5, 400, 30000), (1, 4)):
        tile, splits = tensor_cores.plan(*sizes)
        down, across = tile.grid(*sizes[:2], sizes[3])
        assert splits == 1 or down * across * (splits - 1) < tensor_cores.BLOCKS, sizes
        assert splits == 1 or sizes[2] // splits >= tensor_cores.SHORTEST, sizes


def test_plans_fill_the_gpu_with_the_largest_tiles():
    """Batch 64 of the 64-pixel nets: M, N, K, phases of each pass."""
    assert plan(16384, 128, 1024) == (WIDE, 1)  # 128 tiles: no split
    assert plan(1024, 512, 4096) == (WIDE, 4)  # 32 tiles: split four times
    assert plan(65536, 64, 48) == (TALL, 1)  # first layer of the discriminator
    assert plan(65536, 3, 256, 4) == (NARROW, 1)  # last layer of the generator
    assert plan(64, 1, 8192).tile == NARROW and plan(64, 1, 8192).splits > 64  # the logit: one tile, a long sum
    assert plan(48, 64, 65536) == (SMALL, 128)  # weight gradient of the first layer
    for sizes in [(m, n, k, 1) for m in (1, 70, 3000) for n in (1, 9, 65, 600) for k in (0, 5, 4000, 300000)]:
        cut = plan(*sizes)
        down, across = cut.tile.grid(*sizes[:2], 1)
        assert cut.splits == 1 or down * across * cut.splits <= BLOCKS, sizes
