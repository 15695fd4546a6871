"""Charts as inline SVG: one number of the log over the steps, a curve for each run, labelled at its end.

A curve is a faint band from the least to the greatest value of each group of steps, and a strong line, the mean. The
page's script adds a cursor; without a script all but the values at the cursor is there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dcgan.reporting.axes import Interval, interval, number_text, step_texts, tick_texts, ticks
from dcgan.reporting.markup import Markup, data_block, joined, tag
from dcgan.reporting.thinning import Curve

WIDTH, HEIGHT = 450, 220  # units of the drawing: about pixels where two charts stand side by side
LEFT, TOP, FOOT = 46, 12, 26  # margins; the right one has room for the labels
LETTER, LINE = 6.6, 14.0  # about the width of a letter and the height of a line
COLOURS = 8  # of page.css, r0 to r7
DIGITS = 5  # of the values that the cursor shows


class Line(NamedTuple):
    """The curve of a run in a chart; number: that of the run, which chooses the colour; label: what its end bears."""

    number: int
    label: str
    curve: Curve


class Known(NamedTuple):
    """What is known about a number of the log: its title, the interval of its values, a mark and what that means."""

    title: str
    whole: Interval | None = None
    mark: tuple[float, str] | None = None


KNOWN = {
    "loss_d": Known("Loss of D", None, (2 * math.log(2), "2 ln 2: D only guesses")),
    "loss_g": Known("Loss of G", None, (math.log(2), "ln 2: D only guesses")),
    "d_real": Known("D(x), its mean on real pictures", (0, 1), (0.5, "1/2: D only guesses")),
    "d_fake": Known("D(G(z)), its mean on G\u2019s pictures", (0, 1), (0.5, "1/2: D only guesses")),
    "score_real": Known("D\u2019s score of real pictures"),
    "score_fake": Known("D\u2019s score of G\u2019s pictures"),
    "gp": Known("Gradient penalty"),
    "r1": Known("R1, the penalty at real pictures"),
    "frechet": Known("Fr\u00e9chet distance"),
    "images_per_second": Known("Speed, pictures per second", None, (0, "")),
}


class Place(NamedTuple):
    """Where the values of a chart lie: steps (x) and values (y) at the ends of both axes, and the plot's width."""

    x: Interval
    y: Interval
    width: float

    def across(self, steps: np.ndarray | float) -> np.ndarray:
        """Return where steps lie, from the left."""
        return LEFT + (np.asarray(steps) - self.x[0]) / (self.x[1] - self.x[0]) * self.width

    def down(self, values: np.ndarray | float) -> np.ndarray:
        """Return where values lie, from the top; those beyond an end of the axis at this end."""
        low, high = self.y
        share = (np.clip(values, low, high) - low) / (high - low)
        return TOP + (1 - share) * (HEIGHT - TOP - FOOT)


def ordered(names: Sequence[str]) -> list[str]:
    """Return the names of numbers in the order of their charts: those of KNOWN first, others by name."""
    return [name for name in KNOWN if name in names] + sorted(name for name in names if name not in KNOWN)


def chart(name: str, lines: Sequence[Line], plain: bool) -> Markup:
    """Return the figure of a number of the log; plain: whether the marks of the usual loss mean something here."""
    known = KNOWN.get(name, Known(name))
    mark = known.mark if known.mark and (plain or not known.mark[1] or known.whole) else None
    place = _place(lines, known, mark)
    drawing = tag(
        "svg",
        _axes(place),
        _marked(place, mark),
        [_band(place, line) for line in lines],
        [_mean(place, line) for line in lines],
        _labels(place, lines),
        tag("line", class_="cursor", x1=LEFT, x2=LEFT, y1=TOP, y2=HEIGHT - FOOT, visibility="hidden"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=_in_words(known.title, lines),
    )  # fmt: skip
    peak = _peak(place, lines)
    return tag(
        "figure",
        tag("figcaption", tag("strong", known.title), peak and tag("span", peak, class_="peak")),
        drawing,
        tag("p", class_="reading"),
        data_block(_data(place, lines)),
        class_="chart",
    )


def _place(lines: Sequence[Line], known: Known, mark: tuple[float, str] | None) -> Place:
    last = max(int(line.curve.last[-1]) for line in lines)
    first = min(int(line.curve.first[0]) for line in lines)
    first = 0 if first < last / 2 or first == last else first
    room = max(len(line.label) for line in lines) * LETTER + 12
    shown = interval([line.curve for line in lines], known.whole, [mark[0]] if mark else [])
    return Place((first, max(last, first + 1)), shown, WIDTH - LEFT - max(room, 30))


def _axes(place: Place) -> Markup:
    """Return the horizontal lines with their values, and the steps below the lowest."""
    parts, right = [], LEFT + place.width
    rows = ticks(*place.y)
    for value, text in zip(rows, tick_texts(rows), strict=True):
        y = place.down(value)
        parts.append(tag("line", class_="rule", x1=LEFT, x2=right, y1=_at(y), y2=_at(y)))
        parts.append(tag("text", text, class_="tick", x=LEFT - 7, y=_at(y + 4), text_anchor="end"))
    columns = [step for step in ticks(*place.x, 4) if step == int(step)]
    for step, text in zip(columns, step_texts(columns), strict=True):
        x = place.across(step)
        parts.append(tag("text", text, class_="tick", x=_at(x), y=HEIGHT - 7, text_anchor="middle"))
    parts.append(tag("text", "step", class_="tick", x=0, y=HEIGHT - 7))
    return joined(parts)


def _marked(place: Place, mark: tuple[float, str] | None) -> Markup | None:
    """Return the dashed line of a value that means something, with its meaning over it."""
    if not mark or not mark[1]:
        return None
    y, right = place.down(mark[0]), LEFT + place.width
    above = y - 5 if y > TOP + LINE else y + LINE - 2
    return joined(
        tag("line", class_="mark", x1=LEFT, x2=right, y1=_at(y), y2=_at(y)),
        tag("text", mark[1], class_="meaning", x=right - 2, y=_at(above), text_anchor="end"),
    )


def _band(place: Place, line: Line) -> Markup:
    """Return the band from the least to the greatest value of each group."""
    x = place.across((line.curve.first + line.curve.last) / 2)
    upper, lower = place.down(line.curve.high), place.down(line.curve.low)
    points = _points(np.append(x, x[::-1]), np.append(upper, lower[::-1]))
    return tag("polygon", class_=f"band {_colour(line)}", points=points)


def _mean(place: Place, line: Line) -> Markup:
    x, y = place.across(line.curve.last), place.down(line.curve.mean)
    if len(x) == 1:
        return tag("circle", class_=f"dot {_colour(line)}", cx=_at(x[0]), cy=_at(y[0]), r=2.5)
    return tag("polyline", class_=f"mean {_colour(line)}", points=_points(x, y))


def _labels(place: Place, lines: Sequence[Line]) -> Markup:
    """Return the labels, each behind the end of its curve, moved apart where they would lie on each other."""
    ends = [float(place.down(line.curve.mean[-1])) for line in lines]
    order = sorted(range(len(lines)), key=ends.__getitem__)
    y = apart([ends[i] for i in order], LINE, TOP, HEIGHT - FOOT)
    x = [float(place.across(line.curve.last[-1])) + 6 for line in lines]
    return joined(
        [
            tag("text", lines[i].label, class_=f"label {_colour(lines[i])}", x=_at(x[i]), y=_at(at + 4))
            for i, at in zip(order, y, strict=True)
        ]
    )


def apart(places: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Return rising places, moved as little as this simple way can, so that each has its distance to the next.

    apart([10, 11, 50], 14, 0, 100) is [10, 24, 50]. What passes `high` pushes the ones before it back.
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, low if not moved else moved[-1] + distance))
    limit = high
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - distance
    return moved


def _peak(place: Place, lines: Sequence[Line]) -> str | None:
    """Return a sentence about the greatest value, where it lies above the axis."""
    highest = max(lines, key=lambda line: float(line.curve.high.max()))
    at = int(highest.curve.high.argmax())
    value = float(highest.curve.high[at])
    if value <= place.y[1]:
        return None
    first, last = int(highest.curve.first[at]), int(highest.curve.last[at])
    where = f"step {last:,}" if first == last else f"steps {first:,} to {last:,}"
    return f"\u2191 {number_text(value)} at {where}"


def _in_words(title: str, lines: Sequence[Line]) -> str:
    """Return what the chart shows, for those who do not see it."""
    words = []
    for line in lines:
        mean = line.curve.mean
        ends = f"from {number_text(mean[0])} to {number_text(mean[-1])} at step {int(line.curve.last[-1]):,}"
        words.append(ends if len(lines) == 1 else f"{line.label} {ends}")
    return f"{title}: {'; '.join(words)}"


def _data(place: Place, lines: Sequence[Line]) -> Mapping[str, object]:
    """Return what the cursor needs: the axis of steps, and the groups of each curve."""
    curves = [
        {
            "colour": _colour(line),
            "label": line.label if len(lines) > 1 else "",
            "first": line.curve.first.tolist(),
            "last": line.curve.last.tolist(),
            "low": _short(line.curve.low),
            "high": _short(line.curve.high),
            "mean": _short(line.curve.mean),
        }
        for line in lines
    ]
    return {"from": place.x[0], "to": place.x[1], "left": LEFT, "width": round(place.width, 1), "curves": curves}


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]


def _colour(line: Line) -> str:
    """Return the class of a run's colour; from the ninth run on colours come again, dashed."""
    again = line.number // COLOURS
    return f"r{line.number % COLOURS}" + (f" again{min(again, 2)}" if again else "")


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return Markup(" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True)))


def _at(value: np.ndarray | float) -> str:
    return f"{float(value):.1f}"
