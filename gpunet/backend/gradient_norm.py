"""The length of a network's whole gradient, and by how much to shorten it (kernels/gradient_norm.cu).

A single batch may give a gradient that is many times longer than usual, and one step along it may undo hundreds of good
ones. So the gradient, all parameters' numbers taken as one vector, is shortened to a largest length; its direction
stays. Pascanu et al., "On the difficulty of training recurrent neural networks", 2013, algorithm 1.

Both numbers stay on the device, in a small array `clip` (2,) of float64: nothing waits for them, and a captured step
replays correctly. FACTOR comes first, where `scale_gradient` (loss_scale.py) looks for what it multiplies by.
"""

from __future__ import annotations

from gpunet import kernels
from gpunet.backend.devices import Array, array_module, operation
from gpunet.backend.launches import at_once, empty
from gpunet.backend.loss_scale import SKIP

FACTOR, NORM = 0, 1  # places in `clip`
BLOCKS = 256  # that share the sum over an array: their parts are few enough for one thread to add
TINY = 1e-6  # added to the norm before it divides, as in PyTorch's clip_grad_norm_
BLOCK_THREADS = 256  # as in kernels/device/block_sums.cuh


@operation
def gradient_norm(clip: Array, most: float, *grads: Array, scaling: Array | None = None) -> None:
    """Write the norm of all gradients, flat arrays, and the factor that makes it `most` or less.

        clip[NORM]   = sqrt(sum of g^2)
        clip[FACTOR] = min(1, most / (norm + 1e-6))

    scaling: of a scaled loss. Where its SKIP says that Adam leaves these gradients out, for they are not finite, the
    norm is 0: no step was taken.
    """
    xp = array_module(clip)
    norm = xp.sqrt(sum((grad.astype("float64") ** 2).sum() for grad in grads))
    if scaling is not None:
        norm = xp.where(scaling[SKIP] != 0, 0, norm)
    clip[FACTOR], clip[NORM] = xp.minimum(1, most / (norm + TINY)), norm


@gradient_norm.kernel
def gradient_norm_kernel(clip: Array, most: float, *grads: Array, scaling: Array | None = None) -> None:
    parts = empty(clip, BLOCKS * len(grads))
    for i, grad in enumerate(grads):
        each = -(-grad.size // BLOCKS)
        args = (parts[i * BLOCKS : (i + 1) * BLOCKS], grad, grad.size, each)
        if at_once(grad):
            kernels.launch("gradient_norm.squares_by_blocks", BLOCKS, BLOCK_THREADS, args)
        else:
            kernels.launch("gradient_norm.squares", BLOCKS, 1, args)
    kernels.launch("gradient_norm.factor", 1, 1, (clip, parts, scaling, parts.size, most, TINY))
