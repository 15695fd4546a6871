"""Upsample, AveragePool, GlobalAveragePool and GlobalSumPool: layers without parameters that change a map's size."""

from __future__ import annotations

from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.backend.resize import halved
from gpunet.layers.base import Layer
from gpunet.layers.geometry import Size, pair


class Upsample(Layer):
    """Nearest upsampling by 2: x (N, H, W, C) -> y (N, 2H, 2W, C), every pixel four times.

    output_size may be one row or column less, for sides that are odd: 4x4 -> 7x8. With a convolution behind it, this is
    the usual cure for the checkerboards of transposed convolutions (Odena et al., "Deconvolution and checkerboard
    artifacts", 2016). Raises ValueError where x is not half of output_size, rounded up.
    """

    def __init__(self, output_size: Size | None = None) -> None:
        super().__init__()
        self.output_size = None if output_size is None else pair(output_size, "output_size")

    def forward(self, x: Array) -> Array:
        hw = self.output_size or tuple(2 * side for side in x.shape[1:3])
        if x.ndim != 4 or halved(hw) != x.shape[1:3]:
            expected = "(N, {}, {}, C)".format(*halved(self.output_size)) if self.output_size else "(N, H, W, C)"
            raise ValueError(f"{self!r}: got x of shape {x.shape}, expected {expected}")
        self.save(None)
        return backend.upsample(x, hw)

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        self.take()
        return backend.downsample(dy)

    def __repr__(self) -> str:
        return f"Upsample({'' if self.output_size is None else self.output_size})"


class AveragePool(Layer):
    """Average pooling by 2: x (N, H, W, C) -> y (N, h, w, C), h and w half of H and W rounded up.

    A pixel is the mean of a window of 2 x 2; the last window of an odd side has one row or column less.
    """

    def forward(self, x: Array) -> Array:
        if x.ndim != 4:
            raise ValueError(f"{self!r}: got x of shape {x.shape}, expected (N, H, W, C)")
        self.save(x.shape[1:3])
        return backend.downsample(x, mean=True)

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.upsample(dy, *self.take(), mean=True)


class _GlobalPool(Layer):
    """x (N, H, W, C) -> y (N, C), one number per channel of a whole map."""

    mean: bool

    def forward(self, x: Array) -> Array:
        if x.ndim < 3:
            raise ValueError(f"{self!r}: got x of shape {x.shape}, expected (N, H, W, C)")
        self.save(x.shape)
        return backend.pool_maps(x, self.mean)

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.fill_maps(dy, *self.take(), self.mean)


class GlobalAveragePool(_GlobalPool):
    """x (N, H, W, C) -> y (N, C), the mean over the pixels of each map (Lin et al., "Network in network", 2013)."""

    mean = True


class GlobalSumPool(_GlobalPool):
    """x (N, H, W, C) -> y (N, C), the sum over the pixels of each map, as the discriminators of SNGAN have it."""

    mean = False
