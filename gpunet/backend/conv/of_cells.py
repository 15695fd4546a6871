"""Convolutions of pictures on tensor cores: the three sums over cells (../cells.py, kernels/conv2d_mma/of_cells.cuh).

A convolution of pictures with stride S is one of cells with stride 1 and without padding. The weight (KH, KW, C, F) and
its gradient stay as they are: the kernels know which of their rows a number of a cell meets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet.backend import epilogue, tensor_cores
from gpunet.backend.cells import Cells, Layout, layout_of, padded_channels, to_cells
from gpunet.backend.cuts import Plan
from gpunet.backend.devices import Array, written
from gpunet.backend.factors import DTYPES, Factor, factor
from gpunet.backend.launches import address, empty
from gpunet.backend.sizes import Pair, Sizes
from gpunet.backend.tensor_cores import LINE, NOTHING, PAIR, SMALL, TALL, After, Product, launch


def takes(weight: tuple[int, ...], stride: Pair, precision: str) -> bool:
    """Return whether the kernels take pictures for a weight (KH, KW, C, F): in cells of 2 pixels to 64 bytes."""
    kh, kw, c, f = weight
    fits = max(kh, kw) <= tensor_cores.TAPS and f % tensor_cores.CHANNELS == 0 and stride != (1, 1)
    return fits and padded_channels(c, stride, precision) is not None


class RoundedCells:
    """The sums on tensor cores, over pictures that lie as cells. The weight is rounded for the first pass."""

    def __init__(self, weight: Array | Factor, sizes: Sizes, precision: str) -> None:
        self.weight, self.sizes, self.precision = weight, sizes, precision
        self.layout = layout_of(sizes, precision)
        self.of_cells = _sizes_of_cells(sizes, self.layout)

    def input_form(self, x: Array | Factor) -> Array:
        if isinstance(x, Cells) and x.layout == self.layout and x.precision == self.precision:
            return x.numbers
        return to_cells(x.real() if isinstance(x, Factor) else x, self.layout).numbers  # (N, rows, columns, depth)

    def output_form(self, dy: Array | Factor) -> Array:
        return factor(dy, self.precision)

    def output(self, x: Array, bias: Array | None = None, after: After = NOTHING) -> Any:
        """Return y (N, OH, OW, F) of cells x."""
        g = self.of_cells
        y = after.room(x, g.y_shape, self.precision)
        arguments = [*after.pointers(y), x, self._rounded_weight(), bias, after.slope]
        m = g.n * g.oh * g.ow
        cut = plan(m, g.f)
        wanted = None if cut.tile is TALL else after.norm  # its kernel has no registers for sums
        sums, more = epilogue.asked(wanted, y, self.precision, cut.tile, m, g.f)
        self._launch("conv2d_forward", Product(cut, m, g.f), y, arguments, more)
        return epilogue.with_sums(after.handed(y, self.precision), sums)

    def input_grad(self, dy: Array, bias: Array | None = None) -> Array:
        return self.input_grad_cells(dy).real(bias)

    def input_grad_cells(self, dy: Array, tanh: Cells | None = None) -> Cells:
        """Return dx (N, H, W, C), float32, as cells: each number lies in one of them, so nothing has to be folded.

        tanh: y (N, H, W, C) in cells of float32. dx is then rounded, and that of x, y = tanh(x): dx (1 - y^2).
        """
        g, dtype = self.of_cells, DTYPES.get(self.precision) if tanh else None
        dx = empty(dy, *g.x_shape, dtype=dtype or "float32")
        m, results = g.n * g.h * g.w, [None, dx] if dtype else [dx, None]
        arguments = [*results, dy, self._rounded_weight(), tanh and tanh.numbers]
        self._launch("conv2d_input_grad", Product(plan(m, g.c), m, g.c), dx, arguments)
        return Cells(dx, self.layout, self.precision if tanh else "fp32", before_tanh=tanh is not None)

    def weight_grad(self, x: Array, dy: Array, out: Array | None = None) -> Array:
        g = self.of_cells
        fits = out is not None and address(out) % PAIR == 0
        dweight = out if fits else empty(x, *self.sizes.weight_shape, dtype="float32")
        m, depth = g.kh * g.kw * g.c, -(-g.n * g.oh * g.ow * x.itemsize // LINE)
        product = Product(plan_of_weight_grad(m, g.f, depth), m, g.f)
        self._launch("conv2d_weight_grad", product, dweight, [dweight, x, dy])
        return written(dweight, out)

    def _rounded_weight(self) -> Array:
        if not isinstance(self.weight, Factor):
            self.weight = Factor(factor(self.weight, self.precision), self.precision)
        return factor(self.weight, self.precision)

    def _launch(
        self, entry: str, product: Product, out: Array, arguments: list[Any], more: Sequence[Any] = ()
    ) -> None:
        """Start a kernel; more: its arguments behind those of the pixels."""
        _, _, _, c, *_, kh, kw, sh, sw, _, _ = self.sizes
        pixels = c, self.layout.padded, kh, kw, sh, sw
        launch(f"of_cells_{self.precision}.{entry}", product, out, arguments, self.of_cells, [*pixels, *more])


def _sizes_of_cells(g: Sizes, layout: Layout) -> Sizes:
    """Return the sizes of the convolution of cells."""
    kh, kw = -(-g.kh // g.sh), -(-g.kw // g.sw)
    return Sizes(g.n, layout.rows, layout.columns, layout.depth, g.oh, g.ow, g.f, kh, kw, 1, 1, 0, 0)


def plan(m: int, n: int) -> Plan:
    """Return the cut of a forward pass or an input gradient, whose sums are short: large tiles if they fill a GPU."""
    down, across = TALL.grid(m, n, 1)
    return Plan(TALL if down * across >= tensor_cores.BLOCKS else SMALL, 1)


def plan_of_weight_grad(m: int, n: int, depth: int) -> Plan:
    """Return the cut of a weight gradient, whose result is small: one tile along the rows, so that dy is read once."""
    tile = SMALL if m <= SMALL.rows else TALL
    down, across = tile.grid(m, n, 1)
    return Plan(tile, max(1, min(tensor_cores.BLOCKS // (down * across), depth // tensor_cores.SHORTEST)))
