"""A solution of the puzzle `conv_transpose`."""

import numpy as np


def conv_transpose2d(x, weight, stride, padding):
    (N, H, W, _), (KH, KW, F, _) = x.shape, weight.shape
    canvas = np.zeros((N, (H - 1) * stride + KH, (W - 1) * stride + KW, F))
    for p in range(KH):
        for q in range(KW):
            canvas[:, p : p + H * stride : stride, q : q + W * stride : stride] += x @ weight[p, q].T
    return canvas[:, padding : canvas.shape[1] - padding, padding : canvas.shape[2] - padding]
