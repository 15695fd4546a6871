"""Pictures as cells: where each number lies, exact sums of whole numbers, bounds, and the bytes that are moved.

Over 300 lines: every test is one of the same shapes.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from conv_shapes import PASSES, PRECISIONS, Shape, arrays, expected, on, random_shape
from gpunet import backend, kernels
from gpunet.backend import cells, factors, tensor_cores
from gpunet.backend.conv import of_cells
from gpunet.backend.conv.of_cells import RoundedCells
from gpunet.backend.cuts import Plan
from gpunet.backend.factors import Factor, factor
from guard_pages import assert_survives, between_pages, empty_between_pages

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_format = pytest.mark.parametrize("precision", PRECISIONS)
every_pass = pytest.mark.parametrize("which", PASSES)
SHAPES = [
    Shape(2, 8, 10, 3, 16, (4, 4), (2, 2), ((1, 1), (1, 1))),  # the DCGAN's own geometry
    Shape(2, 9, 7, 3, 8, (5, 5), (2, 2), ((1, 2), (2, 1))),  # 5 taps: the last cell is half empty
    Shape(3, 7, 6, 1, 24, (4, 4), (2, 2), ((1, 2), (1, 1))),  # one channel, an odd size
    Shape(1, 6, 8, 4, 72, (4, 4), (2, 2), ((1, 1), (1, 1))),  # more outputs than a tile has columns
    Shape(2, 8, 9, 2, 8, (3, 2), (2, 3), ((0, 1), (1, 0))),  # pixels that no output sees
    Shape(1, 6, 7, 3, 8, (2, 4), (1, 2), ((1, 0), (1, 1))),  # cells of one line
    Shape(2, 5, 5, 4, 8, (1, 1), (2, 2)),  # a kernel smaller than a cell
    Shape(5, 16, 16, 3, 8, (4, 4), (2, 2), ((1, 1), (1, 1))),  # several tiles of every kind
]
FIVE = Shape(2, 6, 9, 5, 8, (4, 5), (2, 2), ((1, 1), (2, 2)))  # 5 channels: cells of 16 bits alone are small enough


def convolved(which, shape, device, precision, a):
    """Return what a pass gives for float32 arrays on a device."""
    there = on(device, a)
    conv = RoundedCells(there["weight"], shape.sizes, precision)
    if which == "forward":
        return conv.output(conv.input_form(there["x"]), there["bias_f"])
    if which == "input_grad":
        return conv.input_grad(conv.output_form(there["dy"]), there["bias_c"])
    return conv.weight_grad(conv.input_form(there["x"]), conv.output_form(there["dy"]))


@everywhere
@every_format
@every_pass
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whole_numbers_are_exact(device, precision, shape, which):
    a = arrays(shape)
    np.testing.assert_array_equal(host(convolved(which, shape, device, precision, a)), expected(which, shape, a))


@every_pass
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_five_channels_are_exact_in_16_bits(precision, which):
    a = arrays(FIVE)
    np.testing.assert_array_equal(convolved(which, FIVE, "cpu", precision, a), expected(which, FIVE, a))
    assert not of_cells.takes(FIVE.sizes.weight_shape, FIVE.stride, "tf32")


RANDOM = [random_shape(seed, (1, 2, 3, 4), (8, 16, 24)) for seed in range(40)]


@every_format
@every_pass
def test_random_shapes_are_exact(precision, which):
    taken = [shape for shape in RANDOM if of_cells.takes(shape.sizes.weight_shape, shape.stride, precision)]
    assert len(taken) >= 10
    for shape in taken:
        a = arrays(shape)
        np.testing.assert_array_equal(
            convolved(which, shape, "cpu", precision, a), expected(which, shape, a), err_msg=str(shape)
        )


# ---- what writes cells ----------------------------------------------------------------------------------------------


def layout(shape, precision):
    return cells.layout_of(shape.sizes, precision)


def as_cells(pictures, shape, precision, frame=0):
    """Return pictures as cells by their definition, in plain loops over the pixels of a cell."""
    g, to = shape.sizes, layout(shape, precision)
    made = np.full((len(pictures), to.rows, to.columns, to.sh, to.sw, to.padded), frame, pictures.dtype)
    for i, j, a, b in np.ndindex(to.rows, to.columns, to.sh, to.sw):
        h, w = i * to.sh + a - g.top, j * to.sw + b - g.left
        if 0 <= h < g.h and 0 <= w < g.w:
            made[:, i, j, a, b, : g.c] = pictures[:, h, w]
    return made.reshape(len(pictures), to.rows, to.columns, -1)


def same(made, wanted, precision):
    """Compare cells with float32 numbers, which are rounded as factors are."""
    np.testing.assert_array_equal(host(made.numbers), host(factor(wanted, precision)))


def normal(seed, shape):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@everywhere
@every_format
@every_shape
def test_pictures_there_and_back(device, precision, shape):
    x = normal(0, shape.sizes.x_shape)
    x[0, 0, 0, 0], x[-1, -1, -1, -1] = np.nan, np.inf
    made = cells.to_cells(backend.to_device(x, device), layout(shape, precision))
    assert made.shape == x.shape and len(made) == len(x)
    same(made, as_cells(x, shape, precision), precision)
    there = factor(x, precision)
    np.testing.assert_array_equal(host(made.real()), Factor(there, precision).real())
    one = made[1:2]
    np.testing.assert_array_equal(host(one.real()), Factor(there, precision).real()[1:2])


@everywhere
@every_format
@pytest.mark.parametrize("flipped", [False, True])
def test_bytes(device, precision, flipped):
    """The numbers are those of images_to_real, rounded; what lies beside the room is not touched."""
    shape, rng = SHAPES[1], np.random.default_rng(0)
    images, flip = rng.integers(0, 256, shape.sizes.x_shape, "uint8"), np.array([False, True]) if flipped else None
    room = cells.new_cells(backend.to_device(normal(0, 1), device), 3, layout(shape, precision))
    room.numbers[...] = 7
    there = [None if a is None else backend.to_device(a, device) for a in (images, flip)]
    cells.images_to_cells(cells.Bytes(*there, -1.0), room[1:])
    with backend.use("kernels"):
        real = backend.images_to_real(images, flip=flip)
    same(room[1:], as_cells(real, shape, precision), precision)
    assert (host(room.numbers[0]) == 7).all()


@everywhere
@every_format
@pytest.mark.parametrize("pair", [(0, 0), (1, 5), (5, 1)], ids=str)
def test_tanh_between_two_layouts(device, precision, pair):
    """y = tanh(x) and dx = dy (1 - y^2), from the cells of one convolution to those of another one."""
    mine, others = (Shape(2, 9, 8, 3, 8, *SHAPES[i][5:]) for i in pair)
    x, dy = (normal(seed, mine.sizes.x_shape) for seed in (1, 2))
    of_x = cells.Cells(backend.to_device(as_cells(x, mine, precision), device), layout(mine, precision), "fp32")
    of_dy = cells.Cells(backend.to_device(as_cells(dy, others, precision), device), layout(others, precision), "fp32")
    room = cells.new_cells(of_x.numbers, 2, layout(others, precision))
    of_y = cells.tanh(of_x, room)
    y = host(of_y.real())
    assert_close(y, np.tanh(x.astype("float64")), 8 * EPS32)
    np.testing.assert_array_equal(host(of_y.numbers), as_cells(y, others, precision, frame=1))
    same(room, as_cells(y, others, precision), precision)
    with backend.use("kernels"):
        there = [backend.to_device(array, device) for array in (x, dy, y)]
        np.testing.assert_array_equal(y, host(backend.tanh(there[0])))
        dx = host(backend.tanh_backward(*there[1:]))
    same(cells.tanh_backward(of_dy, of_y, layout(mine, precision)), as_cells(dx, mine, precision), precision)


@everywhere
@every_format
@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[1]], ids=str)
def test_an_input_gradient_goes_through_tanh(device, precision, shape):
    """The launch that computes it multiplies it by 1 - y^2: the bits are those of a launch behind it."""
    dy, y = (backend.to_device(normal(seed, size), device) for seed, size in ((1, shape.sizes.y_shape),
                                                                              (2, shape.sizes.x_shape)))  # fmt: skip
    conv = RoundedCells(backend.to_device(normal(3, shape.sizes.weight_shape), device), shape.sizes, precision)
    y_cells = backend.to_device(as_cells(host(y), shape, precision, frame=1), device)
    of_y = cells.Cells(y_cells, conv.layout, "fp32")
    Y = conv.output_form(dy)
    wanted = cells.tanh_backward(conv.input_grad_cells(Y), of_y, conv.layout)
    found = conv.input_grad_cells(Y, of_y)
    assert found.before_tanh and found.precision == precision
    found, wanted = (Factor(made.numbers, precision).real() for made in (found, wanted))
    # In tf32x3 nothing is rounded at the end: there a GPU's compiler may fuse a product and a sum in one kernel alone.
    tolerance = 2e-6 if (device, precision) == ("cuda", "tf32x3") else 0
    np.testing.assert_allclose(host(found), host(wanted), tolerance, tolerance)


@everywhere
@every_format
@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[5]], ids=str)
def test_one_launch_writes_bytes_and_tanh(device, precision, shape):
    """What a room gets by one launch is what it gets by one for each half."""
    images, rng = np.random.default_rng(0).integers(0, 256, shape.sizes.x_shape, "uint8"), np.random.default_rng(1)
    flip, to = rng.random(shape.n) < 0.5, layout(shape, precision)
    real = cells.Bytes(backend.to_device(images, device), backend.to_device(flip, device), -1.0)
    x = backend.to_device(as_cells(normal(2, shape.sizes.x_shape), shape, precision), device)
    z = cells.Cells(x, to, "fp32")
    with backend.use("kernels"):
        rooms = [cells.Room(cells.new_cells(x, 2 * shape.n, to), first) for first in (real, real.real())]
        pictures = [room.tanh(z) for room in rooms]
    np.testing.assert_array_equal(*(host(y.numbers) for y in pictures))
    np.testing.assert_array_equal(*(host(room.joined.numbers) for room in rooms))
    rooms[0].joined.numbers[...] = 0
    assert rooms[0].made.tanh is pictures[0]
    rooms[0].fill(pictures[0].real())
    np.testing.assert_array_equal(*(host(room.joined.numbers) for room in rooms))


def test_misuse():
    shape = SHAPES[0]
    x, to = normal(0, shape.sizes.x_shape), layout(shape, "bf16")
    room = cells.new_cells(x, 3, to)
    with pytest.raises(ValueError, match=r"got pictures of shapes \(2, 8, 10, 3\), \(3, 8, 10, 3\), expected the same"):
        cells.to_cells(x, to, room)
    images = x.astype("uint8")
    with pytest.raises(ValueError, match=r"got flip of shape \(3,\), expected \(2,\), one per image"):
        cells.images_to_cells(cells.Bytes(images, np.zeros(3, bool), -1.0), room[:2])
    z = cells.Cells(np.zeros((2, to.rows, to.columns, to.depth), "float32"), to, "fp32")
    with pytest.raises(ValueError, match="got 2 and 2 pictures, expected 3 together"):
        cells.Room(room, cells.Bytes(images, None, -1.0)).tanh(z)
    for wrong in (
        lambda: cells.Room(room, cells.Bytes(images[:1, 1:], None, -1.0)).tanh(z),
        lambda: cells.tanh(z, room),
        lambda: cells.tanh_backward(z[:1], z, to),
        lambda: cells.images_to_cells(cells.Bytes(images[:, 1:], None, -1.0), room[:2]),
    ):
        with pytest.raises(ValueError, match="got pictures of shapes .*, expected the same"):
            wrong()
    with pytest.raises(ValueError, match="got 5 channels in cells of 2x2 pixels, expected at most 64 bytes a cell"):
        layout(FIVE, "tf32")
    with pytest.raises(TypeError, match="got reshape of cells"):
        room.reshape(3, -1)


@everywhere
def test_cells_of_another_layout_or_precision_are_taken_apart(device):
    """A convolution takes cells as they are if they are its own, else the pictures that they hold."""
    shape, other = SHAPES[0], Shape(2, 8, 10, 3, 16, (3, 3), (2, 3))
    a = arrays(shape)
    there = on(device, a)
    conv = RoundedCells(there["weight"], shape.sizes, "bf16")
    own = cells.to_cells(there["x"], conv.layout)
    assert conv.input_form(own) is own.numbers
    for made in (cells.to_cells(there["x"], layout(other, "bf16")), cells.to_cells(there["x"], layout(shape, "tf32"))):
        np.testing.assert_array_equal(host(conv.input_form(made)), host(own.numbers))


# ---- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("n", [64, 128])
def test_bytes_of_the_weight_gradient(precision, n, monkeypatch):
    """It moves at most 1 1/2 times the bytes of x and dy: of dcgan64's last layer of G, and its first one of D.

    Counted: the arrays that it is launched with, each once, and the parts of the sum, which are written and read. Its
    blocks read dy once, and x once for each of 4 taps.
    """
    shape = Shape(n, 64, 64, 3, 64, (4, 4), (2, 2), ((1, 1), (1, 1)))
    launched = []
    monkeypatch.setattr(kernels, "launch", lambda name, grid, block, args, shared: launched.append((grid, args)))
    conv = RoundedCells(np.empty(shape.sizes.weight_shape, "float32"), shape.sizes, precision)
    dtype = factors.DTYPES[precision]
    x, dy = np.empty(conv.of_cells.x_shape, dtype), np.empty(shape.sizes.y_shape, dtype)
    conv.weight_grad(x, dy)
    ((grid, args),) = launched
    assert grid[:2] == (1, 1)
    moved = sum(array.nbytes for array in args[:3]) + 2 * args[3].nbytes
    pictures = np.prod(shape.sizes.x_shape) * x.itemsize + dy.nbytes
    assert moved <= 1.5 * pictures
    assert 4 * n * 32 * 32 * x.shape[-1] * x.itemsize + dy.nbytes + 2 * args[3].nbytes <= 2.1 * pictures


@every_format
@pytest.mark.parametrize("m, n, depth", [(64, 64, 4096), (48, 8, 3), (144, 128, 500), (64, 1024, 40)])
def test_plans(precision, m, n, depth):
    """Every block of a weight gradient has work, and no more blocks share a sum than occupy a GPU."""
    tile, splits = of_cells.plan_of_weight_grad(m, n, depth)
    down, across = tile.grid(m, n, 1)
    assert 1 <= splits <= max(1, depth // tensor_cores.SHORTEST)
    assert splits == 1 or down * across * splits <= tensor_cores.BLOCKS


@every_pass
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("tile", [tensor_cores.TALL, tensor_cores.SMALL], ids=lambda tile: tile.name)
def test_every_tile_and_split(which, precision, tile, monkeypatch):
    splits = 3 if which == "weight_grad" else 1
    for plan in ("plan", "plan_of_weight_grad"):
        monkeypatch.setattr(of_cells, plan, lambda *sizes: Plan(tile, splits))
    for shape in (SHAPES[0], SHAPES[1], SHAPES[3], SHAPES[7]):
        a = arrays(shape)
        np.testing.assert_array_equal(convolved(which, shape, "cpu", precision, a), expected(which, shape, a))


# ---- bounds ---------------------------------------------------------------------------------------------------------


def run_between_guard_pages(precision):
    """Every pass and everything that writes cells, on arrays that begin or end at a page without access."""
    for at_end in (True, False):
        of_cells.empty = cells.empty = tensor_cores.empty = functools.partial(empty_between_pages, at_end)
        for shape in SHAPES:
            print(at_end, shape, flush=True)
            a = arrays(shape)
            there = {name: between_pages(v, at_end) for name, v in on("cpu", a).items()}
            conv = RoundedCells(Factor(between_pages(factor(there["weight"], precision), at_end), precision),
                                shape.sizes, precision)  # fmt: skip
            X, Y = conv.input_form(there["x"]), between_pages(factor(there["dy"], precision), at_end)
            results = conv.output(X, there["bias_f"]), conv.input_grad(Y, there["bias_c"]), conv.weight_grad(X, Y)
            for which, result in zip(PASSES, results, strict=True):
                np.testing.assert_array_equal(result, expected(which, shape, a))
            images, flip = between_pages(a["x"].astype("uint8"), at_end), np.arange(shape.n) % 2 == 0
            room = cells.new_cells(X, shape.n, conv.layout)
            real = cells.Bytes(images, between_pages(flip, at_end), -1.0)
            cells.images_to_cells(real, room)
            z = conv.input_grad_cells(Y)
            cells.tanh_backward(z, cells.tanh(z, room), conv.layout)
            cells.Room(cells.new_cells(X, 2 * shape.n, conv.layout), real).tanh(z)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])  # of the others, one has the bytes of each
def test_no_byte_outside_is_touched(precision):
    assert_survives(__file__, f"run_between_guard_pages({precision!r})")
