"""Adam, over one flat buffer that holds every parameter of a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpunet import backend
from gpunet.backend.adam import LR, STEP
from gpunet.backend.arrays import Array, array_module, device_of, to_device
from gpunet.layers.base import Parameter


class Adam:
    """Adam (Kingma & Ba, 2015) over the trainable ones of the given parameters; the formula is in gpunet.backend.adam.

    weight_decay > 0 adds an L2 penalty to the loss (PyTorch's Adam, not AdamW).

    Their values and gradients move into two flat buffers, of which `parameter.data` and `parameter.grad` become
    views: one pass updates the whole network. So make the optimiser after `net.to(...)`; `step` raises if a parameter
    moved since.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 2e-4,
        betas: Sequence[float] = (0.5, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.parameters = [parameter for parameter in parameters if parameter.trainable]
        if not self.parameters:
            raise ValueError("got no trainable parameters, expected at least one: pass net.parameters()")
        if not (lr >= 0 and eps > 0 and weight_decay >= 0 and len(betas) == 2 and all(0 <= b < 1 for b in betas)):
            raise ValueError(
                f"got lr={lr}, betas={betas}, eps={eps}, weight_decay={weight_decay}, "
                "expected lr >= 0, 0 <= betas < 1, eps > 0 and weight_decay >= 0"
            )
        self.betas, self.eps, self.weight_decay = (float(betas[0]), float(betas[1])), float(eps), float(weight_decay)
        first = self.parameters[0].data
        xp, size = array_module(first), sum(parameter.data.size for parameter in self.parameters)
        self.data, self.grad, self.m, self.v = (xp.zeros(size, first.dtype) for _ in range(4))
        self.state = to_device(np.array([lr, 0, 0, 0], "float64"), device_of(first))  # see backend.adam
        self._views = list(self._move_in())

    def _move_in(self) -> Iterable[Array]:
        start = 0
        for parameter in self.parameters:
            cut, shape = slice(start, start + parameter.data.size), parameter.data.shape
            self.data[cut] = parameter.data.ravel()
            parameter.data = self.data[cut].reshape(shape)
            parameter.grad_buffer, parameter.grad = self.grad[cut].reshape(shape), None
            start = cut.stop
            yield parameter.data

    @property
    def lr(self) -> float:
        """The learning rate; setting it takes effect at the next step, also of a captured one."""
        return float(self.state[LR])

    @lr.setter
    def lr(self, value: float) -> None:
        self.state[LR] = value

    def step(self) -> None:
        """Update every parameter from its gradient. RuntimeError: a gradient is missing or a parameter moved."""
        for i, (parameter, view) in enumerate(zip(self.parameters, self._views, strict=True)):
            if parameter.data is not view:
                raise RuntimeError(f"parameter {i} was replaced since Adam was made: make Adam after net.to()")
            if parameter.grad is None:
                raise RuntimeError(f"parameter {i} of shape {view.shape} has no gradient: run backward before step")
            if parameter.grad is not parameter.grad_buffer:  # assigned from outside
                parameter.grad_buffer[...] = parameter.grad  # type: ignore[index]
        backend.adam_update(self.data, self.grad, self.m, self.v, self.state, self.betas, self.eps, self.weight_decay)

    def zero_grad(self) -> None:
        """Clear the gradients: the next backward stores, later ones add. No memory is written."""
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the moments, flat in declared order, and the numbers step and lr."""
        return {"m": self.m.copy(), "v": self.v.copy(), "step": int(self.state[STEP]), "lr": self.lr}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore moments, step count and learning rate. Raises ValueError where keys or sizes do not fit."""
        if set(state) != {"m", "v", "step", "lr"} or any(state[k].shape != self.m.shape for k in ("m", "v")):
            raise ValueError(f"got Adam state {sorted(state)}, expected m and v of size {self.m.size}, step and lr")
        device = device_of(self.m)
        self.m[...], self.v[...] = to_device(state["m"], device), to_device(state["v"], device)
        self.state[:2] = to_device(np.array([state["lr"], state["step"]], "float64"), device)
