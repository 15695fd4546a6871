"""LayerNorm and InstanceNorm: every sample is normalised by itself, in training and in evaluation alike."""

from __future__ import annotations

import math

import numpy as np

from gpunet import backend
from gpunet.backend.devices import Array, written
from gpunet.layers.base import Layer
from gpunet.layers.parameter import Parameter


class _SampleNorm(Layer):
    """Parameters, the check of the input and the gradients' way into the parameters: what both layers share."""

    def __init__(self, channels: int, eps: float = 1e-5, scale: bool = True, shift: bool = True) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"got channels={channels}, expected at least 1")
        self.channels, self.eps = channels, eps
        self.scale = Parameter(np.ones(channels, "float32")) if scale else None
        self.shift = Parameter(np.zeros(channels, "float32")) if shift else None

    def forward(self, x: Array) -> Array:
        self._check(x)
        y, mean, rstd = self._normalise(x)
        self.save(x, mean, rstd)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        out = tuple(parameter and parameter.first_grad() for parameter in (self.scale, self.shift))
        x, mean, rstd = self.take()
        dx, dscale, dshift = self._backward(dy, x, mean, rstd, out)
        if self.scale and self.scale.trainable:
            self.scale.add_grad(written, dscale)
        if self.shift and self.shift.trainable:
            self.shift.add_grad(written, dshift)
        return dx

    def _normalise(self, x: Array) -> tuple[Array, Array, Array]:
        """Return y and the statistics, mean and rstd."""
        raise NotImplementedError

    def _backward(self, dy: Array, x: Array, mean: Array, rstd: Array, out: tuple) -> tuple[Array, Array, Array]:
        """Return dx, dscale and dshift."""
        raise NotImplementedError

    def _check(self, x: Array) -> None:
        parameter = self.scale or self.shift
        dtype = x.dtype if parameter is None else parameter.data.dtype
        if x.ndim < 2 or x.shape[-1] != self.channels or x.dtype != dtype:
            raise ValueError(
                f"{self!r}: got x of shape {x.shape} and {x.dtype}, expected (N, ..., {self.channels}) and {dtype}"
            )

    def _affine(self) -> tuple[Array | None, Array | None]:
        return self.scale.data if self.scale else None, self.shift.data if self.shift else None

    def __repr__(self) -> str:
        more = "".join(f", {name}=False" for name in ("scale", "shift") if getattr(self, name) is None)
        return f"{type(self).__name__}({self.channels}, eps={self.eps}{more})"


class LayerNorm(_SampleNorm):
    """Layer normalisation of x (N, ..., C): y = (x - mean) / sqrt(var + eps) * scale + shift.

    mean and biased variance are those of all numbers of a sample, scale and shift (C,) are per channel; either may be
    left out. No sample depends on another, which is why a gradient penalty allows this layer and not batch norm.
    Ba, Kiros & Hinton, 2016; gpunet.backend.layer_norm has the formulas.
    """

    def _normalise(self, x: Array) -> tuple[Array, Array, Array]:
        return backend.layernorm(x, *self._affine(), self.eps)

    def _backward(self, dy: Array, x: Array, mean: Array, rstd: Array, out: tuple) -> tuple[Array, Array, Array]:
        return backend.layernorm_backward(dy, x, mean, rstd, self._affine()[0], out)


class InstanceNorm(_SampleNorm):
    """Instance normalisation of x (N, H, W, C): y = (x - mean) / sqrt(var + eps) * scale + shift.

    mean and biased variance are those of a channel of a sample, over its pixels; scale and shift (C,), which PyTorch
    leaves out unless asked for them, may each be left out. It is batch norm with every sample as a batch of its own.
    Ulyanov et al., "Instance normalization", 2016. Raises ValueError for maps of one pixel, which would all become 0.
    """

    def _normalise(self, x: Array) -> tuple[Array, Array, Array]:
        if math.prod(x.shape[1:-1]) < 2:
            raise ValueError(f"{self!r}: got maps of shape {x.shape[1:]}, expected two pixels or more: use LayerNorm")
        y, mean, _, rstd = backend.batchnorm(x, *self._affine(), self.eps, batches=len(x))
        return y, mean, rstd

    def _backward(self, dy: Array, x: Array, mean: Array, rstd: Array, out: tuple) -> tuple[Array, Array, Array]:
        return backend.batchnorm_backward(dy, x, mean, rstd, *self._affine(), 1.0, out)
