"""The tree of layers and what it carries: parameters, running statistics, their state dict and their device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpunet.backend.arrays import Array, device_of, to_device


class Parameter:
    """A trainable array. `grad` is None until a backward pass, then gradients are added up in it.

    An optimiser may set `grad_buffer`, a view into its flat buffer; gradients are then gathered there.
    """

    def __init__(self, data: Array, trainable: bool = True) -> None:
        self.data = data
        self.grad: Array | None = None
        self.grad_buffer: Array | None = None
        self.trainable = trainable

    def first_grad(self) -> Array | None:
        """Return the buffer that the first gradient may be computed in, or None: there is one already, or no buffer."""
        return self.grad_buffer if self.trainable and self.grad is None else None

    def add_grad(self, function: Callable[..., Array], *args: Any) -> None:
        """Add function(*args) to the gradient; the first since it was cleared is computed in place, by `out=`."""
        if self.grad is None:
            self.grad = function(*args, out=self.grad_buffer)
        else:
            self.grad += function(*args)


class Tree:
    """A layer as a node: its own parameters and buffers, and its children.

    Parameters are attributes of type `Parameter`, in the order they were declared; running statistics live in
    `self.buffers`; child layers are attributes that are layers, or lists of them.
    """

    def __init__(self) -> None:
        self.buffers: dict[str, Array] = {}
        self._saved: tuple | None = None

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield (name, child layer) in declared order."""
        for name, value in vars(self).items():
            if isinstance(value, Tree):
                yield name, value
            elif isinstance(value, list):
                yield from ((f"{name}.{i}", item) for i, item in enumerate(value) if isinstance(item, Tree))

    def walk(self) -> Iterator[Any]:
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

    def to(self, device: str | None = None, dtype: Any = None) -> Any:
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
            array[...] = to_device(np.asarray(state[name]) if _on_host(state[name]) else state[name], device_of(array))

    def _named_arrays(self) -> Iterator[tuple[str, Array]]:
        yield from ((name, parameter.data) for name, parameter in self.named_parameters())
        yield from self.named_buffers()


def _on_host(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] != "cupy"


def _convert(array: Array, device: str | None, dtype: Any) -> Array:
    array = array if device is None else to_device(array, device)
    return array if dtype is None else array.astype(dtype, copy=False)
