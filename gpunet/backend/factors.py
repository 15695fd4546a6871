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

from gpunet.backend import choices
from gpunet.backend.devices import Array, device_of
from gpunet.backend.launches import address, contiguous, elements, empty

# The precisions whose factors are rounded, and the dtypes that these have.
DTYPES = {"tf32": "float32", "bf16": "uint16", "fp16": "float16"}
STORED = ("bf16", "fp16")  # those that layers hand to each other, whether or not a convolution is next to read them
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

    @property
    def size(self) -> int:
        return self.numbers.size

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


def storage(array: Array) -> str | None:
    """Return the precision of the factors that layers hand to each other on the device of an array: a name of STORED.

    None: they hand over float32. That is so without tensor cores, and for their formats of 32 bits.
    """
    precision = choices.rounding(device_of(array), array.dtype)
    return precision if precision in STORED else None


def real(x: Array | Factor) -> Array:
    """Return x as float32, for whoever takes no Factor."""
    return x.real() if isinstance(x, Factor) else x


def pointers(x: Array | Factor | None) -> tuple[Array | None, Array | None]:
    """Return x as the kernels take an array that may be of floats or of 16-bit factors: (x, None) or (None, x)."""
    if isinstance(x, Factor):
        return (None, x.numbers) if x.precision in STORED else (x.numbers, None)
    return (None if x is None else contiguous(x)), None


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


def leaky_relu_backward(dy: Array | Factor, y: Factor, slope: float) -> Array | Factor:
    """Return dx = dy where y > 0, else slope * dy, written into dy: plain numbers, or a factor of y's precision."""
    if isinstance(dy, Factor):
        plain, rounded = None, factor(dy, y.precision)
    else:
        dy = contiguous(dy)
        plain, rounded = dy, None
    args = (y.numbers, plain, plain, rounded, rounded, y.size, slope)
    elements(f"{file_of(y.precision)}.leaky_relu_backward", args, y.size)
    return dy


def _elementwise(entry: str, x: Array, precision: str, *scalars: float) -> Factor:
    """Return y, a new factor, of a kernel (y, x, count, scalars...)."""
    x = contiguous(x)
    y = empty(x, *x.shape, dtype=DTYPES[precision])
    elements(f"{file_of(precision)}.{entry}", (y, x, x.size, *scalars), x.size)
    return Factor(y, precision)


def file_of(precision: str) -> str:
    """Return the kernel file for factors of a precision."""
    return f"factors/factors_{precision}"
