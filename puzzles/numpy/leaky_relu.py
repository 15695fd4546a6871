"""The backward pass of a leaky ReLU

Forward, for x of any shape and a slope between 0 and 1, element by element:

    y = x            where x > 0
    y = slope * x    elsewhere              (slope 0 is the ReLU)

Backward: dy has the shape of y and holds the derivative of the loss by each number of y. Return dx. x may have any
shape, so write no loop over rows. At x = 0 there is no derivative; take the second line, slope.
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from gpunet.gradcheck import off_kinks
from puzzles.answer import Case, Mistake
from puzzles.arrays import Asked

FUNCTION, RESULTS = "leaky_relu_backward", ("dx",)
SLOPE = 0.2
STUB = """
def leaky_relu_backward(dy, x, slope):
    dx = None  # the shape of x
    return dx
"""
HINT = """
np.where(condition, a, b) takes from a where the condition holds, and from b elsewhere. The condition is about x: it
says which of the two lines of the forward pass was taken. dy only gets multiplied.
"""


def right(dy: np.ndarray, x: np.ndarray, slope: float) -> np.ndarray:
    """Return dx by loops."""
    return loops.elementwise(lambda dy, x: dy if x > 0 else slope * dy, dy, x)


def cases() -> list[Case]:
    """Return a case to follow by hand, a map with four axes, and the ReLU."""
    rng = np.random.default_rng(1)
    dy, x = np.array([1.0, -2.0, 3.0, -4.0, 5.0]), np.array([2.0, 3.0, -1.0, -2.0, 0.0])
    shape = 2, 3, 4, 2
    return [
        Case("dy = [1, -2, 3, -4, 5], x = [2, 3, -1, -2, 0], slope = 0.2", (dy, x, SLOPE)),
        Case("random dy and x (2, 3, 4, 2), slope 0.1", (rng.standard_normal(shape), rng.standard_normal(shape), 0.1)),
        Case("random dy and x (6,), slope = 0: the ReLU", (rng.standard_normal(6), rng.standard_normal(6), 0.0)),
    ]


MISTAKES = {
    "dx": [
        Mistake("asks for the sign of dy; which line forward took depends on x.",
                lambda dy, x, slope: np.where(dy > 0, dy, slope * dy)),
        Mistake("forgets dy: it is the derivative of y, and the loss's is dy times that.",
                lambda dy, x, slope: np.where(x > 0, 1, slope)),
        Mistake("drops what comes where x is not above 0: a leaky ReLU lets slope * dy through.",
                lambda dy, x, slope: np.where(x > 0, dy, 0)),
        Mistake("is the forward pass of dy's place: it multiplies by x.",
                lambda dy, x, slope: np.where(x > 0, x, slope * x) * dy),
        Mistake("has the two lines the wrong way round.", lambda dy, x, slope: np.where(x > 0, slope * dy, dy)),
        Mistake("takes the first line at x = 0, too; the condition is x > 0.",
                lambda dy, x, slope: np.where(x >= 0, dy, slope * dy)),
    ]
}  # fmt: skip


def layer(solve):
    """Return the layer and the x for the gradient check; x stays away from 0."""
    x = off_kinks(np.random.default_rng(2), (3, 4))
    return Asked(lambda x: loops.leaky_relu(x, SLOPE), lambda dy, x: (solve(dy, x, SLOPE),)), x
