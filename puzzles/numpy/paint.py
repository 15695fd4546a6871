"""A transposed convolution in one dimension, with channels

x (n, C) has n places with C channels each, w (K, F, C) is the kernel, y (size, F) has F channels. Every x[i] paints
K places of y, `stride` places further for each next i. Tap p of x[i] falls on the place

    k = i stride + p - padding

of y, if there is such a place, and adds w[p] @ x[i] there: (F, C) times (C,) gives F numbers. Where strokes overlap,
they add up. All strokes together are (n - 1) stride + K places wide, and `padding` places are cut off at either end:

    size = (n - 1) stride + K - 2 padding

With one channel, x = [a, b], K = 4, stride 2 and padding 1 that is

    a paints   a w0   a w1   a w2       a w3
    b paints                 b w0       b w1       b w2   b w3
    y is              a w1   a w2+b w0  a w3+b w1  b w2            the first and the last place are cut off

Return y. A loop over the places of x is fine; no loop over channels or taps is needed.
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import NEGATIVE, Case, Mistake

FUNCTION, RESULTS = "paint", ("y",)
STUB = """
def paint(x, w, stride, padding):
    (n, C), (K, F, _) = x.shape, w.shape
    y = None  # (size, F)
    return y
"""
HINT = """
Begin with a strip that is not cut yet, so that tap p of x[i] falls on its place i * stride + p:

    strip = np.zeros(((n - 1) * stride + K, F))

The stroke of x[i] is w @ x[i], which is (K, F). Add it to strip[i * stride : i * stride + K]. At the end the places
from `padding` to len(strip) - padding are left.
"""


def right(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Return y by the loops of two dimensions, with one row."""
    size = loops.transposed_size(len(x), len(w), stride, padding)
    return loops.conv_transpose2d(x[None, None], w[None], 0, (1, stride), ((0, 0), (padding, padding)), (1, size))[0, 0]


def cases() -> list[Case]:
    """Return cases to follow by hand, and random ones."""
    rng = np.random.default_rng(1)
    x, w = np.array([[2.0], [3.0]]), np.array([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1)
    channels = np.array([[1.0, 10.0], [2.0, 20.0]]), np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    found = [
        Case("one channel, x = [2, 3], w = [1, 2, 3, 4], stride 2, padding 1", (x, w, 2, 1)),
        Case("C = 2, F = 1, x = [[1, 10], [2, 20]], w = [[[1, 2]], [[3, 4]]], stride 1, padding 0", (*channels, 1, 0)),
    ]
    for n, C, K, F, stride, padding in ((5, 3, 5, 2, 2, 2), (4, 2, 3, 3, 3, 0), (3, 2, 4, 2, 1, 1)):
        words = f"random x {(n, C)} and w {(K, F, C)}, stride {stride}, padding {padding}"
        found.append(Case(words, (rng.standard_normal((n, C)), rng.standard_normal((K, F, C)), stride, padding)))
    return found


def strip(x: np.ndarray, w: np.ndarray, stride: int, add: bool = True, apart: int | None = None) -> np.ndarray:
    """Return y before it is cut; add=False: later paint covers earlier; apart: another distance of the strokes."""
    y = np.zeros(((len(x) - 1) * stride + len(w), w.shape[1]))
    for i, numbers in enumerate(x):
        first = i * (stride if apart is None else apart)
        place = slice(first, first + len(w))
        y[place] = (y[place] if add else 0) + w @ numbers
    return y


def _from_the_end(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Return y where the first places that should be cut off are counted from the end."""
    whole = strip(x, w, stride)
    y = whole[padding : len(whole) - padding]
    y[len(y) - padding :] += whole[:padding]
    return y


MISTAKES = {
    "y": [
        Mistake(f"is wrong {NEGATIVE}", _from_the_end),
        Mistake("covers paint that is there already: where strokes overlap, they add up. Use +=.",
                lambda x, w, s, p: strip(x, w, s, add=False)[p : (len(x) - 1) * s + len(w) - p]),
        Mistake("is not cut: take `padding` places off at either end.", lambda x, w, s, p: strip(x, w, s)),
        Mistake("is cut at the end alone: the first `padding` places go, too.",
                lambda x, w, s, p: strip(x, w, s)[: (len(x) - 1) * s + len(w) - 2 * p]),
        Mistake("is cut at the front alone: the last `padding` places go, too.",
                lambda x, w, s, p: strip(x, w, s)[2 * p :]),
        Mistake("is cut by `padding` places at the end alone: the first ones go, too.",
                lambda x, w, s, p: strip(x, w, s)[: (len(x) - 1) * s + len(w) - p]),
        Mistake("is cut by `padding` places at the front alone: the last ones go, too.",
                lambda x, w, s, p: strip(x, w, s)[p:]),
        Mistake("gets `padding` zeros at either end: in a transposed convolution padding cuts places off.",
                lambda x, w, s, p: np.pad(strip(x, w, s), ((p, p), (0, 0)))),
        Mistake("has the kernel turned round: tap 0 of x[i] falls on the first of its places.",
                lambda x, w, s, p: right(x, w[::-1], s, p)),
        Mistake("lets each stroke begin one place after the one before it; it is `stride` places.",
                lambda x, w, s, p: strip(x, w, s, apart=1)[p : (len(x) - 1) * s + len(w) - p]),
    ]
}  # fmt: skip
