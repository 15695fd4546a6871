"""--conv wgmma: which convolutions go to the kernels for Hopper GPUs, the check at first use, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

from conv_shapes import PASSES, Shape, arrays, expected, on, rounded
from dcgan import device as dcgan_device
from dcgan.config import Config
from dcgan.device import choose_device, layers_of_wgmma
from dcgan.errors import UserError
from dcgan.presets import find
from gpunet import backend
from gpunet.backend import choices, hopper, tensor_cores, use, use_conv, use_precision
from gpunet.backend.conv import Rounded
from gpunet.backend.tensor_cores import After
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, LeakyReLU, Sequential
from virtual_hopper import install

WIDE = Shape(2, 5, 4, 64, 64, (2, 2), (2, 1), ((1, 0), (0, 1)))
NARROW = WIDE._replace(c=56)
SMALL = Shape(1, 3, 4, 16, 8, (2, 2), (2, 1), ((1, 0), (0, 1)))  # the check, for a twin that runs on a CPU


@pytest.fixture
def gpu(monkeypatch):
    """A virtual Hopper GPU that works on NumPy arrays, and a check that takes little time."""
    monkeypatch.setattr(hopper, "SMALL", SMALL.sizes)
    with use("kernels"), use_conv("wgmma"), use_precision("bf16"):
        yield install(monkeypatch)


def passes_of(conv, a):
    """Return the three passes of a convolution."""
    X, Y = conv.input_form(a["x"]), conv.output_form(a["dy"])
    return [conv.output(X, a["bias_f"]), conv.input_grad(Y, a["bias_c"]), conv.weight_grad(X, Y)]


@pytest.mark.parametrize("shape, taken", [(WIDE, True), (NARROW, False)])
def test_large_convolutions_run_by_wgmma_and_the_others_by_mma(gpu, shape, taken):
    a = arrays(shape)
    there = on("cpu", a)
    results = passes_of(Rounded(there["weight"], shape.sizes, "bf16"), there)
    for which, result in zip(PASSES, results, strict=True):
        np.testing.assert_array_equal(result, expected(which, shape, a), err_msg=which)
    entries = [entry for entry, *_ in gpu.launched]
    checks = 2 * len(PASSES) if taken else 0  # two launches of each pass, before the first of these
    assert [re.sub(r"\w+/\w+\.conv2d_|_\d+", "", entry) for entry in entries[checks:]] == [*PASSES] * taken


def test_without_the_choice_nothing_changes(gpu):
    a = on("cpu", arrays(WIDE))
    with use_conv("mma"):
        passes_of(Rounded(a["weight"], WIDE.sizes, "bf16"), a)
    assert gpu.launched == []


@pytest.mark.parametrize(
    "shape, precision, taken",
    [
        (WIDE, "fp16", True),
        (WIDE, "tf32", False),
        (WIDE, "tf32x3", False),
        (WIDE._replace(f=68), "bf16", False),  # no multiple of 8
        (WIDE._replace(n=0), "bf16", False),
        (WIDE._replace(h=40, stride=(9, 1)), "bf16", False),  # the TMA strides 8 pixels at most
        (WIDE._replace(w=300, stride=(1, 1)), "bf16", True),
        (WIDE._replace(w=300, stride=(1, 1), kernel=(2, 15), pads=((0, 0), (0, 0))), "bf16", True),
        (Shape(1, 9, 200, 64, 64, (3, 3), (1, 1), ((0, 0), (150, 0))), "bf16", False),  # a box 150 pixels too early
    ],
)
def test_what_is_taken(gpu, shape, precision, taken):
    assert hopper.takes("forward", shape.sizes, precision) == taken


def test_a_pass_behind_the_sums_that_is_not_known_goes_to_mma(gpu):
    class More(After):
        """After with one more field."""

        _fields = (*After._fields, "unknown")
        unknown = None

    assert hopper.takes("forward", WIDE.sizes, "bf16", After(0.5, rounds=True))
    more = More(0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(More, "unknown", 1)
        patch.setattr(hopper, "NOTHING", More())
        assert hopper.takes("forward", WIDE.sizes, "bf16", more)
        patch.setattr(hopper, "NOTHING", type("Nothing", (), {"unknown": None})())
        assert not hopper.takes("forward", WIDE.sizes, "bf16", more)


def passed_through(net, x, dy):
    """Return y, dx and the gradients of all parameters."""
    y, dx = net.forward(x), net.backward(dy.copy())
    return [y, dx, *(parameter.grad.copy() for parameter in net.parameters())]


def test_a_network_with_wgmma_computes_what_it_does_with_mma(gpu, monkeypatch):
    """Bias, activations, batch norm and what layers hand over: all that stands around these convolutions."""
    monkeypatch.setattr(hopper, "LEAST", 8)
    monkeypatch.setattr(choices, "_require_hopper", lambda device: None)
    rng = np.random.default_rng(5)
    x, dy = (rng.standard_normal(shape).astype("float32") for shape in ((3, 4, 5, 8), (3, 4, 5, 16)))
    results, net = [], two_convolutions_and_a_transposed_one()
    for asked in (True, False):
        monkeypatch.setattr(choices, "wgmma", lambda asked=asked: asked)
        for parameter in net.parameters():
            parameter.grad = None
        with use_conv("mma"):  # on the CPU, where wgmma would be refused
            results.append(passed_through(net, x, dy))
    for own, twin in zip(*results, strict=True):
        assert np.linalg.norm(own - twin) <= 4e-3 * np.linalg.norm(twin)  # sums in another order, then rounded to bf16
    behind_the_check = [entry.partition(".conv2d_")[2] for entry, *_ in gpu.launched[6:]]
    assert sorted(entry.rpartition("_")[0] for entry in behind_the_check) == sorted(3 * PASSES)


def two_convolutions_and_a_transposed_one():
    """A network whose layers hand factors over."""
    return Sequential(
        ConvTranspose2d(8, 16, 4, 2, 1, bias=False), BatchNorm(16), LeakyReLU(0.2),
        Conv2d(16, 8, 4, 2, 1), LeakyReLU(0.2), Conv2d(8, 16, 3, 1, 1, bias=False), BatchNorm(16), LeakyReLU(0.2),
    )  # fmt: skip


# ---- the check ------------------------------------------------------------------------------------------------------


def test_the_check_runs_once_and_says_that_both_agree(gpu, caplog):
    with caplog.at_level("INFO", "gpunet"):
        assert hopper.check("bf16") == hopper.check("bf16")
    assert [record.getMessage() for record in caplog.records] == [
        "wgmma: the kernels for Hopper GPUs agree with those of mma in bf16, in all three passes"
    ]
    tiles = {(entry.rpartition("_")[2], args[-1], grid) for entry, grid, _, args, _ in gpu.launched}
    assert {tile[:2] for tile in tiles} == {("128", 1), ("64", 3)} and len(gpu.launched) == 6


def test_the_checks_convolution_fills_the_ring_and_is_uneven():
    """Its own is large: sums of more steps than stages, blocks with several pieces of work, nothing that is square."""
    g = hopper.conv_sizes((3, 13, 10), (4, 3, 72, 136), (2, 1), ((1, 2), (2, 0)))
    assert g == hopper.SMALL and g.kh != g.kw and g.h != g.w and g.top != g.left and g.sh != g.sw
    for which in PASSES:
        phases, m, n = hopper.rows_of(which, g)
        works = [cut.tile.grid(m, n, phases) for cut, _ in hopper.CUTS]
        assert hopper.steps_of(which, g) >= 4 and works[1][0] * works[1][1] * hopper.CUTS[1][0].splits > 2
        assert (g.c if which == "weight_grad" else m) % 64 and n % 64


def test_kernels_that_differ_end_the_run(gpu, monkeypatch):
    right = hopper.map_of_left

    def moved(which, g):
        found = right(which, g)
        return found._replace(pixels=(found.pixels[0], found.pixels[1] + 1)) if which == "weight_grad" else found

    monkeypatch.setattr(hopper, "map_of_left", moved)
    with pytest.raises(RuntimeError, match="wgmma: got weight_grad off by up to .*choose another convolution"):
        hopper.takes("forward", WIDE.sizes, "bf16")


def test_a_launch_that_fails_ends_the_run(gpu, monkeypatch):
    def fail(*args):
        raise ValueError("an\nillegal address")

    monkeypatch.setattr(hopper, "encoded", fail)
    with pytest.raises(RuntimeError, match="wgmma: ValueError: an illegal address: choose another convolution"):
        hopper.check("fp16")


@pytest.mark.cuda
def test_the_check_runs_on_a_gpu(monkeypatch):
    """The twins stand in for the kernels that this GPU may not run."""
    monkeypatch.setattr(hopper, "SMALL", SMALL.sizes)
    for name in ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"):
        twin = getattr(tensor_cores, name)
        monkeypatch.setattr(hopper, name, lambda *args, cut, blocks, twin=twin, **more: twin(*args, **more))
    hopper._check.cache_clear()
    assert "agree" in hopper.check("bf16") and hopper._multiprocessors(hopper._device()) > 0
    hopper._check.cache_clear()


# ---- the command line -----------------------------------------------------------------------------------------------


@pytest.fixture
def chosen(monkeypatch):
    """A test begins with the default choices, whatever others have left, and its own end with it."""
    none = {"implementation": None, "form": "auto", "product": None, "precision": None}
    monkeypatch.setattr(choices, "_chosen", choices._chosen | none)


@pytest.mark.parametrize(
    "options, capability, message",
    [
        ({"device": "cpu"}, 90, "--conv wgmma: got algorithm wgmma on the cpu, expected a Hopper GPU"),
        ({"device": "cuda"}, 80, "--conv wgmma: got algorithm wgmma on a GPU of compute capability 8.0"),
        ({"device": "cuda"}, 100, "--conv wgmma: got algorithm wgmma on a GPU of compute capability 10.0"),
        ({"device": "cuda", "precision": None}, 90, "--conv wgmma: got .* precision tf32, expected bf16 or fp16"),
        ({"device": "cuda", "precision": "fp32"}, 90, "--conv wgmma: got .* precision fp32, expected bf16 or fp16"),
        ({"implementation": "reference", "precision": None}, 90, "--conv wgmma: got the reference"),
    ],
)
def test_what_cannot_run_is_refused(chosen, monkeypatch, options, capability, message):
    monkeypatch.setattr(choices, "_capability", lambda: capability)
    device = options.get("device", "cpu")
    monkeypatch.setattr(dcgan_device, "_device", lambda config: device)
    monkeypatch.setattr(dcgan_device, "_build_kernels", lambda asked: None)
    config = Config(conv="wgmma", **{"device": device, "precision": "bf16" if device == "cuda" else None, **options})
    with pytest.raises(UserError, match=message) as error:
        choose_device(config)
    assert "\n" not in str(error.value)


def test_the_library_refuses_too(chosen, monkeypatch):
    monkeypatch.setattr(choices, "_capability", lambda: 90)
    with use_conv("wgmma"), use_precision("bf16"):
        assert choices.product("cuda", "float32") == "mma" and choices.product("cuda", "float64") == "tiled"
        assert choices.rounding("cuda", "float32") == "bf16" and choices.wgmma()
        with pytest.raises(RuntimeError, match="got algorithm wgmma on the cpu"):
            backend.conv2d(np.zeros((1, 4, 4, 8), "float32"), np.zeros((2, 2, 8, 8), "float32"), SMALL.sizes)
    assert not choices.wgmma()


def test_a_start_checks_and_says_so(chosen, gpu, monkeypatch, capsys):
    monkeypatch.setattr(choices, "_capability", lambda: 90)
    monkeypatch.setattr(dcgan_device, "_device", lambda config: "cuda")
    built = []
    monkeypatch.setattr(dcgan_device.kernels, "unbuilt", lambda files, device: built.extend(files) or [])
    config = Config(conv="wgmma", device="cuda", precision="bf16", implementation="kernels")
    assert choose_device(config) == "cuda" and "conv2d_wgmma/conv2d_bf16" in built
    assert capsys.readouterr().out == f"{hopper.check('bf16')}\n"
    hopper._check.cache_clear()
    monkeypatch.setattr(hopper, "_launch", lambda *args: 1 / 0)
    with pytest.raises(UserError, match="^--conv wgmma: ZeroDivisionError: .*: choose another convolution$"):
        choose_device(config)


def test_the_start_says_how_many_layers(gpu):
    """dcgan64: G has z, 512, 256, 128, 64 and 3 channels, D 3, 64, 128, 256, 512 and 1: three between 64's in each."""
    preset = find("dcgan64")
    config = Config(width=64, z_dim=100)
    nets = [preset.generator(config), preset.discriminator(config)]
    assert layers_of_wgmma(nets).startswith("wgmma takes 6 of 10 convolutions, those with 64 channels or more")
    assert layers_of_wgmma([preset.generator(Config(width=8))]).startswith("wgmma takes 0 of 5")


def test_twins_have_the_same_signatures():
    """A convolution calls either page with the same arguments."""
    import inspect

    for name in ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"):
        own, twin = (list(inspect.signature(getattr(page, name)).parameters) for page in (hopper, tensor_cores))
        assert own[: len(twin)] == twin


def test_rounded_helper_is_exact():
    """Whole numbers stay what they are in bf16: the comparisons above are of equal numbers."""
    a = on("cpu", arrays(WIDE))
    real = (rounded(a, "bf16")["x"].astype("uint32") << 16).view("float32")
    np.testing.assert_array_equal(real, a["x"])
