"""The exact path: threads that wait, share memory, shuffle and multiply on tensor cores, the same on both machines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpunet import kernels
from gpunet.backend import to_device, to_numpy

FILE = str(Path(__file__).with_name("exact_path"))
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
pytestmark = pytest.mark.parametrize("device", DEVICES)


def launch(device, entry, grid, block, arrays, *scalars, shared=0):
    """Launch a kernel of exact_path.cu on copies of the arrays and return these as NumPy arrays."""
    moved = [to_device(array.copy(), device) for array in arrays]
    kernels.launch(f"{FILE}.{entry}", grid, block, (*moved, *scalars), shared=shared)
    return [to_numpy(array) for array in moved]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("block", [1, 33, 256, (16, 3)])
def test_shared_memory_and_barriers(device, dtype, block):
    size = int(np.prod(block))
    x = np.arange(5 * size, dtype=dtype)
    y, _ = launch(device, "reverse", 5, block, [np.zeros_like(x), x], shared=size * x.itemsize)
    assert np.array_equal(y, x.reshape(5, size)[:, ::-1].ravel())


@pytest.mark.parametrize("width", [32, 8])
def test_shuffles_and_votes(device, width):
    y = launch(device, "shuffles", 1, 64, [np.zeros((9, 64), "int32")], 64, width)[0]
    i = np.arange(64)
    lane, start = i % width, i - i % width
    assert np.array_equal(y[0], start + 5)
    assert np.array_equal(y[1], np.where(lane >= 3, i - 3, i))
    assert np.array_equal(y[2], np.where(lane + 3 < width, i + 3, i))
    assert np.array_equal(y[3], i ^ 1)
    votes = [sum(1 << k for k in range(32) if (first + k) % 3 == 0) for first in (0, 32)]
    assert np.array_equal(y[4].view("uint32"), np.repeat(votes, 32).astype("uint32"))
    assert np.array_equal(y[5], i < 32) and np.array_equal(y[6], i < 32)
    assert np.array_equal(y[7], i // 32 * 32 + np.where(i % 32 < 8, 2, 9))
    assert np.array_equal(y[8], np.repeat([sum(range(32)) + 16, sum(range(32, 64)) + 16], 32))


def test_atomics(device):
    zero = [np.zeros(1, dtype) for dtype in ("int32", "float32", "int32", "uint32")]
    count, total, largest, last = launch(device, "atomics", 7, 64, zero)
    assert (count[0], total[0], largest[0], last[0]) == (448, 448, 447, 448)


def rounded(x, bits):
    """Round x to the nearest float whose last `bits` bits are zero (ties do not occur in these numbers)."""
    return ((x.view("uint32") + (1 << (bits - 1))) >> bits << bits).view("float32")


@pytest.mark.parametrize("kind, k, cut", [("half", 16, 13), ("bfloat16", 16, 16), ("tf32", 8, 13)])
def test_tensor_core_product(device, kind, k, cut):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.5, 2, (16, k)).astype("f4"), rng.uniform(-2, -0.5, (k, 8)).astype("f4")
    d = launch(device, f"multiply_{kind}", 1, 32, [np.zeros((16, 8), "f4"), a, b])[0]
    expected = 1 + rounded(a, cut).astype("f8") @ rounded(b, cut).astype("f8")
    # k products, each exact, are added in float: at most k roundings of a partial sum
    assert np.abs(d - expected).max() <= k * np.finfo("f4").eps * np.abs(expected).max()
    assert np.abs(1 + a.astype("f8") @ b - expected).max() > 1e-4  # so that the rounding of the inputs is seen


def test_conversions(device):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(1000) * np.exp2(rng.integers(-30, 18, 1000))
    edges = [0, -0.0, np.inf, -np.inf, np.nan, 65519.9, 65520, 6e-8, 2.9e-8, 3e-8, 6.1e-5, 1 + 2**-11, 1 + 3 * 2**-11]
    x = np.concatenate([x, edges]).astype("float32")
    n = x.size
    empty = [np.zeros(n, "float16"), np.zeros(n, "uint16"), np.zeros((3, n), "float32")]
    h, b, back, _ = launch(device, "conversions", -(-n // 64), 64, [*empty, x], n)
    with np.errstate(over="ignore"):
        assert np.array_equal(h, x.astype("float16"), equal_nan=True)
    assert np.array_equal(back[0], h.astype("float32"), equal_nan=True)
    assert np.array_equal(back[1], (b.astype("uint32") << 16).view("float32"), equal_nan=True)
    for got, digits in ((back[1], 8), (back[2], 11)):
        finite = np.isfinite(x)
        assert np.array_equal(got[~finite], x[~finite], equal_nan=True)
        assert (np.abs(got[finite] - x[finite]) <= np.abs(x[finite]) * 2.0**-digits).all()
        assert np.array_equal(got[finite].view("uint32") & ((1 << (24 - digits)) - 1), np.zeros(finite.sum(), "uint32"))


@pytest.mark.parametrize("turned", [False, True])
def test_matrices_are_dealt_out_to_the_lanes(device, turned):
    """Lane 4 g + t gets numbers 2 t and 2 t + 1 of row g of each matrix, or of column g where they are turned."""
    matrices = np.arange(4 * 8 * 8, dtype="uint16").reshape(4, 8, 8) * 251  # (matrix, line, number), all different
    order = np.random.default_rng(0).permutation(32).astype("int32")  # lines may lie anywhere
    lines = np.empty((32, 8), "uint16")
    lines[order] = matrices.reshape(32, 8)
    entry = "load_turned" if turned else "load_straight"
    r = launch(device, entry, 1, 32, [np.zeros((32, 4), "uint32"), lines, order])[0]  # (lane, register)
    rows = matrices.swapaxes(1, 2) if turned else matrices
    pairs = rows.reshape(4, 32, 2).astype("uint32")  # (matrix, lane, number)
    assert np.array_equal(r.T, pairs[:, :, 0] | pairs[:, :, 1] << 16)


@pytest.mark.parametrize("valid", [160, 136, 8, 0])
def test_asynchronous_copies(device, valid):
    x = np.arange(1, 161, dtype="float32")
    y = launch(device, "copies", 1, 32, [np.full_like(x, -1), x], valid)[0]
    assert np.array_equal(y, np.where(np.arange(160) < valid, x, 0))


@pytest.mark.parametrize("entry", ["barrier_for_some", "shuffle_for_some"])
def test_mistakes_end_in_an_error_and_the_next_launch_works(device, entry):
    if device == "cuda":
        pytest.skip("on a GPU such a kernel may hang or end the context")
    with pytest.raises(RuntimeError, match=f"{entry}, grid .1, 1, 1., block .32, 1, 1.: .*never reach"):
        launch(device, entry, 1, 32, [np.zeros(32, "int32")])
    test_shared_memory_and_barriers(device, "float32", 33)
