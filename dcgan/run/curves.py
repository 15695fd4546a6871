"""The picture of a run's losses and of D's answers, loss.png, and the same of several runs side by side."""

from __future__ import annotations

import io
import logging
import math
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from dcgan.run import log
from dcgan.run.folder import RunDir
from gpunet.files import write_atomically

# Okabe & Ito's colours, which the colour-blind can tell apart
LOSSES = {"loss_d": ("D", "#0072B2"), "loss_g": ("G", "#D55E00")}
PANELS = [
    ("loss", LOSSES),
    ("mean of D", {"d_real": ("D(x), real pictures", "#009E73"), "d_fake": ("D(G(z)), G's pictures", "#CC79A7")}),
]
# The panels of a run whose loss takes D's answers for scores, which may be any numbers (dcgan/losses.py).
OF_SCORES = [
    ("loss with scores", LOSSES),
    ("mean score", {"score_real": ("real pictures", "#009E73"), "score_fake": ("G's pictures", "#CC79A7")}),
]
# Where the curves of a panel lie when D cannot tell real pictures from G's: it answers 1/2 to each.
REFERENCES = {
    "loss": [(2 * math.log(2), "2 ln 2: D's loss if D only guesses", "--"), (math.log(2), "ln 2: G's loss then", ":")],
    "mean of D": [(0.5, "1/2: D only guesses", "--")],
}
MOST_POINTS = 4000  # of a curve: a picture is 900 pixels wide
SMOOTHED = 1 / 40  # of a curve, over which the strong line is a mean
# Matplotlib would warn, at length, where it cannot keep its list of fonts; it then does without.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
SHARE, PAUSE = 0.01, 30.0  # drawing may take this share of the time of training, and pauses at least so many seconds
Curves = tuple[str, Sequence[dict[str, Any]]]  # a title, and the records of log.jsonl


Range = tuple[float, float]


def panels_of(records: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, tuple[str, str]]]]:
    """Return the panels in which a run's records are drawn."""
    return OF_SCORES if any("score_real" in record for record in records) else PANELS


def draw(axes: Any, title: str, curves: dict[str, tuple[str, str]], records: Sequence[dict[str, Any]]) -> Range:
    """Draw curves {key: (label, colour)} over the steps of those records that have the key: faint, and smoothed.

    Return the bottom and the top of the axes. A single peak of a loss may lie beyond them.
    """
    lowest, highest = 0.0, 0.0
    for key, (label, colour) in curves.items():
        known = [(record["step"], record[key]) for record in records if isinstance(record.get(key), int | float)]
        steps, values = np.array(known, "float64").reshape(-1, 2).T
        every = slice(None, None, -(-len(steps) // MOST_POINTS) or 1)
        axes.plot(steps[every], values[every], color=colour, linewidth=0.6, alpha=0.3)
        axes.plot(steps[every], smooth(values)[every], color=colour, linewidth=1.5, label=label)
        lowest = min([lowest, *np.quantile(values, [0.01])]) if len(values) else lowest
        highest = max([highest, *np.quantile(values, [0.99])]) if len(values) else highest
    for value, words, style in REFERENCES.get(title, []):
        axes.axhline(value, color="0.4", linewidth=0.8, linestyle=style, label=words)
    top = 1.0 if title == "mean of D" else 1.1 * max(highest, 1.5 if title == "loss" else 0.1 * -lowest)
    bottom = 1.1 * lowest
    axes.set_ylim(bottom, top)
    axes.set_ylabel(title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=8, borderaxespad=0)
    return bottom, top


def smooth(values: np.ndarray) -> np.ndarray:
    """Return the means over windows of a fortieth of the curve; at its ends the windows are shorter."""
    reach = int(len(values) * SMOOTHED / 2)
    sums, at = np.concatenate([[0.0], np.cumsum(values)]), np.arange(len(values))
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def save_plot(path: str | os.PathLike, *runs: Curves) -> None:
    """Draw both losses and D's mean answers over the steps, a column per run, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # here: half a second that not every start needs
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9 * len(runs), 6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(runs), sharex="col", sharey="row", squeeze=False)
    for number, row in enumerate(axes):
        drawn = zip(row, runs, strict=True)
        ranges = [draw(place, *panels_of(records)[number], records) for place, (_, records) in drawn]
        bottoms, tops = zip(*ranges, strict=True)
        row[0].set_ylim(min(bottoms), max(tops))  # of all, which share the scale
    for (title, _), column in zip(runs, axes.T, strict=True):
        column[0].set_title(title, pad=20)
        column[-1].set_xlabel("step")
    buffer = io.BytesIO()
    canvas.print_png(buffer)
    write_atomically(path, buffer.getbuffer())


def curves_of(run: RunDir, preset: str) -> Curves:
    """Return what is drawn of a run. Raises UserError where it has no log."""
    return f"{run.path.resolve().name}, preset {preset}", log.read(run.log)


class LossPlot:
    """Draws loss.png of a run while it trains, not so often that the training would notice."""

    def __init__(self, run: RunDir, preset: str) -> None:
        self.run, self.preset = run, preset
        self.next = time.monotonic() + PAUSE

    def update(self, now: bool = False) -> None:
        """Draw if it is time, or now. A picture that cannot be drawn stops no training: a line says why."""
        began = time.monotonic()
        if not now and began < self.next:
            return
        try:
            save_plot(self.run.plot, curves_of(self.run, self.preset))
        except (OSError, ImportError, ValueError) as error:
            print(f"could not draw {self.run.plot}: {error}", flush=True)
        ended = time.monotonic()
        self.next = ended + max(PAUSE, (ended - began) / SHARE)
