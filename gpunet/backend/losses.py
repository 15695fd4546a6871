"""Losses of D's answers: loss, gradient and mean answer in one pass.

Binary cross-entropy takes the answers for logits of probabilities; the losses of other GANs take them as they are
(`loss_of_answers`). The kernels are in kernels/losses.cu.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet import kernels
from gpunet.backend.activations import sigmoid
from gpunet.backend.columns import add_groups
from gpunet.backend.devices import Array, array_module, on_cuda, operation
from gpunet.backend.join import join
from gpunet.backend.launches import ROWS_ON_CPU, address, arrivals, at_once, contiguous, empty, rows_per_thread

LANES = 32  # as in losses.cu
FORMULAS = ("linear", "square", "hinge")  # of loss_of_answers, in the order of losses.cu


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
def bce_with_logits_kernel(logits: Array, target: float | Array) -> tuple[Array, Array]:
    if isinstance(target, int | float):
        numbers, dlogits = _launch_bce(logits, 1, (None, target, target))
    elif target.shape == logits.shape:
        numbers, dlogits = _launch_bce(logits, 1, (contiguous(target.astype(logits.dtype, copy=False)), 0, 0))
    else:
        raise ValueError(f"got target of shape {target.shape}, expected a number or shape {logits.shape} as the logits")
    return numbers[:1].reshape(()), dlogits


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
def bce_of_halves_kernel(logits: Array, targets: tuple[float, float]) -> tuple[Array, Array, Array]:
    _require_halves(logits)
    numbers, dlogits = _launch_bce(logits, 2, (None, *targets))
    return numbers[:1].reshape(()), numbers[1:], dlogits


@operation
def loss_of_answers(logits: Array, formula: str, targets: tuple[float, ...]) -> tuple[Array, Array, Array]:
    """Return the sum of the batches' losses, the mean answer in each batch, and the gradient of the sum.

        linear   loss = mean of  -t x              dlogits = -t / size             t: 1 asks for large x, -1 for small x
        square   loss = mean of  (x - t)^2 / 2     dlogits = (x - t) / size
        hinge    loss = mean of  max(0, 1 - t x)   dlogits = -t / size where 1 - t x > 0, else 0

    logits: as many batches of one size as targets, one or two, one behind the other; x is a logit, t its batch's
    target, size that of a batch. The loss is a 0-d array, the means are (batches,).
    """
    _require_batches(logits, len(targets))
    xp = array_module(logits)
    parts = [_answers(part, formula, t) for part, t in zip(xp.split(logits, len(targets)), targets, strict=True)]
    loss = sum((loss for loss, _ in parts[1:]), parts[0][0])
    means = logits.reshape(len(targets), -1).mean(axis=1)
    return xp.asarray(loss), means, join(*(dlogits for _, dlogits in parts))


def _answers(x: Array, formula: str, target: float) -> tuple[Array, Array]:
    """Return the loss and dlogits of one batch."""
    xp, t, size = array_module(x), x.dtype.type(target), x.dtype.type(x.size)
    if formula == "linear":
        return (-t * x).mean(), xp.full(x.shape, -t / size)
    if formula == "square":
        return ((x - t) ** 2 / 2).mean(), (x - t) / size
    short_by = 1 - t * x
    return xp.maximum(short_by, 0).mean(), xp.where(short_by < 0, 0, -t * xp.sign(short_by)) / size


@loss_of_answers.kernel
def loss_of_answers_kernel(logits: Array, formula: str, targets: tuple[float, ...]) -> tuple[Array, Array, Array]:
    _require_batches(logits, len(targets))
    args = FORMULAS.index(formula), targets[0], targets[-1]
    numbers, dlogits = _launch("loss_of_answers", logits, len(targets), args)
    return numbers[:1].reshape(()), numbers[1:], dlogits


class Asked:
    """A loss that is asked for before the answers are there: the launch that computes them may work it out, too.

    formula: "bce" or one of FORMULAS; targets: one, or two for two batches of one size, one behind the other. A launch
    that does so (inner_products.py) leaves what it has `found`: the answers, the loss and the means, dlogits.
    """

    def __init__(self, formula: str, targets: Sequence[float]) -> None:
        self.formula, self.targets = formula, tuple(map(float, targets))
        self.found: tuple[Array, Array, Array] | None = None

    @property
    def batches(self) -> int:
        """How many batches the answers are of."""
        return len(self.targets)

    @property
    def number(self) -> int:
        """The formula's number in losses.cu, and that of bce in kernels/factors/inner_products.cuh."""
        return (*FORMULAS, "bce").index(self.formula)

    def of(self, logits: Array) -> tuple[Array, Any, Array]:
        """Return the loss of these answers, the mean answer in each batch, and dlogits: found before, or computed now.

        The means may be None for bce of one batch.
        """
        if self.found and logits.size == self.found[0].size and address(logits) == address(self.found[0]):
            _, numbers, dlogits = self.found
            return numbers[:1].reshape(()), numbers[1:], dlogits.reshape(logits.shape)
        if self.formula != "bce":
            return loss_of_answers(logits, self.formula, self.targets)
        if self.batches == 2:
            return bce_of_halves(logits, self.targets)
        loss, dlogits = bce_with_logits(logits, *self.targets)
        return loss, None, dlogits


def _require_batches(logits: Array, batches: int) -> None:
    if batches == 2:
        _require_halves(logits)
    elif batches != 1 or not logits.size:
        raise ValueError(f"got {batches} targets and logits of shape {logits.shape}, expected 1 or 2, and a logit each")


def _require_halves(logits: Array) -> None:
    if not logits.ndim or len(logits) % 2 or not len(logits):
        raise ValueError(f"got logits of shape {logits.shape}, expected two batches of one size joined")


def _launch_bce(logits: Array, batches: int, targets: tuple[Array | None, float, float]) -> tuple[Array, Array]:
    """Return (loss, a mean probability per batch) as one array, and dlogits."""
    if not logits.size:
        raise ValueError(f"bce_with_logits: got logits of shape {logits.shape}, expected at least one")
    return _launch("bce_with_logits", logits, batches, targets)


def _launch(entry: str, logits: Array, batches: int, more: tuple[Any, ...]) -> tuple[Array, Array]:
    """Return (loss, a mean answer per batch) as one array, and dlogits. more: what the kernel takes behind logits."""
    logits, count = contiguous(logits), logits.size // batches
    rows = -(-count // LANES)
    each = rows_per_thread(rows, 1, on_cuda(logits))
    numbers, dlogits = empty(logits, 1 + batches), empty(logits, *logits.shape)
    sums = empty(logits, -(-rows // each), batches * 2 * LANES)
    grid, args = (len(sums), batches), (logits, *more, count, rows, each)
    if at_once(logits):
        counters = arrivals(logits, batches * LANES + 1)
        kernels.launch(f"losses.{entry}_at_once", grid, LANES, (numbers, dlogits, sums, counters, *args))
        return numbers, dlogits
    whole = count % (LANES * ROWS_ON_CPU) == 0
    kernels.launch(f"losses.{entry}", grid, LANES, (dlogits, sums, *args), whole=whole)
    while len(sums) > 1:
        sums = add_groups(sums, rows_per_thread(len(sums), 1, on_cuda(sums)))
    kernels.launch("losses.mean_loss", 1, 1, (numbers, sums, batches, count))
    return numbers, dlogits
