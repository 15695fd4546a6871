"""The scale of a chart: which values an axis shows, where its ticks stand, and how a number is written."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dcgan.reporting.thinning import Curve

LARGEST = 1e300  # beyond which a float has no room for what is computed here
Interval = tuple[float, float]


def number_text(value: float) -> str:
    """Return a number as it is read: 1234.5 is "1,234", 0.123456 is "0.123", 1e-7 is "1e-07"."""
    size = abs(value)
    if size >= 1e7 or 0 < size < 1e-4:
        return f"{value:.2g}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return round numbers in an interval, about so many: ticks(0, 1.7) is [0, 0.5, 1.0, 1.5]."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def tick_texts(places: Sequence[float]) -> list[str]:
    """Return what stands at ticks: the same number of digits behind the point at all of them, as many as they need."""
    step = abs(places[1] - places[0]) if len(places) > 1 else 1.0
    top = max(map(abs, places), default=0.0)
    if top >= 1e7 or (top and top < 1e-4):
        return [number_text(place) if place else "0" for place in places]
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else 0
    return [f"{place:,.{digits}f}" for place in places]


def step_texts(places: Sequence[float]) -> list[str]:
    """Return what stands at ticks of steps: 50,000 as "50k" where all are whole thousands."""
    if max(places, default=0) >= 10_000 and all(place % 1000 == 0 for place in places):
        return [f"{place / 1000:,.0f}k" if place else "0" for place in places]
    return [f"{place:,.0f}" for place in places]


def interval(curves: Sequence[Curve], whole: Interval | None, marks: Sequence[float]) -> Interval:
    """Return the values that the axis of all curves shows, a single peak left out.

    whole: the interval that the values cannot leave, if there is one; marks: values that are shown in any case.
    """
    lows = np.concatenate([curve.low for curve in curves]).clip(-LARGEST, LARGEST)
    highs = np.concatenate([curve.high for curve in curves]).clip(-LARGEST, LARGEST)
    if whole and lows.min() >= whole[0] and highs.max() <= whole[1]:
        return whole
    means = [curve.mean.clip(-LARGEST, LARGEST) for curve in curves]
    low = min(float(np.quantile(lows, 0.01)), *(float(mean.min()) for mean in means), *marks)
    high = max(float(np.quantile(highs, 0.99)), *(float(mean.max()) for mean in means), *marks)
    if 0 <= low <= 0.7 * high:  # not far above 0, so 0 is shown, too
        low = 0.0
    room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    return (low if low == 0 else low - room), high + room
