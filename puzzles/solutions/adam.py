"""A solution of the puzzle `adam`."""

import numpy as np


def adam_step(param, g, m, v, t, lr, b1, b2, eps):
    new_m = b1 * m + (1 - b1) * g
    new_v = b2 * v + (1 - b2) * g**2
    m_hat = new_m / (1 - b1**t)
    v_hat = new_v / (1 - b2**t)
    return param - lr * m_hat / (np.sqrt(v_hat) + eps), new_m, new_v
