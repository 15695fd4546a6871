"""A transposed convolution in two dimensions, with channels

As in the puzzle `paint`, but on pictures. x (N, H, W, C), weight (KH, KW, F, C): note that the output's channels F come
before the input's C. Every pixel x[n, i, j] paints KH x KW pixels of F channels onto y: at row i stride + p - padding
and column j stride + q - padding it adds, in each channel f,

    sum over c of  x[n, i, j, c] weight[p, q, f, c]

What would fall beyond an edge of y is cut off. y is (N, OH, OW, F), with OH = (H - 1) stride + KH - 2 padding, and OW in
the same way. Return y. (The backward pass, by x, is the ordinary convolution with the same numbers.)
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import Case, Mistake

FUNCTION, RESULTS = "conv_transpose2d", ("y",)
STUB = """
def conv_transpose2d(x, weight, stride, padding):
    y = None  # (N, OH, OW, F)
    return y
"""
HINT = """
Paint on a larger canvas, (N, (H - 1) stride + KH, (W - 1) stride + KW, F), and cut the padding off at the end. Go
through the taps, not through the pixels: tap p, q of all pixels at once falls on
canvas[:, p : p + H * stride : stride, q : q + W * stride : stride], and adds x @ weight[p, q].T there, (N, H, W, F).
"""


def right(x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Return y by loops."""
    size = [loops.transposed_size(x.shape[a + 1], weight.shape[a], stride, padding) for a in (0, 1)]
    pads = (padding, padding), (padding, padding)
    return loops.conv_transpose2d(x, weight, 0, (stride, stride), pads, (size[0], size[1]))


def cases() -> list[Case]:
    """Return cases to follow by hand, and random ones."""
    rng = np.random.default_rng(1)
    pixels, kernel = np.array([1.0, 2.0]).reshape(1, 1, 2, 1), np.array([1.0, 10.0, 100.0, 1000.0]).reshape(2, 2, 1, 1)
    found = [
        Case("x = [1, 2] as a row of two pixels, weight = [[1, 10], [100, 1000]], stride 1, padding 0",
             (pixels, kernel, 1, 0)),
        Case("the same with stride 2", (pixels, kernel, 2, 0)),
    ]  # fmt: skip
    for N, H, W, C, k, F, stride, padding in ((2, 2, 3, 3, 4, 2, 2, 1), (1, 3, 2, 2, 5, 3, 2, 2), (2, 3, 3, 2, 3, 2, 1, 1)):
        shapes = (N, H, W, C), (k, k, F, C)
        words = f"random x {shapes[0]} and weight {shapes[1]}, stride {stride}, padding {padding}"
        found.append(Case(words, (*(rng.standard_normal(shape) for shape in shapes), stride, padding)))
    return found


def _canvas(x: np.ndarray, weight: np.ndarray, stride: int, add: bool = True) -> np.ndarray:
    """Return y before it is cut; add=False: later taps cover earlier ones."""
    (N, H, W, _), (KH, KW, F, _) = x.shape, weight.shape
    canvas = np.zeros((N, (H - 1) * stride + KH, (W - 1) * stride + KW, F))
    for p, q in np.ndindex(KH, KW):
        place = slice(None), slice(p, p + H * stride, stride), slice(q, q + W * stride, stride)
        canvas[place] = (canvas[place] if add else 0) + x @ weight[p, q].T
    return canvas


def _cut(canvas: np.ndarray, padding: int) -> np.ndarray:
    return canvas[:, padding : canvas.shape[1] - padding, padding : canvas.shape[2] - padding]


def _first(canvas: np.ndarray, padding: int) -> np.ndarray:
    return canvas[:, : canvas.shape[1] - 2 * padding, : canvas.shape[2] - 2 * padding]


MISTAKES = {
    "y": [
        Mistake("covers paint that is there already: where kernels overlap, paint adds up. Use +=.",
                lambda x, w, s, p: _cut(_canvas(x, w, s, add=False), p)),
        Mistake("is not cut: take `padding` rows and columns off at each side.", lambda x, w, s, p: _canvas(x, w, s)),
        Mistake("is cut at the end alone: the first `padding` rows and columns go, too.",
                lambda x, w, s, p: _first(_canvas(x, w, s), p)),
        Mistake("has the kernel turned round: tap p, q falls on row i stride + p, not on the mirrored one.",
                lambda x, w, s, p: right(x, w[::-1, ::-1], s, p)),
        Mistake("has rows and columns of the kernel mixed up: p counts rows, q counts columns.",
                lambda x, w, s, p: right(x, w.transpose(1, 0, 2, 3), s, p)),
    ]
}  # fmt: skip
