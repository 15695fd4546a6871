"""The Winograd convolution against the direct one, and its matrices against the definition they come from."""

from __future__ import annotations

import numpy as np
import pytest

from cases import assert_close
from gpunet import backend
from gpunet.backend.conv import toom, winograd
from gpunet.backend.conv.tiles import Tiling
from gpunet.backend.matmul import COLUMNS, DEPTH, ROWS, matmul_stack
from gpunet.layers.geometry import conv_pads

SHAPES = [  # hw, channels in and out, kernel, stride, padding
    ((8, 8), 3, 5, 4, 2, 1),
    ((9, 7), 2, 3, 4, 2, 1),
    ((10, 12), 3, 2, 5, 2, "same"),
    ((7, 7), 1, 4, 5, 2, "same"),
    ((6, 9), 2, 3, 3, 1, 1),
    ((11, 5), 2, 2, 5, 3, "valid"),
    ((5, 6), 4, 1, 3, 2, 0),
    ((1, 1), 2, 2, 2, 1, 1),
]


@pytest.mark.parametrize("m, r", [(2, 2), (4, 2), (2, 3), (4, 3), (3, 3), (4, 1), (1, 4)])
def test_matrices_give_the_short_correlation(m, r):
    a, g, b = toom.matrices(m, r)
    rng = np.random.default_rng(0)
    s, w = rng.standard_normal(m + r - 1), rng.standard_normal(r)
    assert a.shape == (m, m + r - 1)  # m + r - 1 products, no more
    assert_close(a @ ((g @ w) * (b @ s)), [sum(s[i + u] * w[u] for u in range(r)) for i in range(m)], 1e-14)


def make(hw, c, f, k, stride, padding, m, dtype="float64"):
    rng = np.random.default_rng(3)
    pads = conv_pads(hw, (k, k), (stride, stride), (padding, padding) if isinstance(padding, int) else padding)
    sizes = backend.conv_sizes((3, *hw), (k, k, c, f), (stride, stride), pads)
    tiling = Tiling(sizes, m)
    x = rng.standard_normal((3, *hw, c)).astype(dtype)
    weight = rng.standard_normal((k, k, c, f)).astype(dtype)
    dy = rng.standard_normal((3, *tiling.out, f)).astype(dtype)
    return tiling, x, weight, dy, sizes


def passes(tiling, x, weight, dy, spoil=None):
    """The three passes: y, dx and dweight. spoil: a number to write wherever depth takes no part in a product."""

    def spoilt(planes, axis):
        for plane, span in zip(planes, tiling.spans if spoil else [], strict=False):
            lines = plane if axis == 0 else plane.T
            lines[: span.start], lines[span.stop :] = spoil, spoil
        return planes

    v, u = spoilt(winograd.transform_input(x, tiling), 1), spoilt(winograd.transform_weight(weight, tiling), 0)
    e = winograd.transform_output_adjoint(dy, tiling)
    dv = spoilt(matmul_stack(e, u.transpose(0, 2, 1), tiling.spans, COLUMNS), 1)
    du = spoilt(matmul_stack(v.transpose(0, 2, 1), e, tiling.spans, ROWS), 0)
    y = winograd.transform_output(matmul_stack(v, u, tiling.spans, DEPTH), tiling)
    return y, winograd.transform_input_adjoint(dv, tiling), winograd.transform_weight_adjoint(du, tiling)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("m", [2, 4])
def test_three_passes_equal_the_direct_convolution(shape, m, cell):
    tiling, x, weight, dy, sizes = make(*shape, m)
    expected = (
        backend.conv2d.reference(x, weight, sizes),
        backend.conv2d_input_grad.reference(dy, weight, sizes),
        backend.conv2d_weight_grad.reference(x, dy, sizes),
    )
    actual = passes(tiling, cell.array(x), cell.array(weight), cell.array(dy))
    for name, got, wanted in zip(("y", "dx", "dweight"), actual, expected, strict=True):
        assert_close(got, wanted, 1e-12, name)


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("kernel, padding", [(4, 1), (5, "same")])
def test_float32_error_stays_small(m, kernel, padding, cell):
    """Toom-Cook's larger numbers cost digits; the project's bound is an rms relative error of 5e-6 for every pass."""
    wide = make((8, 8), 16, 24, kernel, 2, padding, m)
    with backend.use("reference"):
        exact = passes(*wide[:4])
    single = passes(wide[0], *(cell.array(array, "float32") for array in wide[1:4]))
    for actual, wanted in zip(map(backend.to_numpy, single), exact, strict=True):
        assert np.sqrt(np.mean((actual - wanted) ** 2) / np.mean(wanted**2)) < 5e-6


@pytest.mark.parametrize("m, left", [(2, 49), (4, 121)])
def test_two_taps_take_fewer_products(m, left):
    """k5 s2: 49 of 64 and 121 of 144, counted in phases; k4 s2 all of them."""
    tiling = make((8, 8), 3, 2, 5, 2, "same", m)[0]
    assert sum(span.stop - span.start for span in tiling.spans) == left * tiling.c
    assert make((8, 8), 3, 2, 4, 2, 1, m)[0].spans is None


@pytest.mark.parametrize("m", [2, 4])
def test_what_no_product_reads_or_writes_has_no_meaning(m, cell):
    """k5 s2: NaN in the parts of V, U, dV and dU beyond the spans changes nothing."""
    tiling, x, weight, dy, _ = make((9, 10), 3, 4, 5, 2, "same", m)
    expected = passes(tiling, *map(cell.array, (x, weight, dy)))
    actual = passes(tiling, *map(cell.array, (x, weight, dy)), spoil=np.nan)
    for got, wanted in zip(actual, expected, strict=True):
        assert_close(got, backend.to_numpy(wanted), 0)


def test_uneven_kernel_is_refused():
    with pytest.raises(ValueError, match="square"):
        Tiling(backend.conv_sizes((1, 8, 8), (4, 3, 3, 2), (2, 2), ((1, 1), (1, 1))), 2)
