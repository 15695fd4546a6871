"""im2col: a convolution's patches as the rows of a matrix

A convolution lays its kernel of KH x KW pixels over the picture, and moves it by `stride` pixels from one place to
the next. What it sees at a place is a patch: KH KW C numbers. Return all patches as the rows of one matrix; then
the whole convolution is a matrix product, columns @ weight.reshape(KH * KW * C, F).

    x        (N, H, W, C): pictures, rows, columns, channels
    padding  so many rows and columns of zeros are put on all four sides first
    columns  (N * OH * OW, KH * KW * C), with OH = (H + 2 padding - KH) // stride + 1, OW in the same way

Rows of the matrix come in the order picture, row, column of the result: n, i, j. The numbers of a patch come in the
order row, column, channel: p, q, c. So, with 0 beyond the edges of the picture,

    columns[n i j, p q c] = x[n, i stride + p - padding, j stride + q - padding, c]
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import NEGATIVE, Case, Mistake, wrapped

FUNCTION, RESULTS = "im2col", ("columns",)
STUB = """
def im2col(x, kh, kw, stride, padding):
    columns = None  # (N * OH * OW, KH * KW * C)
    return columns
"""
HINT = """
np.pad puts zeros around the pictures, and around nothing else, by these widths for the four axes:

    ((0, 0), (padding, padding), (padding, padding), (0, 0))

Make an array of shape (N, OH, OW, KH, KW, C), and fill [:, :, :, p, q] for one pair p, q at a time. Tap p, q sees

    padded[:, p : p + OH * stride : stride, q : q + OW * stride : stride]

at all places. reshape makes a matrix of it at the end.
"""


def right(x: np.ndarray, kh: int, kw: int, stride: int, padding: int) -> np.ndarray:
    """Return the patches number by number."""
    N, H, W, C = x.shape
    OH, OW = (H + 2 * padding - kh) // stride + 1, (W + 2 * padding - kw) // stride + 1
    patches = np.zeros((N, OH, OW, kh, kw, C))
    for n, i, j, p, q in np.ndindex(N, OH, OW, kh, kw):
        h, w = i * stride + p - padding, j * stride + q - padding
        if 0 <= h < H and 0 <= w < W:
            patches[n, i, j, p, q] = x[n, h, w]
    return patches.reshape(N * OH * OW, kh * kw * C)


def cases() -> list[Case]:
    """Return a small picture to follow by hand, and others with strides, padding and channels."""
    rng = np.random.default_rng(1)
    small = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    found = [Case("x = 1 to 9 as one picture of 3 x 3, kernel 2 x 2, stride 1, padding 0", (small, 2, 2, 1, 0))]
    for shape, *rest in (((1, 4, 4, 1), 4, 4, 2, 1), ((2, 5, 7, 3), 3, 2, 1, 0), ((2, 6, 5, 2), 3, 3, 2, 1)):
        words = "random x {}, kernel {} x {}, stride {}, padding {}".format(shape, *rest)
        found.append(Case(words, (rng.standard_normal(shape), *rest)))
    return found


def _six(x: np.ndarray, kh: int, kw: int, stride: int, padding: int) -> np.ndarray:
    """Return the patches as (N, OH, OW, KH, KW, C)."""
    N, H, W, C = x.shape
    OH, OW = (H + 2 * padding - kh) // stride + 1, (W + 2 * padding - kw) // stride + 1
    return right(x, kh, kw, stride, padding).reshape(N, OH, OW, kh, kw, C)


def _matrix(six: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    turned = six.transpose(order)
    return turned.reshape(int(np.prod(turned.shape[:3])), -1)


MISTAKES = {
    "columns": [
        Mistake(f"is wrong {NEGATIVE}", lambda x, kh, kw, s, p: right(wrapped(x, p, (1, 2)), kh, kw, s, 0)),
        Mistake("leaves the padding out.",
                lambda x, kh, kw, s, p: right(x, kh, kw, s, 0) if min(x.shape[1:3]) >= kh else 0),
        Mistake("has the numbers of a patch in the order channel, row, column; the channel comes last.",
                lambda *args: _matrix(_six(*args), (0, 1, 2, 5, 3, 4))),
        Mistake("has the numbers of a patch in the order column, row, channel; the row comes first.",
                lambda *args: _matrix(_six(*args), (0, 1, 2, 4, 3, 5))),
        Mistake("has its rows in the order picture, column, row; the row comes first.",
                lambda *args: _matrix(_six(*args), (0, 2, 1, 3, 4, 5))),
        Mistake("is transposed: a patch is a row of the matrix.", lambda *args: right(*args).T),
        Mistake("is reshaped from an array with the taps in front: transpose it to n, i, j, p, q, c first.",
                lambda *args: _six(*args).transpose(3, 4, 0, 1, 2, 5).reshape(right(*args).shape)),
        Mistake("moves the kernel by one pixel; it should move by `stride`.", lambda *args: _steps_of_one(*args)),
    ]
}  # fmt: skip


def _steps_of_one(x: np.ndarray, kh: int, kw: int, stride: int, padding: int) -> np.ndarray:
    """Return the first OH x OW patches of a convolution with stride 1."""
    wanted, ones = _six(x, kh, kw, stride, padding), _six(x, kh, kw, 1, padding)
    return _matrix(ones[:, : wanted.shape[1], : wanted.shape[2]], (0, 1, 2, 3, 4, 5))
