"""Dynamic loss scaling: training with products in fp16, whose smallest number is 6e-8 and whose largest 65504.

Gradients are often smaller than that. So the gradient of the loss is multiplied by a scale before it goes backward,
with it, backward being linear, every gradient; Adam divides it out. A scale that is too large shows as an infinity or a
NaN in the gradients: then the update is skipped and the scale halved. After some good steps it is doubled again.
Scales are powers of two, so multiplying and dividing by them rounds nothing.

Micikevicius et al., "Mixed precision training", 2018, section 3.2. The numbers live on the device, in a small array
`scaling` (4,) of float64: nothing waits for them, and a captured step replays correctly.
"""

from __future__ import annotations

import numpy as np

from gpunet import kernels
from gpunet.backend import launches
from gpunet.backend.choices import fused
from gpunet.backend.devices import Array, array_module, operation, to_device
from gpunet.backend.launches import at_once

# Places in `scaling`: what the next loss is multiplied by; good steps since that changed; whether Adam shall skip the
# gradients at hand. The last is the kernels': whether one of these was not finite.
SCALE, GOOD_STEPS, SKIP, FOUND = range(4)
FIRST, LARGEST = 2.0**16, 2.0**24
GROW_EVERY = 2000  # good steps


def new_scaling(device: str, scale: float = FIRST) -> Array:
    """Return the array for a network that begins to train. ValueError: the scale is no power of two in range."""
    if not (1 <= scale <= LARGEST and np.frexp(scale)[0] == 0.5):
        raise ValueError(f"got a loss scale of {scale}, expected a power of two from 1 to 2^24")
    return to_device(np.array([scale, 0, 0, 0], "float64"), device)


@operation
def scale_gradient(dlogits: Array, scaling: Array) -> Array:
    """Return dlogits, the gradient of the loss, times scaling[SCALE]; dlogits is overwritten.

    Adam shortens and averages gradients by it, too: any array whose first number is a factor serves as `scaling`.
    """
    dlogits *= scaling[SCALE].astype(dlogits.dtype)
    return dlogits


@scale_gradient.kernel
def scale_gradient_kernel(dlogits: Array, scaling: Array) -> Array:
    launches.elements("loss_scale.scale", (dlogits, scaling, dlogits.size), dlogits.size)
    return dlogits


@operation
def unscale_gradients(scaling: Array, *grads: Array, grow_every: int = GROW_EVERY) -> None:
    """Divide the scale out of all gradients, flat arrays; tell Adam by SKIP; set the scale of the next step.

    A gradient that is not finite at scale 1 is not the scale's fault: it is not skipped, and the run ends as it would
    have without scaling.
    """
    xp, scale = array_module(scaling), scaling[SCALE].copy()
    finite = xp.stack([xp.isfinite(grad).all() for grad in grads]).all()
    for grad in grads:
        grad *= (1 / scale).astype(grad.dtype)
    scaling[SKIP] = ~finite & (scale > 1)
    good_steps = xp.where(finite, scaling[GOOD_STEPS] + 1, 0)
    grow = good_steps >= grow_every
    scaling[GOOD_STEPS] = xp.where(grow, 0, good_steps)
    wanted = xp.where(finite, xp.where(grow, 2 * scale, scale), scale / 2)
    scaling[SCALE] = xp.clip(wanted, 1, LARGEST)


@unscale_gradients.kernel
def unscale_gradients_kernel(scaling: Array, *grads: Array, grow_every: int = GROW_EVERY) -> None:
    if at_once(scaling) and fused() and len(grads) <= 2:
        grad, other, size = grads[0], grads[1] if len(grads) > 1 else None, sum(grad.size for grad in grads[1:])
        blocks = sum(-(-grad.size // launches.ELEMENTS_PER_BLOCK) for grad in grads)
        args = (grad, other, scaling, launches.arrivals(scaling, 1), grad.size, size, grow_every, LARGEST)
        return kernels.launch("loss_scale.unscale_at_once", blocks, launches.element_threads(scaling), args)
    for grad in grads:
        launches.elements("loss_scale.unscale", (grad, scaling, grad.size), grad.size)
    kernels.launch("loss_scale.decide", 1, 1, (scaling, grow_every, LARGEST))
