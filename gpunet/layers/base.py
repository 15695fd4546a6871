"""Layer: the protocol of all layers. (Their trainable arrays: parameter.py.)

    y = layer.forward(x)      computes y and, in training mode or a block `saving`, saves what backward needs in one
                              guarded slot
    dx = layer.backward(dy)   takes the slot, adds to the parameters' gradients, returns dx

A layer is also a node of a tree: it has parameters, running statistics and child layers of its own, which a state dict
names ("0.weight") and `to` moves between devices.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gpunet.backend.devices import Array, device_of, is_cupy, to_device
from gpunet.backend.losses import Asked
from gpunet.layers.parameter import Parameter

if TYPE_CHECKING:
    from gpunet.distributed.base import Ranks

Rounding = Callable[[], str | None]  # says in which precision a convolution wants a result as a Factor, None: in none


def unrounded() -> None:
    """Say that no convolution wants a result as a Factor."""


def unsummed() -> None:
    """Say that no batch norm wants sums of a result (gpunet.backend.epilogue)."""


class Layer:
    """Base of all layers: `forward(x) -> y`, `backward(dy) -> dx`.

    Parameters are attributes of type `Parameter`, in the order they were declared; running statistics live in
    `self.buffers`; child layers are attributes that are layers, or lists of them.
    """

    def __init__(self) -> None:
        self.buffers: dict[str, Array] = {}
        self._saved: tuple | None = None  # what forward left for backward
        self.training = True
        self.saves = False  # whether forward saves in evaluation mode, too: see saving
        self.batches = 1  # how many batches x holds, one after another: see joined_batches
        self.ranks: Ranks | None = None  # those whose batches are one batch: see among_ranks
        self.labels: Array | None = None  # (N,) classes of the samples: see given
        self.asked: Asked | None = None  # a loss of y: see answering

    def forward(self, x: Array) -> Array:
        """Return y; in training mode, and within `saving`, also save what `backward` will need."""
        raise NotImplementedError

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        """Return dx, the derivative of the loss by x, and add to the parameters' gradients.

        dy is the derivative of the loss by y, of y's shape. It is handed over: backward may reuse its memory for dx.
        With input_grad=False, dx is not computed where that saves work (the first layer of a network), and None
        returned.
        """
        raise NotImplementedError

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    def save(self, *values: Any) -> None:
        """Keep values for the backward pass; in evaluation mode only within `saving`. Raise where two forwards meet."""
        if not (self.training or self.saves):
            return
        if self._saved is not None:
            raise RuntimeError(
                f"{self!r}: got a second training forward before backward; "
                "call backward after each forward, or net.eval() for a pass without one, or net.forget()"
            )
        self._saved = values

    def take(self) -> tuple:
        """Return what forward saved, and empty the slot."""
        if self._saved is None:
            raise RuntimeError(f"{self!r}: got backward without a training forward before it; call forward first")
        saved, self._saved = self._saved, None
        return saved

    def forget(self) -> None:
        """Drop what forward saved, here and in all children: for a forward pass that gets no backward."""
        for layer in self.walk():
            layer._saved = None

    def train(self, mode: bool = True) -> Self:
        """Switch to training: batch statistics, and forward saves for backward. Return self."""
        for layer in self.walk():
            layer.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation: running statistics, nothing saved but within `saving`. Return self."""
        return self.train(False)

    @contextlib.contextmanager
    def saving(self) -> Iterator[Self]:
        """Within the block forward saves what backward needs in evaluation mode, too; what is left is dropped.

        So backward gives the gradient of the network that draws samples: batch norm, by its running averages, is then
        a fixed factor and a fixed shift for each channel.
        """
        try:
            for layer in self.walk():
                layer.saves = True
            yield self
        finally:
            for layer in self.walk():
                layer.saves, layer._saved = False, None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[Self]:
        """Within the block compute no gradients of the parameters; dx still flows through."""
        before = [(parameter, parameter.trainable) for parameter in self.parameters()]
        try:
            for parameter, _ in before:
                parameter.trainable = False
            yield self
        finally:
            for parameter, trainable in before:
                parameter.trainable = trainable

    @contextlib.contextmanager
    def joined_batches(self, count: int) -> Iterator[Self]:
        """Within the block every input is `count` batches of equal size, joined one after another along the first axis.

        Batch norm then normalises each by its own statistics, and moves its averages once for each, in order: the
        numbers are those of separate passes, but the matrix products are larger and the weights are read once.
        """
        try:
            for layer in self.walk():
                layer.batches = count
            yield self
        finally:
            for layer in self.walk():
                layer.batches = 1

    @contextlib.contextmanager
    def among_ranks(self, ranks: Ranks) -> Iterator[Self]:
        """Within the block batch norm takes the rows of all ranks for one batch.

        All ranks must make the same passes, with batches of equal size: a layer sends one message per pass. The sum of
        the parameters' gradients over ranks, divided by their number, is then the gradient of one rank with all rows.
        With one rank nothing changes.
        """
        try:
            for layer in self.walk():
                layer.ranks = ranks if ranks.size > 1 else None
            yield self
        finally:
            for layer in self.walk():
                layer.ranks = None

    @contextlib.contextmanager
    def given(self, labels: Array | None) -> Iterator[Self]:
        """Within the block the samples of every batch have these labels (N,), int32; JoinLabels layers read them."""
        try:
            for layer in self.walk():
                layer.labels = labels
            yield self
        finally:
            for layer in self.walk():
                layer.labels = None

    @contextlib.contextmanager
    def answering(self, asked: Asked) -> Iterator[Self]:
        """Within the block a last convolution works out this loss of its answers, too, where one launch does both."""
        try:
            for layer in self.walk():
                layer.asked = asked
            yield self
        finally:
            for layer in self.walk():
                layer.asked = None

    # ---- the tree: parameters, running statistics, children ----

    def children(self) -> Iterator[tuple[str, Layer]]:
        """Yield (name, child layer) in declared order."""
        for name, value in vars(self).items():
            if isinstance(value, Layer):
                yield name, value
            elif isinstance(value, list):
                yield from ((f"{name}.{i}", item) for i, item in enumerate(value) if isinstance(item, Layer))

    def walk(self) -> Iterator[Layer]:
        """Yield this layer and every layer below it."""
        yield self
        for _, child in self.children():
            yield from child.walk()

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield (name, parameter) in declared order, weight before bias, scale before shift."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, child in self.children():
            yield from child.named_parameters(f"{prefix}{name}.")

    def parameters(self) -> list[Parameter]:
        """Return all parameters in declared order."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Array]]:
        """Yield (name, array) of the running statistics: saved with the state, never optimised."""
        for name, value in self.buffers.items():
            yield prefix + name, value
        for name, child in self.children():
            yield from child.named_buffers(f"{prefix}{name}.")

    def to(self, device: str | None = None, dtype: Any = None) -> Self:
        """Move parameters and buffers to a device and/or a dtype; gradients and saved values are dropped. Return self.

        Make optimisers afterwards: they hold views of the parameters.
        """
        for layer in self.walk():
            layer._saved = None
            layer.buffers = {name: _convert(value, device, dtype) for name, value in layer.buffers.items()}
        for parameter in self.parameters():
            parameter.data = _convert(parameter.data, device, dtype)
            parameter.grad = parameter.grad_buffer = None
        return self

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers by name, on the device where they are."""
        return {name: array.copy() for name, array in self._named_arrays()}

    def load_state_dict(self, state: dict[str, Array]) -> None:
        """Copy a state dict in, from any device. Raise ValueError naming what is missing, unexpected or misshapen."""
        arrays = dict(self._named_arrays())
        problems = [f"missing {name}" for name in arrays if name not in state]
        problems += [f"unexpected {name}" for name in state if name not in arrays]
        problems += [
            f"{name} has shape {tuple(state[name].shape)}, expected {array.shape}"
            for name, array in arrays.items()
            if name in state and tuple(state[name].shape) != array.shape
        ]
        if problems:
            raise ValueError(f"state dict does not fit {self!r}: " + "; ".join(problems))
        for name, array in arrays.items():
            value = state[name] if is_cupy(state[name]) else np.asarray(state[name])
            array[...] = to_device(value, device_of(array))

    def _named_arrays(self) -> Iterator[tuple[str, Array]]:
        yield from ((name, parameter.data) for name, parameter in self.named_parameters())
        yield from self.named_buffers()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _convert(array: Array, device: str | None, dtype: Any) -> Array:
    array = array if device is None else to_device(array, device)
    return array if dtype is None else array.astype(dtype, copy=False)


_default_rng = np.random.default_rng(0)


@contextlib.contextmanager
def same_defaults() -> Iterator[None]:
    """Let layers that are built behind the block get the first values that they would get without it."""
    before = _default_rng.bit_generator.state
    try:
        yield
    finally:
        _default_rng.bit_generator.state = before


def torch_default(shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Return first values for a layer under construction: U(-a, a) with a = 1 / sqrt(fan_in), PyTorch's default.

    Most networks draw theirs anew, from a seed of their own (gpunet.init.apply). float32 is drawn faster than float64.
    """
    values = _default_rng.random(shape, dtype="float32")  # in [0, 1)
    values -= 0.5
    values *= 2 / math.sqrt(fan_in)
    return values
