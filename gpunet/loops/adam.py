"""Adam by its definition, for one parameter (gpunet/backend/adam.py). Kingma & Ba (2015), algorithm 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator


def adam(
    param: float, grads: Iterable[float], lr: float, betas: tuple[float, float], eps: float
) -> Iterator[tuple[float, float, float]]:
    """Yield the parameter and both moments, (param, m, v), after the step of each gradient.

        m = b1 m + (1 - b1) g          a moving average of the gradients
        v = b2 v + (1 - b2) g^2        a moving average of their squares
        param -= lr m_hat / (sqrt(v_hat) + eps),       m_hat = m / (1 - b1^t),   v_hat = v / (1 - b2^t)

    Both averages begin at 0 and are too small at first; the divisions make up for it. In the first step m_hat = g and
    v_hat = g^2, so the parameter moves by lr, whatever the size of g.

    >>> [round(param, 4) for param, _, _ in adam(1.0, [5.0, 5.0, -5.0], lr=0.1, betas=(0.5, 0.999), eps=1e-8)]
    [0.9, 0.8, 0.8143]
    """
    b1, b2 = betas
    m = v = 0.0
    for t, g in enumerate(grads, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        m_hat = m / (1 - b1**t)
        v_hat = v / (1 - b2**t)
        param -= lr * m_hat / (math.sqrt(v_hat) + eps)
        yield param, m, v
