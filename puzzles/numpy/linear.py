"""The backward pass of a linear layer

Forward, with x (N, C), weight (C, F) and bias (F,):

    y = x @ weight + bias      (N, F)

Backward: dy (N, F) holds the derivative of the loss by each number of y. Return dx (N, C), dweight (C, F) and dbias
(F,). Two of them are matrix products. Let the shapes lead you: of dy, x, weight and their transposes only one order
gives the shape that is wanted.
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import Case, Mistake
from puzzles.arrays import Asked

FUNCTION, RESULTS = "linear_backward", ("dx", "dweight", "dbias")
STUB = """
def linear_backward(dy, x, weight):
    dx = None  # (N, C)
    dweight = None  # (C, F)
    dbias = None  # (F,)
    return dx, dweight, dbias
"""
HINT = """
x[n, c] goes into every output f of its row, each time multiplied by weight[c, f]: so dx[n, c] is the sum over f of
dy[n, f] weight[c, f], which is a product of dy (N, F) and the transposed weight (F, C). weight[c, f] is used by
every row n, and so is bias[f].
"""
right = loops.linear_backward


def cases() -> list[Case]:
    """Return one case to follow by hand, and one each of square and of other shapes."""
    rng = np.random.default_rng(1)
    x, weight, dy = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [10.0]]), np.array([[1.0], [2.0]])
    found = [Case("dy = [[1], [2]], x = [[1, 2], [3, 4]], weight = [[1], [10]]", (dy, x, weight))]
    for N, C, F in ((3, 3, 3), (5, 4, 2)):
        arrays = rng.standard_normal((N, F)), rng.standard_normal((N, C)), rng.standard_normal((C, F))
        found.append(Case(f"random numbers: N = {N}, C = {C}, F = {F}", arrays))
    return found


MISTAKES = {
    "dx": [
        Mistake("is the mean over the outputs; the ways through all outputs add up.",
                lambda dy, x, weight: dy @ weight.T / weight.shape[1]),
    ],
    "dweight": [
        Mistake("is divided by the number of rows. dy comes from a mean over the batch already: take the plain sum.",
                lambda dy, x, weight: x.T @ dy / len(x)),
        Mistake("is transposed: it needs the shape of weight, (C, F).", lambda dy, x, weight: dy.T @ x),
        Mistake("is that of the first row alone: every row uses the weight.",
                lambda dy, x, weight: np.outer(x[0], dy[0])),
    ],
    "dbias": [
        Mistake("forgets the sum over the rows: every row of x gets the same bias.", lambda dy, x, weight: dy),
        Mistake("is the mean over the rows; the ways of all rows add up: take the sum.",
                lambda dy, x, weight: dy.mean(0)),
        Mistake("is summed over the wrong axis: axis 0 counts the rows.", lambda dy, x, weight: dy.sum(1)),
        Mistake("has one axis too many: sum(axis=0) without keepdims gives (F,).",
                lambda dy, x, weight: dy.sum(0, keepdims=True)),
    ],
}  # fmt: skip


def layer(solve):
    """Return the layer and the x for the gradient check."""
    rng = np.random.default_rng(2)
    arrays = {"weight": rng.standard_normal((3, 2)), "bias": rng.standard_normal(2)}
    return Asked(loops.linear, lambda dy, x, weight, bias: solve(dy, x, weight), **arrays), rng.standard_normal((4, 3))
