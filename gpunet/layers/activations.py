"""Activation layers: each saves its output, from which alone its derivative follows."""

from __future__ import annotations

from gpunet import backend
from gpunet.backend import cells
from gpunet.backend.cells import Cells, Room
from gpunet.backend.devices import Array
from gpunet.backend.factors import real
from gpunet.layers.base import Layer


class ReLU(Layer):
    """y = max(x, 0)."""

    slope = 0.0  # for negative x: with it BatchNorm can run this layer in its own pass

    def forward(self, x: Array) -> Array:
        y = backend.relu(x)
        self.save(y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.relu_backward(dy, *self.take())


class LeakyReLU(Layer):
    """y = x where x > 0, else slope * x."""

    def __init__(self, slope: float = 0.2) -> None:
        super().__init__()
        if not 0 <= slope <= 1:
            raise ValueError(f"got slope={slope}, expected 0 <= slope <= 1: backward reads the sign of x from y")
        self.slope = slope

    def forward(self, x: Array) -> Array:
        y = backend.leaky_relu(x, self.slope)
        self.save(y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.leaky_relu_backward(dy, *self.take(), self.slope)

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope})"


class Tanh(Layer):
    """y = tanh(x).

    Pictures may come as cells (gpunet.backend.cells), x from a transposed convolution and dy from the convolution that
    sees y. Then one pass reads them, and writes them as the next layer takes them.
    """

    room: Room | None = None  # where y is also written, as cells: see Sequential.writing_into

    def forward(self, x: Array | Cells) -> Array | Cells:
        layout = x.layout if isinstance(x, Cells) else None
        y: Array | Cells
        if isinstance(x, Cells) and self.room is not None:
            y = self.room.tanh(x)
        else:
            y = backend.tanh(x.real() if isinstance(x, Cells) else x)
            if self.room is not None:
                self.room.fill(y)
        self.save(y, layout)
        return y

    def backward(self, dy: Array | Cells, input_grad: bool = True) -> Array | Cells:
        y, layout = self.take()
        if isinstance(dy, Cells) and dy.before_tanh:
            return dy
        if isinstance(dy, Cells) and isinstance(y, Cells):
            return cells.tanh_backward(dy, y, layout)
        return backend.tanh_backward(real(dy), real(y))


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x))."""

    def forward(self, x: Array) -> Array:
        y = backend.sigmoid(x)
        self.save(y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.sigmoid_backward(dy, *self.take())
