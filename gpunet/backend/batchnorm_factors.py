"""Batch norm's passes where x, y, dy or dx are factors (factors.py): launches of kernels/factors/.

They compute what the launches of batchnorm.py compute. Each number is read as float32 and, if it is written as a
factor, rounded once; sums and statistics are float32. Arrays of either kind may stand beside each other: the batch norm
behind a layer in full precision reads float32 and writes factors.
"""

from __future__ import annotations

from typing import Any

from gpunet import kernels
from gpunet.backend.choices import fused
from gpunet.backend.devices import Array, on_cuda
from gpunet.backend.factors import DTYPES, Factor, file_of, pointers
from gpunet.backend.launches import address, arrivals, block_sums, divisor, empty, largest_divisor

RUN = 16  # bytes that a thread loads or stores at once
ACROSS, DOWN = 64, 256  # threads of a block: at most this many along channels, this many at all
AHEAD = 4  # rows of each array that a thread loads at once
FEW_ROWS = 2048  # that one block may walk twice in the time of a launch
BLOCKS = 256  # from here on a thread takes more rows, and reads its channels' numbers less often


def statistics(x: Factor, shape: tuple, results: tuple, eps: float, momentum: float) -> None:
    """Fill mean, var, rstd and the running averages of x, a factor of 16 bits; shape: batchnorm.Shape."""
    rows, width, channels, _, _, batches = shape
    grid, block, each = block_sums([x.numbers], rows, width, batches)
    moments = empty(x.numbers, 2, batches, grid[0], width, dtype="float32")
    args = (*results, *moments, arrivals(x.numbers, grid[1]), x.numbers, rows, width, channels, each, eps, momentum)
    kernels.launch(f"{file_of(x.precision)}.statistics", grid, block, args)


def takes_few_rows(shape: tuple, precision: str | None) -> bool:
    """Return whether `normalise_few_rows` takes x of a shape (batchnorm.Shape), for a result of a precision."""
    rows, width, channels, _, _, batches = shape
    return precision is not None and fused() and batches == 1 and width == channels and rows <= FEW_ROWS


def normalise_few_rows(
    x: Array | Factor, results: tuple, scale: Array | None, shift: Array | None, numbers: tuple, precision: str
) -> Factor:
    """Fill mean, var, rstd and the running averages, and return y as a Factor, in one launch.

    results: what `statistics` fills; numbers: eps, momentum, slope.
    """
    y, given, channels = _empty(results[0], x.shape, precision), pointers(x), x.shape[-1]
    rows = y.size // channels
    (_, across, _), block, _ = block_sums(_narrow_first(list(given)), rows, channels)
    moments, counters = empty(results[0], 2, channels), arrivals(results[0], across)
    args = (y.numbers, *results, *moments, counters, *given, scale, shift, rows, channels, *numbers)
    kernels.launch(f"{file_of(_precision(precision, x))}.normalise_few_rows", (1, across), block, args)
    return y


def reduce_backward(shape: tuple, given: tuple, slope: float, results: tuple) -> None:
    """Fill dscale, dshift and, per batch, both; given: dy, x, mean, rstd, scale, shift; dy or x is a factor."""
    rows, width, channels, _, _, batches = shape
    dy, x, *channel = given
    precision, arrays = _precision(None, dy, x), [*pointers(dy), *pointers(x)]
    grid, block, each = block_sums(_narrow_first(arrays), rows, width, batches)
    sums, counters = empty(results[0], 2, batches, grid[0], width), arrivals(results[0], grid[1])
    args = (*results, sums, counters, *arrays, *channel, rows, width, channels, each, slope)
    kernels.launch(f"{file_of(precision)}.backward_reduce", grid, block, args)


def normalise(
    x: Array | Factor,
    mean: Array,
    rstd: Array,
    scale: Array | None,
    shift: Array | None,
    slope: float,
    precision: str | None,
) -> Array | Factor:
    """Return y = leaky_relu((x - mean) rstd scale + shift, slope); mean and rstd (C,) or (batches, C).

    y is a Factor of the precision, float32 where that is None.
    """
    y = _empty(mean, x.shape, precision)
    of_channels = (mean, rstd, scale, shift)
    _launch("normalise", _precision(precision, x), (y, x), of_channels, mean.size // x.shape[-1], slope)
    return y


def apply_backward(given: tuple, per_batch: Array, slope: float, precision: str | None) -> Array | Factor:
    """Return dx of batch norm; given: dy, x, mean, rstd, scale, shift; per_batch (batches, 2, C).

    dx is a Factor of the precision, float32 where that is None. It is written into dy where dy has numbers of its size.
    """
    dy, x, *channel = given
    if _holds(dy, precision):
        dx = Factor(getattr(dy, "numbers", dy), precision) if precision else dy
    else:
        dx = _empty(per_batch, x.shape, precision)
    _launch("backward_apply", _precision(precision, dy, x), (dx, dy, x), (*channel, per_batch), len(per_batch), slope)
    return dx


def _holds(dy: Array | Factor, precision: str | None) -> bool:
    """Return whether dx fits where dy lies: numbers of the same size."""
    return dy.precision == precision if isinstance(dy, Factor) else precision in (None, "tf32")


def _empty(like: Array, shape: tuple[int, ...], precision: str | None) -> Array | Factor:
    """Return a new factor of the precision, or a new array of float32, on the device of an array."""
    if precision is None:
        return empty(like, *shape, dtype="float32")
    return Factor(empty(like, *shape, dtype=DTYPES[precision]), precision)


def _precision(wanted: str | None, *arrays: Array | Factor) -> str:
    """Return the precision of the factors among arrays and of the result that is wanted.

    Raises ValueError where these are several.
    """
    several = [wanted, *(getattr(array, "precision", None) for array in arrays)]
    found = sorted({str(precision) for precision in several if precision})
    if len(found) != 1:
        raise ValueError(f"got factors of {' and '.join(found)}, expected one precision: choose it before a pass")
    return found[0]


def _narrow_first(arrays: list[Array | None]) -> list[Array]:
    """Return the arrays that are there, those of 16 bits first: they say how many numbers 16 bytes hold."""
    return sorted((array for array in arrays if array is not None), key=lambda array: array.itemsize)


def _launch(
    entry: str, precision: str, arrays: tuple[Any, ...], of_channels: tuple, batches: int, slope: float
) -> None:
    """Launch a kernel (arrays of (batches, rows, C), numbers per channel, sizes, slope); the first array is written."""
    out, *inputs = arrays
    rounded = isinstance(out, Factor)
    written = (None, out.numbers) if rounded else (out, None)
    pairs = [*written, *(pointer for array in inputs for pointer in pointers(array))]
    if not out.size:
        return
    there, channels = _narrow_first(pairs), out.shape[-1]
    rows = out.size // channels // batches
    run = RUN // there[0].itemsize
    if channels % run or any(address(array) % RUN for array in there):
        run = 1
    across = largest_divisor(channels // run, ACROSS) if run > 1 else divisor(channels, on_cuda(there[0]), ACROSS)
    down = max(1, DOWN // across)
    columns = channels // (across * run)
    each = AHEAD * (2 if rows * columns * batches >= 2 * AHEAD * down * BLOCKS else 1) * down
    args = (*pairs, *of_channels, each, rows, channels, slope)
    kernels.launch(f"{file_of(precision)}.{entry}", (-(-rows // each), columns, batches), (across, down), args)
