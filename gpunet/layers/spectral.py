"""SpectralNorm: a layer whose weight is divided by its largest singular value."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from gpunet import backend
from gpunet.backend.devices import Array, device_of, to_device, to_numpy
from gpunet.layers.base import Layer
from gpunet.layers.conv import Conv2d
from gpunet.layers.linear import Linear
from gpunet.layers.parameter import Parameter

SETTLING = 15  # power iterations on a new weight, PyTorch's number


class SpectralNorm(Layer):
    """A Conv2d or Linear that computes with weight / sigma, sigma being the weight's largest singular value.

    The weight stays what it was: it is what the optimiser moves and a checkpoint holds ("layer.weight"). sigma is found
    by power iteration from the buffers u (C_out,) and v (KH KW C_in,), which are saved with the state; every training
    forward moves them by `iterations`, evaluation leaves them (see gpunet.backend.spectral). A bias is not touched.
    Call `settle` after the weight was drawn anew. Raises TypeError for a layer of another kind.
    """

    def __init__(self, layer: Conv2d | Linear, iterations: int = 1, eps: float = 1e-12) -> None:
        super().__init__()
        if not isinstance(layer, Conv2d | Linear):
            raise TypeError(f"got {layer!r}, expected a Conv2d or a Linear, whose weight's last axis is the output")
        if iterations < 0:
            raise ValueError(f"got iterations={iterations}, expected 0 or more")
        self.layer, self.iterations, self.eps = layer, iterations, eps
        size = layer.weight.data.shape[-1]
        self.buffers = {"u": np.empty(size, "float32"), "v": np.empty(layer.weight.data.size // size, "float32")}
        self.settle()

    def settle(self) -> None:
        """Let u and v find their places for a new weight, by some iterations on the host, in float64.

        They start from the same random numbers each time, so that they depend on the weight alone.
        """
        weight, rng = to_numpy(self.layer.weight.data).astype("float64"), np.random.default_rng(0)
        u, v = (_unit(rng.standard_normal(self.buffers[name].size)) for name in ("u", "v"))
        backend.spectral_norm.reference(weight, u, v, self.eps, SETTLING)
        for name, value in (("u", u), ("v", v)):
            buffer = self.buffers[name]
            buffer[...] = to_device(value.astype(buffer.dtype), device_of(buffer))

    def forward(self, x: Array) -> Array:
        weight, u, v = self.layer.weight, self.buffers["u"], self.buffers["v"]
        iterations = self.iterations if self.training else 0
        data, sigma = backend.spectral_norm(weight.data, u, v, self.eps, iterations)
        divided = Parameter(data, weight.trainable)
        with self._in_place(divided):
            y = self.layer.forward(x)
        self.save(divided, sigma)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        divided, sigma = self.take()
        with self._in_place(divided):
            dx = self.layer.backward(dy, input_grad)
        weight = self.layer.weight
        if weight.trainable:
            given = (divided.grad, divided.data, self.buffers["u"], self.buffers["v"], sigma)
            weight.add_grad(backend.spectral_norm_backward, *given)
        return dx

    @contextlib.contextmanager
    def _in_place(self, divided: Parameter) -> Iterator[None]:
        """Within the block the layer computes with the divided weight."""
        weight = self.layer.weight
        divided.trainable = weight.trainable
        try:
            self.layer.weight = divided
            yield
        finally:
            self.layer.weight = weight

    def __repr__(self) -> str:
        return f"SpectralNorm({self.layer!r})"


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)
