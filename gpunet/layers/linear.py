"""Linear: the fully connected layer.

    y = x weight + bias        dx = dy weight^T        dweight = x^T dy        dbias = sum of the rows of dy
"""

from __future__ import annotations

from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers.base import Layer, torch_default
from gpunet.layers.geometry import pair
from gpunet.layers.parameter import Parameter


class Linear(Layer):
    """Fully connected layer: x (N, F_in) -> y = x weight + bias (N, F_out); weight (F_in, F_out), bias (F_out,)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.features = pair((in_features, out_features), "features")
        self.weight = Parameter(torch_default((in_features, out_features), in_features))
        self.bias = Parameter(torch_default((out_features,), in_features)) if bias else None

    def forward(self, x: Array) -> Array:
        if x.ndim != 2 or x.shape[1] != self.features[0] or x.dtype != self.weight.data.dtype:
            raise ValueError(
                f"{self!r}: got x of shape {x.shape} and {x.dtype}, "
                f"expected (N, {self.features[0]}) and {self.weight.data.dtype}"
            )
        self.save(x if self.weight.trainable else None)
        return backend.matmul(x, self.weight.data, bias=self.bias.data if self.bias else None)

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        (x,) = self.take()
        if self.weight.trainable:
            self.weight.add_grad(backend.matmul, x.T, dy)
        if self.bias and self.bias.trainable:
            self.bias.add_grad(backend.column_sum, dy)
        return backend.matmul(dy, self.weight.data.T) if input_grad else None

    def __repr__(self) -> str:
        return f"Linear({self.features[0]}, {self.features[1]}{'' if self.bias else ', bias=False'})"
