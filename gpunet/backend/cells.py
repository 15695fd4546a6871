"""Pictures as cells: how convolutions on tensor cores read what has few channels (kernels/cells/).

Tensor cores copy 16 bytes at a time, and a pixel of 3 channels is no multiple of that. A cell is SH x SW neighbouring
pixels, SH and SW being the stride, as one deep pixel. A convolution with that stride is then one of cells with stride
1 (kernels/conv2d_mma/of_cells.cuh): an output of k4 s2 sees 2 x 2 cells. Cells are cut from the picture with its
zeros around it, and a pixel gets channels of zeros until a cell is a multiple of 16 bytes:

    cells[n, i, j, a, b, c] = x[n, i*SH + a - top, j*SW + b - left, c], 0 outside the picture

Example: 64 x 64 pixels, 3 channels, k4 s2 p1 are 33 x 33 cells. In 16 bits a cell has 2 x 2 x 4 numbers, 32 bytes; in
32 bits 2 x 2 x 3 numbers, 48 bytes, and no padding. Patches of the same picture hold 32 x 32 x 48 numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpunet.backend.devices import Array
from gpunet.backend.factors import CHUNK, DTYPES, Factor
from gpunet.backend.images import images_to_real
from gpunet.backend.launches import contiguous, elements, empty
from gpunet.backend.sizes import Pair, Sizes

LARGEST = 64  # bytes of a cell: a tile's line along K (tensor_cores.LINE) holds it, so there is one tile per cell
HALF, WHOLE = 2, 4  # bytes of a number


class Layout(NamedTuple):
    """How pictures lie as cells, in the order in which the kernels take it. `padded`: the channels of a padded pixel.

    precision: what a convolution multiplies, which says how many bytes a number has.
    """

    height: int
    width: int
    channels: int
    rows: int
    columns: int
    padded: int
    sh: int
    sw: int
    top: int
    left: int
    precision: str

    @property
    def depth(self) -> int:
        """The numbers of a cell."""
        return self.sh * self.sw * self.padded

    @property
    def numbers(self) -> tuple[int, ...]:
        """The sizes as the kernels take them."""
        return self[:-1]


def padded_channels(channels: int, stride: Pair, precision: str) -> int | None:
    """Return the channels of a pixel for which a cell is a multiple of 16 bytes; None if it is larger than 64 bytes."""
    size = WHOLE if DTYPES.get(precision, "float32") == "float32" else HALF
    pixels = stride[0] * stride[1] * size
    fitting = (c for c in range(channels, LARGEST // pixels + 1) if c * pixels % CHUNK == 0)
    return next(fitting, None)


def layout_of(sizes: Sizes, precision: str) -> Layout:
    """Return the layout that a convolution of these sizes takes: as many cells as its outputs and the picture reach."""
    n, h, w, c, oh, ow, _, kh, kw, sh, sw, top, left = sizes
    padded = padded_channels(c, (sh, sw), precision)
    if padded is None:
        raise ValueError(f"got {c} channels in cells of {sh}x{sw} pixels, expected at most {LARGEST} bytes a cell")
    rows = max(oh - 1 + -(-kh // sh), -(-(top + h) // sh))
    columns = max(ow - 1 + -(-kw // sw), -(-(left + w) // sw))
    if n * rows * columns * sh * sw * padded >= 2**31:
        raise ValueError(f"got {n} pictures of {h}x{w}, expected fewer than 2^31 numbers: use smaller batches")
    return Layout(h, w, c, rows, columns, padded, sh, sw, top, left, precision)


class Cells(Factor):
    """Pictures (N, H, W, C) as cells: numbers (N, rows, columns, depth), rounded to `precision` or, in "fp32", not.

    tanh: cells y of which these are the rounded ones, y = tanh(x), where x had this layout, too. before_tanh: this is a
    gradient, which was multiplied by the derivative of such a tanh already.
    """

    def __init__(
        self, numbers: Array, layout: Layout, precision: str, tanh: Cells | None = None, before_tanh: bool = False
    ) -> None:
        super().__init__(numbers, precision)
        self.layout, self.tanh, self.before_tanh = layout, tanh, before_tanh

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.numbers), self.layout.height, self.layout.width, self.layout.channels

    def __getitem__(self, images: slice) -> Cells:
        """Return some of the images: a view."""
        return Cells(self.numbers[images], self.layout, self.precision)

    def reshape(self, *shape: int) -> Factor:
        raise TypeError("got reshape of cells, expected it of pictures: call real() first")

    def real(self, bias: Array | None = None) -> Array:
        """Return the pictures as float32 (N, H, W, C), plus bias (C,)."""
        cells, (n, h, w, c) = super().real(), self.shape
        x = empty(cells, n, h, w, c)
        entry = f"{file_of(self.layout.precision)}.cells_to_pictures"
        elements(entry, (x, contiguous(cells), bias, x.size, *self.layout.numbers), x.size)
        return x


def new_cells(like: Array, n: int, layout: Layout) -> Cells:
    """Return memory for n pictures, on the device of another array, as a convolution multiplies them."""
    dtype = DTYPES.get(layout.precision, "float32")
    numbers = empty(like, n, layout.rows, layout.columns, layout.depth, dtype=dtype)
    return Cells(numbers, layout, layout.precision)


# ---- what writes cells ----------------------------------------------------------------------------------------------
# `out`: cells to write into, such as a half of a joined batch; None: new ones.


def to_cells(x: Array, layout: Layout, out: Cells | None = None) -> Cells:
    """Return pictures x (N, H, W, C), float32, as cells."""
    out = new_cells(x, len(x), layout) if out is None else out
    _require_same(x.shape, out.shape)
    return _written("pictures_to_cells", out, (contiguous(x),))


class Bytes(NamedTuple):
    """Pictures that are still bytes (N, H, W, C): they become numbers from `low` to 1 where they are taken."""

    images: Array
    flip: Array | None  # (N,): which are mirrored
    low: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.images.shape

    def part(self, which: slice) -> Bytes:
        """Return some of the pictures."""
        return Bytes(self.images[which], None if self.flip is None else self.flip[which], self.low)

    def real(self) -> Array:
        """Return the pictures as float32 (N, H, W, C)."""
        return images_to_real(self.images, flip=self.flip, low=self.low)

    def scale(self) -> tuple[float, float]:
        """Return factor and low: a number is factor * byte + low (images_to_real). ValueError: flip does not fit."""
        if self.flip is not None and self.flip.shape != self.shape[:1]:
            raise ValueError(f"got flip of shape {self.flip.shape}, expected {self.shape[:1]}, one per image")
        return (1 - self.low) / 255, self.low


def images_to_cells(real: Bytes, out: Cells) -> Cells:
    """Write bytes as cells."""
    _require_same(real.shape, out.shape)
    return _written("images_to_cells", out, (contiguous(real.images), real.flip), (), real.scale())


class Room:
    """Where a network writes its pictures as cells, for the next one.

    joined: the room; real: pictures that come in front of the network's; made: the network's part of the room.
    """

    def __init__(self, joined: Cells, real: Bytes | Array | None = None) -> None:
        self.joined, self.real = joined, real
        first = 0 if real is None else real.shape[0]
        self._first, self.made = joined[:first], joined[first:]

    def fill(self, x: Array) -> None:
        """Write `real`, and pictures x (N, H, W, C) of float32 behind it."""
        self._fill_first()
        to_cells(x, self.made.layout, self.made)

    def _fill_first(self) -> None:
        if isinstance(self.real, Bytes):
            images_to_cells(self.real, self._first)
        elif self.real is not None:
            to_cells(self.real, self._first.layout, self._first)

    def tanh(self, x: Cells) -> Cells:
        """Return y = tanh(x), cells of float32, and write `real` and y into the room, bytes by the same launch."""
        if isinstance(self.real, Bytes):
            y = _tanh_behind_bytes(x, self.real, self.joined)
        else:
            self._fill_first()
            y = tanh(x, self.made)
        self.made.tanh = y if x.layout == y.layout else None
        return y


def tanh(x: Cells, out: Cells) -> Cells:
    """Return y = tanh(x), cells of float32 in the layout of `out`, and write it there, rounded; y is 1 in the frame."""
    _require_same(x.shape, out.shape)
    y = empty(x.numbers, *out.numbers.shape)
    _written("tanh_to_cells", out, (y, x.numbers), x.layout.numbers[3:])
    return Cells(y, out.layout, "fp32")


def _tanh_behind_bytes(x: Cells, real: Bytes, out: Cells) -> Cells:
    if len(out) != len(x) + len(real.images):
        raise ValueError(f"got {len(real.images)} and {len(x)} pictures, expected {len(out)} together")
    _require_same(x.shape[1:], out.shape[1:], real.shape[1:])
    y = empty(x.numbers, len(x), *out.numbers.shape[1:])
    chunks, first = out.numbers.nbytes // CHUNK, out[: len(real.images)].numbers.nbytes // CHUNK
    arrays = out.numbers, y, x.numbers, contiguous(real.images), real.flip
    args = (*arrays, chunks, first, *real.scale(), *out.layout.numbers, *x.layout.numbers[3:])
    elements(f"{file_of(out.layout.precision)}.batch_to_cells", args, chunks)
    return Cells(y, out.layout, "fp32")


def tanh_backward(dy: Cells, y: Cells, layout: Layout) -> Cells:
    """Return dx = dy (1 - y^2) as cells of a layout of its own; dy and y, float32, have the same."""
    _require_same(dy.layout, y.layout)
    _require_same(dy.shape, y.shape, (len(y), *layout.numbers[:3]))
    arrays = dy.numbers, y.numbers
    return _written("tanh_backward_to_cells", new_cells(y.numbers, len(y), layout), arrays, dy.layout.numbers[3:])


def _require_same(*shapes: tuple[Any, ...]) -> None:
    if len(set(shapes)) > 1:
        raise ValueError(f"got pictures of shapes {', '.join(map(str, shapes))}, expected the same")


def _written(entry: str, out: Cells, arrays: tuple, other: tuple = (), scalars: tuple[Any, ...] = ()) -> Cells:
    """Launch a kernel (cells, arrays..., count, scalars..., layout..., other layout...) that fills `out`; return it."""
    count = out.numbers.nbytes // CHUNK
    args = (out.numbers, *arrays, count, *scalars, *out.layout.numbers, *other)
    elements(f"{file_of(out.layout.precision)}.{entry}", args, count)
    return out


def file_of(precision: str) -> str:
    """Return the kernel file for cells of a precision."""
    return f"cells/cells_{precision}"
