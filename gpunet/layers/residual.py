"""Residual: two paths from the same input, whose results are added.

    y = branch(x) + shortcut(x)           dx = branch.backward(dy) + shortcut.backward(dy)

dy reaches both paths as it is, because the derivative of a sum by either term is 1.
"""

from __future__ import annotations

from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers.base import Layer


class Residual(Layer):
    """y = branch(x) + shortcut(x); without a shortcut y = branch(x) + x. Both results have one shape.

    He et al., "Deep residual learning for image recognition", 2016. Names: "branch.0.weight", "shortcut.0.weight".
    Raises ValueError where the shapes differ.
    """

    def __init__(self, branch: Layer, shortcut: Layer | None = None) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Array) -> Array:
        y, other = self.branch.forward(x), x if self.shortcut is None else self.shortcut.forward(x)
        if y.shape != other.shape:
            raise ValueError(
                f"{self!r}: got a branch that gives {y.shape} and a shortcut that gives {other.shape}, "
                "expected one shape: let a 1x1 convolution or a resizing layer be the shortcut"
            )
        return backend.add(y, other)

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        dx = self.branch.backward(dy.copy(), input_grad)  # a copy: the branch may write into what it is given
        other = dy if self.shortcut is None else self.shortcut.backward(dy, input_grad)
        return backend.add(dx, other) if input_grad else None

    def __repr__(self) -> str:
        return f"Residual({self.branch!r}, {self.shortcut!r})"
