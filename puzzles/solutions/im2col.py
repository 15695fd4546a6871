"""A solution of the puzzle `im2col`."""

import numpy as np


def im2col(x, kh, kw, stride, padding):
    N, H, W, C = x.shape
    OH, OW = (H + 2 * padding - kh) // stride + 1, (W + 2 * padding - kw) // stride + 1
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    columns = np.empty((N, OH, OW, kh, kw, C))
    for p in range(kh):
        for q in range(kw):
            columns[:, :, :, p, q] = padded[:, p : p + OH * stride : stride, q : q + OW * stride : stride]
    return columns.reshape(N * OH * OW, kh * kw * C)
