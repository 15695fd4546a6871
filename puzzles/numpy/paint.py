"""A transposed convolution in one dimension: every input paints

x has n numbers, w has k, the kernel. Every number of x paints the whole kernel, scaled by that number, onto a strip of
zeros. The kernel of x[0] begins at place 0 of the strip, that of x[1] `stride` places later, and so on. Where two
kernels overlap, the paint adds up. The strip has (n - 1) stride + k places. At the end `padding` places are cut off at
either end, so y has (n - 1) stride + k - 2 padding numbers.

With x = [a, b], w = [w0, w1, w2, w3], stride 2 and padding 1, as the generator has it in two dimensions:

    a paints   a w0   a w1   a w2   a w3
    b paints                 b w0   b w1   b w2   b w3
    y is              a w1  a w2+b w0  a w3+b w1  b w2            the first and the last place are cut off

Return y. A loop over the numbers of x is fine.
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import Case, Mistake

FUNCTION, RESULTS = "paint", ("y",)
STUB = """
def paint(x, w, stride, padding):
    y = None  # (n - 1) stride + k - 2 padding numbers
    return y
"""
HINT = """
Begin with strip = np.zeros((len(x) - 1) * stride + len(w)). Number i of x paints on the places i * stride to
i * stride + len(w), without the last: strip[i * stride : i * stride + len(w)] += x[i] * w. Then cut: the places
padding to len(strip) - padding are left.
"""


def right(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Return y by the loops of two dimensions, with one row."""
    size = loops.transposed_size(len(x), len(w), stride, padding)
    pads = (0, 0), (padding, padding)
    y = loops.conv_transpose2d(x.reshape(1, 1, -1, 1), w.reshape(1, -1, 1, 1), 0, (1, stride), pads, (1, size))
    return y[0, 0, :, 0]


def cases() -> list[Case]:
    """Return cases to follow by hand, and random ones."""
    rng = np.random.default_rng(1)
    two, four = np.array([1.0, 2.0]), np.array([1.0, 10.0, 100.0, 1000.0])
    found = [
        Case("x = [1, 2], w = [1, 10, 100, 1000], stride 2, padding 1", (two, four, 2, 1)),
        Case("x = [1, 2], w = [1, 10, 100, 1000], stride 1, padding 0", (two, four, 1, 0)),
    ]
    for n, k, stride, padding in ((5, 5, 2, 2), (4, 3, 3, 0), (3, 2, 1, 0)):
        words = f"random x ({n},) and w ({k},), stride {stride}, padding {padding}"
        found.append(Case(words, (rng.standard_normal(n), rng.standard_normal(k), stride, padding)))
    return found


def strip(x: np.ndarray, w: np.ndarray, stride: int, add: bool = True) -> np.ndarray:
    """Return the strip before it is cut; add=False: later paint covers earlier paint."""
    y = np.zeros((len(x) - 1) * stride + len(w))
    for i, number in enumerate(x):
        place = slice(i * stride, i * stride + len(w))
        y[place] = (y[place] if add else 0) + number * w
    return y


def _close_together(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Return y where each kernel begins one place after the one before it, on a strip of the right length."""
    y = np.zeros((len(x) - 1) * stride + len(w))
    for i, number in enumerate(x):
        y[i : i + len(w)] += number * w
    return y[padding : len(y) - padding]


MISTAKES = {
    "y": [
        Mistake("covers paint that is there already: where kernels overlap, paint adds up. Use +=.",
                lambda x, w, s, p: strip(x, w, s, add=False)[p : (len(x) - 1) * s + len(w) - p]),
        Mistake("is not cut: take `padding` places off at either end.", lambda x, w, s, p: strip(x, w, s)),
        Mistake("is cut at the end alone: the first `padding` places go, too.",
                lambda x, w, s, p: strip(x, w, s)[: (len(x) - 1) * s + len(w) - 2 * p]),
        Mistake("is cut at the front alone: the last `padding` places go, too.",
                lambda x, w, s, p: strip(x, w, s)[2 * p :]),
        Mistake("is cut by `padding` places at the end alone.", lambda x, w, s, p: strip(x, w, s)[: (len(x) - 1) * s + len(w) - p]),
        Mistake("is cut by `padding` places at the front alone.", lambda x, w, s, p: strip(x, w, s)[p:]),
        Mistake("has the kernel backwards: x[i] puts w[0] on the first of its places.",
                lambda x, w, s, p: right(x, w[::-1], s, p)),
        Mistake("lets each kernel begin one place after the one before it; it is `stride` places.", _close_together),
        Mistake("gets the stride as padding, and the padding as stride.",
                lambda x, w, s, p: right(x, w, p, s) if p and (len(x) - 1) * p + len(w) > 2 * s else 0),
    ]
}  # fmt: skip
