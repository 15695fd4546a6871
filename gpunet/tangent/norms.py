"""The rules of LayerNorm and InstanceNorm, whose J depends on x (gpunet.backend.norm_tangent)."""

from __future__ import annotations

from typing import Any

from gpunet import backend
from gpunet.backend.devices import Array, written
from gpunet.layers import InstanceNorm, LayerNorm
from gpunet.tangent.base import Pair, rule
from gpunet.tangent.plain import Fixed


class Normalised(Fixed):
    """What both have in common: J t = scale (J' t), where J', the derivative of x_hat, is symmetric."""

    def __init__(self, layer: Any, x: Array) -> None:
        super().__init__(layer, x)
        self.x, *self.statistics = self.saved  # mean and rstd
        self.scale = layer.scale.data if layer.scale else None

    def by_x_hat(self, t: Array) -> Array:
        """Return J' t, written into t."""
        raise NotImplementedError

    def pull(self, dy: Array) -> Array:
        with self.layer.frozen():
            return super().pull(dy)

    def push(self, t: Array) -> Array:
        self.t = t
        change = self.by_x_hat(t.copy())
        return change if self.scale is None else backend.scale_channels(change, self.scale)

    def backward(self, dty: Array, dy: Array | None, input_grad: bool = True) -> Pair:
        mean, rstd = (array.reshape(len(self.x), -1) for array in self.statistics)  # (N, 1) or (N, C)
        dx, dscale = backend.norm_tangent_backward(dty, self.t, self.x, mean, rstd, self.scale)
        if self.layer.scale and self.layer.scale.trainable:
            self.layer.scale.add_grad(written, dscale)
        if dy is not None:
            dx += super().pull(dy)  # this adds the gradients of scale and shift
        return self.pull(dty), dx


@rule(LayerNorm)
class OfSamples(Normalised):
    """LayerNorm."""

    def by_x_hat(self, t: Array) -> Array:
        return backend.layernorm_backward(t, self.x, *self.statistics, None)[0]


@rule(InstanceNorm)
class OfMaps(Normalised):
    """InstanceNorm."""

    def by_x_hat(self, t: Array) -> Array:
        return backend.batchnorm_backward(t, self.x, *self.statistics, None, None)[0]
