"""The kernels for Hopper GPUs, as far as that can be tested without one: arithmetic of squares, launches, maps.

test_wgmma_machine_code.py compiles them.
"""

from __future__ import annotations

import numpy as np
import pytest

from conv_shapes import EIGHTS, PASSES, Shape, arrays, expected, on, random_shape, rounded
from gpunet import kernels
from gpunet.backend import hopper, tensor_cores, tensor_maps, use, use_precision
from gpunet.backend.cuts import Plan
from gpunet.backend.factors import Factor
from gpunet.backend.tensor_cores import After
from gpunet.backend.tensor_maps import Im2colMap, TiledMap, encoded
from gpunet.kernels.loader import source
from gpunet.kernels.loader.arguments import SHARED_LIMIT, convert
from gpunet.kernels.loader.signature import entries
from virtual_hopper import SOURCE, Driver, install

PRECISIONS = ("bf16", "fp16")
SHAPES = [
    *EIGHTS,
    Shape(3, 13, 10, 72, 136, (4, 3), (2, 1), ((1, 2), (2, 0))),  # more than a square along C, F and M; a tail of each
    Shape(5, 16, 16, 64, 128, (4, 4), (2, 2), ((1, 1), (1, 1))),  # the DCGAN's own
    Shape(4, 7, 9, 8, 64, (5, 5), (2, 2), ((2, 2), (2, 2))),  # phases with 2 or 3 taps, and of different sizes
    Shape(70, 2, 3, 8, 8, (2, 2), (1, 1), ((1, 1), (1, 1))),  # a square holds many images
]
CUTS = [Plan(hopper.WIDE, 1), Plan(hopper.NARROW, 3), Plan(hopper.WIDE, 18)]


@pytest.fixture
def gpu(monkeypatch):
    """A virtual Hopper GPU that works on NumPy arrays."""
    with use("kernels"), use_precision("fp32"):
        yield install(monkeypatch)


def computed(which, shape, a, precision, after=tensor_cores.NOTHING, cut=None):
    """Return a pass by the kernels for Hopper GPUs."""
    if which == "forward":
        return hopper.conv2d(a["x"], a["weight"], shape.sizes, precision, a["bias_f"], after, cut)
    if which == "input_grad":
        return hopper.conv2d_input_grad(a["dy"], a["weight"], shape.sizes, precision, a["bias_c"], after, cut)
    return hopper.conv2d_weight_grad(a["x"], a["dy"], shape.sizes, precision, None, cut)


# ---- the arithmetic -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", PASSES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_is_copied_and_read_gives_the_convolution(gpu, shape, which):
    a = arrays(shape)
    there = rounded(on("cpu", a), "bf16")
    for cut in CUTS:
        result = computed(which, shape, there, "bf16", cut=cut)
        np.testing.assert_array_equal(result, expected(which, shape, a), err_msg=str(cut))


@pytest.mark.parametrize("which", PASSES)
@pytest.mark.parametrize("seed", range(6))
def test_convolutions_drawn_at_random(gpu, seed, which):
    shape = random_shape(seed, (8, 64, 72, 136), (8, 64, 72, 136))
    a = arrays(shape)
    result = computed(which, shape, rounded(on("cpu", a), "fp16"), "fp16", cut=CUTS[seed % 3])
    np.testing.assert_array_equal(result, expected(which, shape, a), err_msg=str(shape))


def test_one_wrong_number_would_show(gpu, monkeypatch):
    """The virtual GPU is no toy: a map that begins a pixel too far gives another result, or is refused."""
    shape = SHAPES[0]
    there, right = rounded(on("cpu", arrays(shape)), "bf16"), hopper.map_of_left

    def moved(which, g):
        return right(which, g)._replace(lower=(right(which, g).lower[0], right(which, g).lower[1] + 1))

    monkeypatch.setattr(hopper, "map_of_left", moved)
    for which in PASSES:
        with pytest.raises(AssertionError):
            np.testing.assert_array_equal(
                computed(which, shape, there, "bf16"), expected(which, shape, arrays(shape)), err_msg=which
            )


@pytest.mark.parametrize("columns", [64, 128])
def test_sums_lie_where_the_books_say(columns):
    """PTX ISA, wgmma: row = 16 (warp % 4) + lane / 4 + 8 (i / 2 % 2), column = 8 (i / 4) + 2 (lane % 4) + i % 2."""
    rows, across = (np.zeros((128, columns // 2), "int32") for _ in range(2))
    kernels.launch(f"{SOURCE}.sums", 1, 1, (rows, across, columns // 2))
    assert len({*zip(rows.ravel().tolist(), across.ravel().tolist(), strict=True)}) == 64 * columns  # each once
    assert rows.min() == across.min() == 0 and rows.max() == 63 and across.max() == columns - 1
    assert rows[37].tolist()[:5] == [17, 17, 25, 25, 17] and across[37].tolist()[:5] == [2, 3, 2, 3, 10]  # lane 5


@pytest.mark.parametrize("which", PASSES)
def test_the_pass_behind_the_sums(gpu, which):
    """Bias, leaky ReLU, its derivative by a mask, and rounding, against the twin on the CPU."""
    shape, precision = Shape(1, 5, 4, 8, 16, (3, 2), (2, 1), ((1, 1), (0, 1))), "bf16"
    there = rounded(on("cpu", arrays(shape)), precision)
    if which == "weight_grad":
        out = np.zeros(shape.sizes.weight_shape, "float32")
        assert hopper.conv2d_weight_grad(there["x"], there["dy"], shape.sizes, precision, out) is out
        np.testing.assert_array_equal(out, expected(which, shape, arrays(shape)))
        return
    like = shape.sizes.y_shape if which == "forward" else shape.sizes.x_shape
    mask = Factor((np.arange(np.prod(like)).reshape(like) % 3 - 1).astype("float32").view("uint32"), "bf16")
    mask = (mask.numbers >> 16).astype("uint16")
    for after in (After(0.5), After(0.25, rounds=True), After(0.5, mask, rounds=True)):
        found, twin = computed(which, shape, there, precision, after), _twin(which, shape, there, precision, after)
        if after.rounds:
            assert isinstance(found, Factor) and (found.precision, found.slope) == (twin.precision, twin.slope)
            found, twin = found.numbers, twin.numbers
        np.testing.assert_array_equal(found, twin)


def _twin(which, shape, a, precision, after):
    if which == "forward":
        return tensor_cores.conv2d(a["x"], a["weight"], shape.sizes, precision, a["bias_f"], after)
    return tensor_cores.conv2d_input_grad(a["dy"], a["weight"], shape.sizes, precision, a["bias_c"], after)


# ---- launches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("which", PASSES)
def test_arguments_fit_the_kernels(gpu, which, precision):
    shape = SHAPES[0]
    computed(which, shape, rounded(on("cpu", arrays(shape)), precision), precision, cut=CUTS[1])
    ((entry, grid, block, args, shared),) = gpu.launched
    stem, _, name = entry.rpartition(".")
    found = {each.name: each for each in entries(source.text_of(stem), np.dtype("float32"))}
    convert(stem, found[name], args, "cpu")  # raises where an argument does not fit
    assert (grid, block) == (min(7, _works(which, shape.sizes, CUTS[1])), 384) and shared + 2048 <= SHARED_LIMIT
    with pytest.raises(TypeError, match="argument `a`: got a builtins bytes, expected 128 bytes"):
        convert(stem, found[name], [b"short" if isinstance(arg, bytes) else arg for arg in args], "cpu")


def _works(which, g, cut):
    phases, m, n = hopper.rows_of(which, g)
    down, across = cut.tile.grid(m, n, phases)
    return down * across * cut.splits


def test_plans_fill_the_gpu():
    """Batch 64 of the 64-pixel networks: 64 tiles are split in two; sums of few steps are not split."""
    sizes = Shape(64, 32, 32, 64, 128, (4, 4), (2, 2), ((1, 1), (1, 1))).sizes
    assert hopper.plan("forward", sizes) == (hopper.WIDE, 2)
    assert hopper.plan("input_grad", sizes) == (hopper.NARROW, 1)  # 4 phases of 64 tiles
    assert hopper.plan("weight_grad", sizes) == (hopper.WIDE, 30)  # 4 tiles
    assert hopper.plan("forward", Shape(1, 4, 4, 64, 64, (1, 1)).sizes) == (hopper.NARROW, 1)


# ---- maps -----------------------------------------------------------------------------------------------------------


def test_maps_by_value(monkeypatch):
    """D's second layer: the corners are those of an ordinary convolution, -padding and padding - (kernel - 1)."""
    driver = Driver()
    monkeypatch.setattr(tensor_maps, "_driver", lambda: driver)
    g = Shape(64, 32, 32, 64, 128, (4, 4), (2, 2), ((1, 1), (1, 1))).sizes
    numbers = [encoded(hopper.map_of_left(which, g), 4096, "bf16") for which in PASSES]
    numbers += [encoded(hopper.map_of_right(which, g), 8192, "fp16") for which in PASSES]
    assert [len(each) for each in numbers] == [128] * 6 and len(set(numbers)) == 6
    forward, input_grad, weight_grad, weight, _, dy = driver.maps
    assert forward == weight_grad | {"address": 4096}
    assert forward == {
        "kind": 9, "address": 4096, "sizes": [64, 32, 32, 64], "strides": [128, 4096, 131072], "lower": [-1, -1],
        "upper": [-2, -2], "channels": 64, "pixels": 64, "steps": [1, 2, 2, 1],
    }  # fmt: skip
    assert (input_grad["sizes"], input_grad["lower"], input_grad["upper"]) == ([128, 16, 16, 64], [-1, -1], [-1, -1])
    assert weight == {
        "kind": 6, "address": 8192, "sizes": [128, 64, 16], "strides": [256, 16384], "box": [64, 64, 1],
        "steps": [1, 1, 1],
    }  # fmt: skip
    assert dy["sizes"] == [128, 64 * 16 * 16, 1]


def test_corners_and_strides_stand_across_first(monkeypatch):
    driver = Driver()
    monkeypatch.setattr(tensor_maps, "_driver", lambda: driver)
    encoded(Im2colMap((2, 9, 30, 8), (-3, -5), (4, 6), (2, 7)), 4096, "bf16")
    assert driver.maps[0]["lower"] == [-5, -3] and driver.maps[0]["steps"] == [1, 7, 2, 1]
    assert driver.maps[0]["upper"] == [-5 + 5 * 7 - 29, -3 + 3 * 2 - 8]


IMAGES = Im2colMap((2, 9, 30, 8), (-1, -1), (4, 6), (2, 4))


@pytest.mark.parametrize(
    "wanted, address, message",
    [
        (IMAGES, 8, "address 0x8, expected a multiple of 16"),
        (IMAGES._replace(shape=(2, 9, 30, 12)), 0, "lines of 12 numbers, expected a multiple of 8"),
        (IMAGES._replace(shape=(0, 9, 30, 8)), 0, "expected 1 to 2\\^32 along each axis"),
        (IMAGES._replace(lower=(-1, -129)), 0, "a bounding box from"),
        (IMAGES._replace(shape=(2, 9, 300, 8)), 0, "a bounding box from"),
        (IMAGES._replace(stride=(9, 1)), 0, "a stride of \\(9, 1\\), expected at most 8"),
        (TiledMap((2, 2**20, 2**19)), 0, "expected fewer than 2\\^40 bytes"),
        (TiledMap((1, 5, 20)), 0, "lines of 20 numbers"),
    ],
)
def test_maps_that_break_a_rule_are_refused(monkeypatch, wanted, address, message):
    monkeypatch.setattr(tensor_maps, "_driver", lambda: None)  # which is not asked
    with pytest.raises(ValueError, match=f"tensor map: got .*{message}"):
        encoded(wanted, address, "bf16")


def test_what_the_driver_refuses_is_said(monkeypatch):
    driver = Driver()
    driver.error = 1
    monkeypatch.setattr(tensor_maps, "_driver", lambda: driver)
    with pytest.raises(RuntimeError, match="cuTensorMapEncodeIm2col: got error 1 for Im2colMap"):
        encoded(IMAGES, 4096, "bf16")


@pytest.mark.parametrize("library", ["libcuda-that-is-missing.so.1", "libm.so.6"])
def test_a_driver_without_maps_is_refused(monkeypatch, library):
    monkeypatch.setattr(tensor_maps, "LIBRARY", library)
    tensor_maps._driver.cache_clear()
    with pytest.raises(RuntimeError, match=f"got no tensor maps from {library}"):
        encoded(IMAGES, 4096, "bf16")
