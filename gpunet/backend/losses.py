"""Binary cross-entropy on logits, the one loss of a DCGAN."""

from __future__ import annotations

from gpunet.backend.activations import sigmoid
from gpunet.backend.arrays import Array, array_module, operation
from gpunet.backend.join import join
from gpunet.kernels import losses


@operation
def bce_with_logits(logits: Array, target: float | Array) -> tuple[Array, Array]:
    """Return the mean binary cross-entropy of sigmoid(logits) against target, and its gradient.

        loss    = mean of  max(x, 0) - x t + log(1 + exp(-|x|))      = -t log p - (1 - t) log(1 - p),  p = sigmoid(x)
        dlogits = (p - t) / size

    logits: any shape. target: a number in [0, 1] or an array of the logits' shape. The loss is a 0-d array on the
    device. log(0) cannot occur: the form above never leaves the logits.
    """
    xp, real = array_module(logits), logits.dtype.type
    if not isinstance(target, int | float) and target.shape != logits.shape:
        raise ValueError(f"got target of shape {target.shape}, expected a number or shape {logits.shape} as the logits")
    softplus = xp.log1p(xp.exp(-xp.abs(logits)))  # log(1 + exp(-|x|)), in [0, log 2]
    loss = (xp.maximum(logits, 0) - logits * target + softplus).mean()
    probability = (xp.tanh(logits * real(0.5)) + 1) * real(0.5)
    dlogits = (probability - target) / real(logits.size)
    return xp.asarray(loss), xp.asarray(dlogits, logits.dtype)


@bce_with_logits.kernel
def _(logits: Array, target: float | Array) -> tuple[Array, Array]:
    return losses.bce_with_logits(logits, target)


@operation
def bce_of_halves(logits: Array, targets: tuple[float, float]) -> tuple[Array, Array, Array]:
    """Return the sum of two losses, the mean probability that each half claims, and the gradient of the sum.

    logits: two batches of one size, one behind the other, each with its target. The loss is the sum of their
    `bce_with_logits`, a 0-d array; the means (2,) are those of sigmoid(logits).
    """
    _require_halves(logits)
    half = len(logits) // 2
    (loss, first), (other, second) = map(bce_with_logits, (logits[:half], logits[half:]), targets)
    means = sigmoid(logits).reshape(2, -1).mean(axis=1)
    return array_module(logits).asarray(loss + other), means, join(first, second)


@bce_of_halves.kernel
def _(logits: Array, targets: tuple[float, float]) -> tuple[Array, Array, Array]:
    _require_halves(logits)
    return losses.bce_of_halves(logits, targets)


def _require_halves(logits: Array) -> None:
    if not logits.ndim or len(logits) % 2 or not len(logits):
        raise ValueError(f"got logits of shape {logits.shape}, expected two batches of one size joined")
