"""A solution of the puzzle `loss`."""

import numpy as np


def bce_with_logits(logits, t):
    small = np.exp(-np.abs(logits))  # in 0 to 1
    loss = np.mean(np.maximum(logits, 0) - t * logits + np.log1p(small))
    p = np.where(logits > 0, 1, small) / (1 + small)  # the sigmoid, by whichever form does not overflow
    return loss, (p - t) / logits.size
