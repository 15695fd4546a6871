"""A step of Adam, with its bias correction

m and v are moving averages of the gradient g and of its square. They begin at 0, so after few steps they are too
small. Step number t = 1, 2, 3 ... is

    m = b1 m + (1 - b1) g            m_hat = m / (1 - b1^t)
    v = b2 v + (1 - b2) g^2          v_hat = v / (1 - b2^t)
    param = param - lr m_hat / (sqrt(v_hat) + eps)

Return the new param, m and v, all of the shape of param; leave the arguments as they are. The m and v that you
return are those of the left column, not the corrected ones: the next step goes on from them.

In the first step m_hat = g and v_hat = g^2: the parameter moves by lr, whatever the size of g. Without the
correction it would move by lr (1 - b1) / sqrt(1 - b2), which is 15.8 lr for b1 = 0.5, b2 = 0.999.
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import Case, Mistake

FUNCTION, RESULTS = "adam_step", ("param", "m", "v")
STUB = """
def adam_step(param, g, m, v, t, lr, b1, b2, eps):
    new_m = None
    new_v = None
    new_param = None
    return new_param, new_m, new_v
"""
HINT = """
t counts from 1, so the first step divides m by 1 - b1 and v by 1 - b2. Write the lines of the statement one after
the other with names of their own: new_m and new_v first, then the corrected ones, which only the last line uses.
eps stands outside the root.
"""


def right(param, g, m, v, t, lr, b1, b2, eps):
    """Return param, m and v by the definition for one number, whose moments begin at 0: it replays earlier steps."""
    found = np.empty((3, param.size))
    for i, number in enumerate(param):
        # Gradients that lead to m and v: t - 1 earlier ones, all alike, and a factor each for the moments (see cases).
        before = m[i] / (1 - b1 ** (t - 1)) if t > 1 else 0.0
        *_, last = loops.adam(0.0, [before] * (t - 1) + [g[i]], lr, (b1, b2), eps)
        *_, start = [(0.0,), *loops.adam(0.0, [before] * (t - 1), lr, (b1, b2), eps)]
        found[:, i] = number + last[0] - start[0], last[1], last[2]
    return tuple(found)


def cases() -> list[Case]:
    """Return first steps and later ones. Before a later step all gradients were alike, so its m and v are known."""
    rng = np.random.default_rng(1)
    zero = np.zeros(2)
    found = [
        Case("param = [1, 1], g = [5, -0.01], first step, lr 0.1, b1 0.5, b2 0.999",
             (np.ones(2), np.array([5.0, -0.01]), zero, zero.copy(), 1, 0.1, 0.5, 0.999, 1e-8)),
    ]  # fmt: skip
    for t, lr, b1, b2, eps in ((1, 0.01, 0.9, 0.99, 1e-3), (2, 0.1, 0.5, 0.999, 1e-8), (7, 0.02, 0.9, 0.99, 0.1)):
        param, g, before = rng.standard_normal((3, 4))
        m, v = before * (1 - b1 ** (t - 1)), before**2 * (1 - b2 ** (t - 1))
        words = f"random numbers (4,), step {t}, lr {lr}, b1 {b1}, b2 {b2}, eps {eps}"
        found.append(Case(words, (param, g, m, v, t, lr, b1, b2, eps)))
    return found


def _step(
    when=lambda t: t, sign: int = -1, eps_inside: bool = False, eps_early: bool = False, first: bool = True,
    second: bool = True,
):  # fmt: skip
    """Return a function for param in which the step has this mistake."""

    def value(param, g, m, v, t, lr, b1, b2, eps):
        _, m, v = right(param, g, m, v, t, lr, b1, b2, eps)
        m = m / (1 - b1 ** when(t)) if first else m
        corrected = v / (1 - b2 ** when(t)) if second else v
        root = np.sqrt(corrected + eps) if eps_inside else np.sqrt(corrected) + eps
        if eps_early:
            root = (np.sqrt(v) + eps) / np.sqrt(1 - b2**t)
        return param + sign * lr * m / root

    return value


MISTAKES = {
    "param": [
        Mistake("takes m and v as they are: divide them by 1 - b1^t and 1 - b2^t first.",
                _step(first=False, second=False)),
        Mistake("corrects v alone: divide m by 1 - b1^t, too.", _step(first=False)),
        Mistake("corrects m alone: divide v by 1 - b2^t, too.", _step(second=False)),
        Mistake("corrects for one step too many: t counts from 1, use it as it is.", _step(lambda t: t + 1)),
        Mistake("corrects every step as if it were the first: 1 - b1^t, a power.", _step(lambda t: 1)),
        Mistake("walks up: the step is subtracted.", _step(sign=1)),
        Mistake("has eps under the root: it is added to the root.", _step(eps_inside=True)),
        Mistake("adds eps before v is corrected: correct v, take the root, then add eps.", _step(eps_early=True)),
        Mistake("is only the step: subtract it from param.", lambda param, *rest: param - _step()(param, *rest)),
    ],
    "m": [
        Mistake("forgets what it was before.", lambda p, g, m, v, t, lr, b1, b2, eps: (1 - b1) * g),
        Mistake("has b1 and 1 - b1 the wrong way round.", lambda p, g, m, v, t, lr, b1, b2, eps: (1 - b1) * m + b1 * g),
        Mistake("adds the whole gradient: it counts 1 - b1.", lambda p, g, m, v, t, lr, b1, b2, eps: b1 * m + g),
        Mistake("is the corrected one: return m, the next step goes on from it.",
                lambda p, g, m, v, t, lr, b1, b2, eps: (b1 * m + (1 - b1) * g) / (1 - b1**t)),
    ],
    "v": [
        Mistake("averages g; it needs the square, g^2.", lambda p, g, m, v, t, lr, b1, b2, eps: b2 * v + (1 - b2) * g),
        Mistake("uses b1; it has a rate of its own, b2.",
                lambda p, g, m, v, t, lr, b1, b2, eps: b1 * v + (1 - b1) * g * g),
        Mistake("has b2 and 1 - b2 the wrong way round.",
                lambda p, g, m, v, t, lr, b1, b2, eps: (1 - b2) * v + b2 * g * g),
        Mistake("squares 1 - b2, too: (1 - b2) g^2.",
                lambda p, g, m, v, t, lr, b1, b2, eps: b2 * v + ((1 - b2) * g) ** 2),
        Mistake("is the corrected one: return v, the next step goes on from it.",
                lambda p, g, m, v, t, lr, b1, b2, eps: (b2 * v + (1 - b2) * g * g) / (1 - b2**t)),
    ],
}  # fmt: skip
