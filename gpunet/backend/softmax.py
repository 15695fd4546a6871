"""Softmax cross-entropy on logits, the loss of a classifier: loss and gradient in one pass (kernels/softmax.cu).

    p[n, k] = exp(x[n, k]) / sum over j of exp(x[n, j])
    loss    = - mean over n of log p[n, labels[n]]
"""

from __future__ import annotations

from gpunet.backend.columns import column_sum
from gpunet.backend.devices import Array, array_module, operation
from gpunet.backend.launches import contiguous, elements, empty


@operation
def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return the mean cross-entropy of softmax(logits) (N, K) against labels (N,), int32, and its gradient (N, K).

        loss    = mean over n of  log(sum over k of exp(x[n, k])) - x[n, labels[n]]
        dlogits = (p - one_hot(labels)) / N

    The largest logit of each row is subtracted first, which leaves p as it is and lets no exponential overflow. The
    loss is a 0-d array on the device. labels: 0 to K - 1, which the caller sees to. Raises ValueError for other shapes.
    """
    _require_rows(logits, labels)
    xp, (rows, classes) = array_module(logits), logits.shape
    x = logits - logits.max(axis=1, keepdims=True)  # (N, K), at most 0
    powers = xp.exp(x)
    sums = powers.sum(axis=1, keepdims=True)  # (N, 1), at least 1
    own = labels[:, None] == xp.arange(classes, dtype=labels.dtype)  # (N, K), True in the column of the label
    losses = xp.log(sums[:, 0]) - xp.where(own, x, 0).sum(axis=1)  # (N,)
    return xp.asarray(losses.mean()), ((powers / sums - own) / rows).astype(logits.dtype, copy=False)


@softmax_cross_entropy.kernel
def softmax_cross_entropy_kernel(logits: Array, labels: Array) -> tuple[Array, Array]:
    _require_rows(logits, labels)
    rows, classes = logits.shape
    losses, dlogits = empty(logits, rows, 1), empty(logits, rows, classes)
    args = (losses, dlogits, contiguous(logits), contiguous(labels), rows, classes)
    elements("softmax.softmax_cross_entropy", args, rows)
    return column_sum(losses).reshape(()), dlogits


def _require_rows(logits: Array, labels: Array) -> None:
    if logits.ndim != 2 or not logits.size or labels.shape != logits.shape[:1] or labels.dtype != "int32":
        raise ValueError(
            f"softmax_cross_entropy: got logits of shape {logits.shape} and {labels.dtype} labels of shape "
            f"{labels.shape}, expected (N, K) of at least one number and int32 (N,)"
        )
