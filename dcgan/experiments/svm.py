"""A linear support vector machine on features: how well do they tell classes apart? (Radford et al., 2016, section 5)

    minimise  |w|^2 / 2 + C sum max(0, 1 - y (w x + b))^2        for each class against the others (L2-SVM)

C, which says how much mistakes count, is the one of CANDIDATES that does best on examples held out of the training.
scikit-learn solves it.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from dcgan.errors import UserError
from dcgan.experiments.feature_file import Features

CANDIDATES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
HELD_OUT, MOST_HELD_OUT = 5, 10_000  # a fifth of the examples, at most 10,000 (the paper's number), choose C
ROUNDS = 2000  # of the solver, at most


class Judged(NamedTuple):
    """What came out: the share of right answers on the test set, the C that was chosen, and from how many examples."""

    accuracy: float
    C: float
    examples: int
    held_out: float  # share of right answers on the examples that chose C


def require() -> Any:
    """Return scikit-learn's module of linear machines. UserError: it is not installed."""
    try:
        from sklearn import svm
    except ImportError:
        raise UserError("--svm: needs scikit-learn: pip install 'gpunet[svm]'") from None
    return svm


def judge(train: Features, test: Features, labelled: int | None, rng: np.random.Generator) -> Judged:
    """Return how a machine trained on `train` does on `test`; labelled: so many examples, as many of each class.

    Raises UserError where the two have other classes, or there are too few examples.
    """
    if train.classes != test.classes:
        some = [", ".join(each.classes[:10]) or "none" for each in (train, test)]
        raise UserError(f"--test: has the classes {some[1]}, expected those of --data: {some[0]}")
    learnt, held_out = split(train.labels, labelled, rng)
    scale = 1 / np.linalg.norm(train.rows[learnt], axis=1).mean()  # so that one C means the same for all features
    x, y = train.rows[learnt] * scale, train.labels[learnt]
    best: tuple[float, float, Any] | None = None
    for C in CANDIDATES:
        machine = _trained(x, y, C)
        right = float((machine.predict(train.rows[held_out] * scale) == train.labels[held_out]).mean())
        if best is None or right > best[0]:
            best = (right, C, machine)
    assert best is not None
    right, C, machine = best
    return Judged(float((machine.predict(test.rows * scale) == test.labels).mean()), C, len(learnt), right)


def split(labels: np.ndarray, labelled: int | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices to learn from and those held out, neither in both. Raises UserError: there are too few.

    labelled: learn from so many examples, as many of each class; None: from all that are not held out.
    """
    order, classes = rng.permutation(len(labels)), np.unique(labels)
    if len(classes) < 2:
        raise UserError("--svm: all pictures are of one class, expected at least two classes")
    if labelled is None:
        count = max(1, min(len(labels) // HELD_OUT, MOST_HELD_OUT))
        held_out, learnt = order[:count], order[count:]
        if len(np.unique(labels[learnt])) < 2:
            raise UserError(f"--svm: got {len(labels):,} pictures, too few to learn two classes from")
        return learnt, held_out
    each = labelled // len(classes)
    chosen = [order[labels[order] == one][:each] for one in classes]
    if each < 1 or min(map(len, chosen)) < each or each * len(classes) == len(labels):
        least = len(classes) * int(min((labels == one).sum() for one in classes))
        most = least - 1 if least == len(labels) else least
        raise UserError(f"--labelled: got {labelled}, expected {len(classes)} to {most}: as many of each class")
    learnt = np.concatenate(chosen)
    return learnt, np.setdiff1d(order, learnt)[:MOST_HELD_OUT]


def _trained(x: np.ndarray, y: np.ndarray, C: float) -> Any:
    """Return the machine for one C. Where the solver ends at ROUNDS, what it has found by then is taken."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return require().LinearSVC(C=C, loss="squared_hinge", dual="auto", max_iter=ROUNDS, random_state=0).fit(x, y)
