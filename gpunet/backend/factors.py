"""Factors for the tensor cores: arrays rounded to the format that is multiplied (kernels/factors/).

    tf32   float32 whose last 13 bits are 0: 10 bits of fraction
    bf16   uint16, which hold the bits of bfloat16 (NumPy has no such dtype): 7 bits of fraction
    fp16   float16: 10 bits of fraction, numbers up to 65504

    tf32x3 float32 as it is: the kernel takes each number apart into two of tf32 (kernels/conv2d_mma/tf32x3.cuh)

A convolution reads each number of its factors many times. So they are rounded once, before, and 16-bit factors take
half the memory. A layer whose result only a convolution reads hands it over as a Factor, rounded in the pass that
computes it; the convolution rounds everything else itself.
"""

from __future__ import annotations

from gpunet.backend.devices import Array
from gpunet.backend.launches import address, contiguous, elements, empty, rows_of_blocks

# The precisions whose factors are rounded, and the dtypes that these have.
DTYPES = {"tf32": "float32", "bf16": "uint16", "fp16": "float16"}
CHUNK = 16  # bytes that the kernels copy at once: factors begin at a multiple


class Factor:
    """Numbers that are rounded to a precision. It stands for a float32 array of the same shape.

    slope, where it is not 1: the numbers are a leaky ReLU's result with that slope; or they are the gradient in front
    of it, which was multiplied by its derivative already.
    """

    dtype = "float32"

    def __init__(self, numbers: Array, precision: str, slope: float = 1.0) -> None:
        self.numbers, self.precision, self.slope = numbers, precision, slope

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numbers.shape

    @property
    def ndim(self) -> int:
        return self.numbers.ndim

    def __len__(self) -> int:
        return len(self.numbers)

    def reshape(self, *shape: int) -> Factor:
        """Return the same numbers in another shape."""
        return Factor(self.numbers.reshape(shape), self.precision, self.slope)

    def real(self) -> Array:
        """Return the numbers as float32."""
        if self.precision == "bf16":  # the upper half of a float32's bits
            return (self.numbers.astype("uint32") << 16).view("float32")
        return self.numbers.astype("float32", copy=False)


def factor(x: Array | Factor, precision: str) -> Array:
    """Return the numbers of x, float32, rounded to a precision: in a new array, unless x is a Factor already.

    In tf32x3 nothing is rounded: an array that is aligned is returned itself.

    Raises ValueError for a Factor of another precision.
    """
    if isinstance(x, Factor):
        if x.precision != precision:
            raise ValueError(f"got a factor of {x.precision}, expected {precision}: choose the precision before a pass")
        return x.numbers
    if precision in DTYPES:
        return _elementwise("round_factors", x, precision).numbers
    return contiguous(x) if address(x) % CHUNK == 0 else x.copy(order="C")


def round_into(out: Factor, x: Array) -> None:
    """Write x, rounded, into a factor of its shape."""
    elements(f"{file_of(out.precision)}.round_factors", (out.numbers, x, x.size), x.size)


def leaky_relu(x: Array, slope: float, precision: str) -> Factor:
    """Return y = x where x > 0, else slope * x, as a factor."""
    return Factor(_elementwise("leaky_relu", x, precision, slope).numbers, precision, slope)


def leaky_relu_backward(dy: Array, y: Factor, slope: float) -> Array:
    """Return dx = dy where y > 0, else slope * dy, written into dy, which is no factor."""
    dy = contiguous(dy)
    elements(f"{file_of(y.precision)}.leaky_relu_backward", (dy, dy, y.numbers, dy.size, slope), dy.size)
    return dy


def normalise(
    x: Array, mean: Array, rstd: Array, scale: Array | None, shift: Array | None, slope: float, precision: str
) -> Factor:
    """Return y = leaky_relu((x - mean) rstd scale + shift, slope) as a factor; mean and rstd (C,) or (batches, C)."""
    y, channels, batches = empty(x, *x.shape, dtype=DTYPES[precision]), x.shape[-1], mean.size // x.shape[-1]
    rows = x.size // channels // batches
    args = (y, x, mean, rstd, scale, shift, rows, channels, slope)
    rows_of_blocks(f"{file_of(precision)}.normalise", args, rows, channels, batches)
    return Factor(y, precision)


def batchnorm_backward_apply(given: tuple, per_batch: Array, slope: float, precision: str) -> Factor:
    """Return dx of batch norm as a factor; given: dy, x, mean, rstd, scale, shift; per_batch (batches, 2, C).

    A factor of 32 bits is written into dy.
    """
    dy, x, *_ = given
    channels, batches = x.shape[-1], len(per_batch)
    rows = x.size // channels // batches
    dx = dy if precision == "tf32" else empty(x, *x.shape, dtype=DTYPES[precision])
    args = (dx, *given, per_batch, rows, channels, slope)
    rows_of_blocks(f"{file_of(precision)}.backward_apply", args, rows, channels, batches)
    return Factor(dx, precision)


def _elementwise(entry: str, x: Array, precision: str, *scalars: float) -> Factor:
    """Return y, a new factor, of a kernel (y, x, count, scalars...)."""
    x = contiguous(x)
    y = empty(x, *x.shape, dtype=DTYPES[precision])
    elements(f"{file_of(precision)}.{entry}", (y, x, x.size, *scalars), x.size)
    return Factor(y, precision)


def file_of(precision: str) -> str:
    """Return the kernel file for factors of a precision."""
    return f"factors/factors_{precision}"
