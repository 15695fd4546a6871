"""Parameter: a trainable array of a layer, and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet.backend.branches import Work, beside
from gpunet.backend.devices import Array
from gpunet.backend.factors import Factor


class Parameter:
    """A trainable array. `grad` is None until a backward pass, then gradients are added up in it.

    An optimiser may set `grad_buffer`, a view into its flat buffer; gradients are then gathered there.
    """

    def __init__(self, data: Array, trainable: bool = True) -> None:
        self.data = data
        self._grad: Array | None = None
        self._work: Work | None = None  # in another branch of a captured graph: it computes the gradient
        self.grad_buffer: Array | None = None
        self.rounded: Factor | None = None  # data for tensor cores, within Adam.rounding
        self.trainable = trainable

    @property
    def grad(self) -> Array | None:
        """The gradient so far. In a graph with two branches whoever asks for it waits for the other branch."""
        if self._work is not None:
            self._work.wait()
        return self._grad

    @grad.setter
    def grad(self, value: Array | None) -> None:
        self._grad = value

    def first_grad(self) -> Array | None:
        """Return the buffer that the first gradient may be computed in, or None: there is one already, or no buffer."""
        return self.grad_buffer if self.trainable and self.grad is None else None

    def add_grad(self, function: Callable[..., Array], *args: Any) -> None:
        """Add function(*args) to the gradient; the first since it was cleared is computed in place, by `out=`."""
        if self.grad is None:
            self.grad = function(*args, out=self.grad_buffer)
        else:
            self.grad += function(*args)

    def add_grad_beside(self, function: Callable[..., Array], *args: Any) -> None:
        """Do what `add_grad` does, in a captured graph beside what follows (gpunet.backend.branches)."""
        with beside(*args) as work:
            self.add_grad(function, *args)
        self._work = work
