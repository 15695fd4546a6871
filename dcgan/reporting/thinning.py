"""A curve with few points for a long log: steps are taken together in groups, whose least and greatest value stay."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dcgan.run.curves import smooth

GROUPS = 360  # of a curve: a chart is about so many pixels wide


class Curve(NamedTuple):
    """The groups of a curve, each array of shape (B,) for B groups of steps that follow each other.

    mean is smoothed: at the last step of the group the mean over a fortieth of the curve. So it lies not always between
    low and high, the least and the greatest value of the group.
    """

    first: np.ndarray  # step with which a group begins
    last: np.ndarray  # step with which it ends
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray


def thinned(steps: np.ndarray, values: np.ndarray, most: int = GROUPS) -> Curve:
    """Return the curve of values (N,) at rising steps (N,), N > 0, in at most so many groups of about equal length.

    With 7 values and 3 groups the groups begin at the values 0, 2 and 4.
    """
    count = min(len(steps), most)
    begin = np.arange(count) * len(steps) // count  # (B,)
    end = np.append(begin[1:], len(steps)) - 1  # (B,) the last value of each group
    return Curve(
        steps[begin],
        steps[end],
        np.minimum.reduceat(values, begin),
        np.maximum.reduceat(values, begin),
        smooth(values)[end],
    )
