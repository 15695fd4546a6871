"""A solution of the puzzle `conv_transpose`."""

import numpy as np


def conv_transpose2d_backward(dy, x, weight, stride, padding):
    (_, H, W, _), (KH, KW, _, _) = x.shape, weight.shape
    padded = np.pad(dy, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    dx, dweight = np.zeros(x.shape), np.empty(weight.shape)
    for p in range(KH):
        for q in range(KW):
            seen = padded[:, p : p + H * stride : stride, q : q + W * stride : stride]  # (N, H, W, F)
            dx += seen @ weight[p, q]
            dweight[p, q] = np.tensordot(seen, x, axes=((0, 1, 2), (0, 1, 2)))
    return dx, dweight, dy.sum(axis=(0, 1, 2))
