"""Adam, over flat buffers that hold every parameter of a network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gpunet import backend, distributed, flat
from gpunet.backend import factors
from gpunet.backend.adam import LR, STATE
from gpunet.backend.average import STEP, Averages
from gpunet.backend.devices import Array, array_module, device_of, to_device
from gpunet.backend.factors import DTYPES, Factor
from gpunet.backend.gradient_norm import NORM
from gpunet.backend.loss_scale import GOOD_STEPS, SCALE, new_scaling
from gpunet.distributed.gradients import GradientSums
from gpunet.layers.base import Layer
from gpunet.layers.parameter import Parameter
from gpunet.layers.sequential import Sequential

SCALING = {"loss_scale", "good_steps"}  # what a state has besides, if the loss is scaled


class Adam:
    """Adam (Kingma & Ba, 2015) over the trainable ones of the given parameters; the formula is in gpunet.backend.adam.

    weight_decay > 0 adds an L2 penalty to the loss (PyTorch's Adam, not AdamW). loss_scale, for products in fp16: what
    the gradient of the loss, passed through `scaled`, is multiplied by at first (see gpunet.backend.loss_scale).
    clip_grad: the largest norm of the whole gradient (gpunet.backend.gradient_norm); `norm` then tells the newest.
    accumulate: how many backward passes an update takes: of as many calls of `step` the last one updates, by the mean
    of their gradients, and `zero_grad` clears them before the first. A batch of 64 as four of 16 needs a fourth of the
    memory.

    An optimiser that is made among several ranks (gpunet.distributed) updates by the mean of their gradients.

    Their values and gradients move into flat buffers (gpunet.flat), of which `parameter.data` and `parameter.grad`
    become views: one pass updates all matrices of a network, another all vectors. So make the optimiser after
    `net.to(...)`; `step` raises if a parameter moved since.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 2e-4,
        betas: Sequence[float] = (0.5, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        loss_scale: float | None = None,
        clip_grad: float | None = None,
        accumulate: int = 1,
    ) -> None:
        self.parameters = [parameter for parameter in parameters if parameter.trainable]
        if not self.parameters:
            raise ValueError("got no trainable parameters, expected at least one: pass net.parameters()")
        _check(lr, betas, eps, weight_decay)
        _check_gradients(clip_grad, accumulate)
        self.betas, self.eps, self.weight_decay = (float(betas[0]), float(betas[1])), float(eps), float(weight_decay)
        values = [parameter.data for parameter in self.parameters]
        first = values[0]
        self.data, self.grad, self.m, self.v = (flat.buffers(values, first) for _ in range(4))
        self.state = to_device(np.array([lr] + [0] * (STATE - 1), "float64"), device_of(first))  # see backend.adam
        self.scaling = None if loss_scale is None else new_scaling(device_of(first), loss_scale)
        self.clip_grad = clip_grad
        self.clipping = (
            None if clip_grad is None else to_device(np.zeros(2), device_of(first))
        )  # see backend.gradient_norm
        self.accumulate, self.gathered = accumulate, 0  # backward passes per update, and those so far
        group = distributed.ranks()
        self.sums = GradientSums(group, self.grad, self.parameters) if group.size > 1 else None
        self.share = to_device(np.array([1 / (accumulate * group.size)]), device_of(first))
        self.rounded: Factor | None = None  # the parameters for tensor cores: see `rounding`
        self.averages: Averages | None = None  # what moves in every step: see gpunet.average
        self._views = flat.views(self.data, values)
        for parameter, data, grad in zip(self.parameters, self._views, flat.views(self.grad, values), strict=True):
            data[...] = parameter.data
            parameter.data, parameter.grad_buffer, parameter.grad = data, grad, None

    @property
    def lr(self) -> float:
        """The learning rate; setting it takes effect at the next step, also of a captured one."""
        return float(self.state[LR])

    @lr.setter
    def lr(self, value: float) -> None:
        self.state[LR] = value

    @property
    def norm(self) -> Array | None:
        """The norm of the newest update's gradient before it was clipped, a 0-d array; None without clip_grad."""
        return None if self.clipping is None else self.clipping[NORM].astype(self.data[0].dtype)

    def step(self) -> None:
        """Update every parameter from its gradient. RuntimeError: a gradient is missing or a parameter moved."""
        self._require_gradients()
        self.gathered = (self.gathered + 1) % self.accumulate
        if self.gathered:
            return
        self._finish_gradients()
        buffers = list(zip(self.data, self.grad, self.m, self.v, strict=True))  # the matrices first, which are rounded
        more = (self.betas, self.eps, self.weight_decay, self.scaling, self.rounded)
        backend.adam_step(self.state, buffers, *more, self.averages)

    def _require_gradients(self) -> None:
        for i, (parameter, view) in enumerate(zip(self.parameters, self._views, strict=True)):
            if parameter.data is not view:
                raise RuntimeError(f"parameter {i} was replaced since Adam was made: make Adam after net.to()")
            if parameter.grad is None:
                raise RuntimeError(f"parameter {i} of shape {view.shape} has no gradient: run backward before step")
            if parameter.grad is not parameter.grad_buffer:  # assigned from outside
                parameter.grad_buffer[...] = parameter.grad  # type: ignore[index]

    def _finish_gradients(self) -> None:
        """Make of what backward has left the gradient of the loss: unscaled, the mean of the batches, clipped."""
        if self.sums is not None:
            self.sums.finish()
        if self.scaling is not None:
            backend.unscale_gradients(self.scaling, *self.grad)
        if self.accumulate > 1 or self.sums is not None:
            for grad in self.grad:
                backend.scale_gradient(grad, self.share)
        if self.clip_grad is not None:
            backend.gradient_norm(self.clipping, self.clip_grad, *self.grad, scaling=self.scaling)
            for grad in self.grad:
                backend.scale_gradient(grad, self.clipping)

    def summing(self, net: Layer, last: bool = True) -> contextlib.AbstractContextManager[None]:
        """Within the block backward of a network begins the sums of its gradients over ranks, where there are several.

        last: whether nothing adds to these gradients after the block. `step` waits for the sums.
        """
        if self.sums is None or not last or self.gathered + 1 < self.accumulate or not isinstance(net, Sequential):
            return contextlib.nullcontext()
        return self.sums.early(net)

    def clip(self, limit: float) -> None:
        """Bring every parameter into [-limit, limit], for a critic whose slope shall be bounded (WGAN)."""
        for data in self.data:
            backend.clip_weights(data, limit)
        self.changed()

    # ---- rounded parameters, for products on tensor cores ----

    @contextlib.contextmanager
    def rounding(self, precision: str | None) -> Iterator[None]:
        """Within the block convolutions take parameters that are rounded already (gpunet.backend.factors).

        They are rounded at the first use, then by `step` in its own pass. So call `changed` after anything else that
        writes into the parameters. None: nothing is rounded here.
        """
        matrices = [parameter for parameter in self.parameters if parameter.data.ndim > 1]
        if precision not in DTYPES or not matrices:
            yield
            return
        if self.rounded is None or self.rounded.precision != precision:
            self.rounded = Factor(array_module(self.data[0]).empty(len(self.data[0]), DTYPES[precision]), precision)
            self.changed()
        try:
            views = flat.views([self.rounded.numbers], [parameter.data for parameter in matrices])
            for parameter, view in zip(matrices, views, strict=True):
                parameter.rounded = Factor(view, precision)
            yield
        finally:
            for parameter in matrices:
                parameter.rounded = None

    def changed(self) -> None:
        """Round the matrices anew: something other than `step` has written into them."""
        if self.rounded is not None:
            factors.round_into(self.rounded, self.data[0])

    def scaled(self, dlogits: Array) -> Array:
        """Return what to give to backward for dlogits, the gradient of the loss; it may be overwritten."""
        return dlogits if self.scaling is None else backend.scale_gradient(dlogits, self.scaling)

    def zero_grad(self) -> None:
        """Clear the gradients: the next backward stores, later ones add. No memory is written.

        Gradients that are gathered for an update stay.
        """
        if self.gathered == 0:
            for parameter in self.parameters:
                parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the moments, flat in declared order, and the numbers step and lr, and of a scaled loss."""
        m, v = (flat.packed(moments, self._views) for moments in (self.m, self.v))
        state = {"m": m, "v": v, "step": int(self.state[STEP]), "lr": self.lr}
        if self.scaling is not None:
            state |= {"loss_scale": float(self.scaling[SCALE]), "good_steps": int(self.scaling[GOOD_STEPS])}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore moments, step count and learning rate. Raises ValueError where keys or sizes do not fit.

        The scale of the loss is restored if both had one: a run may go on in another precision.
        """
        size, device = sum(view.size for view in self._views), device_of(self.m[0])
        if set(state) - SCALING != {"m", "v", "step", "lr"} or any(state[k].shape != (size,) for k in ("m", "v")):
            raise ValueError(f"got Adam state {sorted(state)}, expected m and v of size {size}, step and lr")
        for name, moments in (("m", self.m), ("v", self.v)):
            flat.unpack(to_device(state[name], device), moments, self._views)
        self.state[:2] = to_device(np.array([state["lr"], state["step"]], "float64"), device)
        if self.scaling is not None and set(state) >= SCALING:
            self.scaling[...] = new_scaling(device, state["loss_scale"])
            self.scaling[GOOD_STEPS] = state["good_steps"]


def _check(lr: float, betas: Sequence[float], eps: float, weight_decay: float) -> None:
    if not (lr >= 0 and eps > 0 and weight_decay >= 0 and len(betas) == 2 and all(0 <= b < 1 for b in betas)):
        raise ValueError(
            f"got lr={lr}, betas={betas}, eps={eps}, weight_decay={weight_decay}, "
            "expected lr >= 0, 0 <= betas < 1, eps > 0 and weight_decay >= 0"
        )


def _check_gradients(clip_grad: float | None, accumulate: int) -> None:
    if not (clip_grad is None or clip_grad > 0) or accumulate < 1:
        got = f"got clip_grad={clip_grad}, accumulate={accumulate}"
        raise ValueError(f"{got}, expected clip_grad > 0 or None and accumulate >= 1")
