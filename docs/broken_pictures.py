"""The pictures of docs/broken.py: samples beside the two panels of a log; and the numbers of the pages' tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dcgan import images
from dcgan.run.curves import PANELS, draw, smooth

COLUMNS = 10  # of the samples
LAST = 100  # steps at the end, over which the numbers of the table are means
SCALE = 2  # of a pixel
OF_CURVES = 32  # of a picture's colours
KEYS = "loss_d", "loss_g", "d_real", "d_fake"


class Result(NamedTuple):
    """What a training leaves: samples (N, H, W, C), the real pictures, both uint8, and its log."""

    samples: np.ndarray
    real: np.ndarray
    records: list[dict[str, Any]]

    def numbers(self) -> list[float]:
        """Return D(x), D(G(z)), the losses of D and of G, contrast, variety and checker.

        The first four are means of the log's last steps, the others measures of the samples, divided by those of the
        real pictures.
        """
        last = self.records[-LAST:]
        log = [float(np.mean([r[key] for r in last])) for key in ("d_real", "d_fake", "loss_d", "loss_g")]
        return log + [measure(self.samples) / measure(self.real) for measure in (contrast, variety, checker)]


def contrast(pictures: np.ndarray) -> float:
    """Return the standard deviation of the pixels within a picture, the mean of all pictures."""
    return float(pictures.astype("float64").std(axis=(1, 2, 3)).mean())


def variety(pictures: np.ndarray) -> float:
    """Return how much a pixel differs from picture to picture: its standard deviation, the mean of all pixels."""
    return float(pictures.astype("float64").std(axis=0).mean())


def checker(pictures: np.ndarray) -> float:
    """Return the energy of the checkerboard that runs through a whole picture, the mean of all pictures.

    It is the square of the mean of x[i, j] (-1)^(i + j), in every channel: 0 for noise in the limit of large pictures.
    """
    height, width = pictures.shape[1:3]
    signs = 1 - 2 * (np.indices((height, width)).sum(axis=0) % 2)  # (H, W)
    return float(np.square((pictures * signs[..., np.newaxis]).mean(axis=(1, 2))).mean())


def row(numbers: list[float]) -> str:
    """Return numbers as they stand in a table."""
    return " | ".join(f"{number:.2f}" for number in numbers)


def save(place: Path, result: Result, healthy: Result) -> None:
    """Write samples and curves side by side as PNG, with the numbers and the course of the log as its text."""
    texts = {"numbers": json.dumps(result.numbers()), "course": json.dumps(course(result.records))}
    place.parent.mkdir(parents=True, exist_ok=True)
    left, right = grid_of(result.samples), plot(result.records, healthy.records)
    left = of_few_colours(left, images.COLOURS - OF_CURVES, rare_too=False)
    right = of_few_colours(right, OF_CURVES, rare_too=True)  # thin curves
    images.save_png(place, beside(left, right), texts, small=True)


def plot(records: Sequence[dict[str, Any]], healthy: Sequence[dict[str, Any]]) -> np.ndarray:
    """Return both panels of a log as a picture (H, W, 3), over the smoothed curves of a healthy one in grey."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # here: the tests of the numbers do without
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.6), dpi=80, layout="constrained")
    for axes, (title, curves) in zip(figure.subplots(2, 1, sharex=True), PANELS, strict=True):
        draw(axes, title, curves, records)
        others = [smooth(np.array([record[key] for record in healthy])) for key in curves]
        for values in others:
            axes.plot(np.arange(1, len(values) + 1), values, color="0.55", linewidth=1, label="healthy", zorder=1)
        if title == "loss":
            axes.set_ylim(0, max(axes.get_ylim()[1], *(1.1 * values.max() for values in others)))
        handles, labels = axes.get_legend_handles_labels()
        shown = [*range(len(curves)), -1]  # the curves and one of the healthy ones, without the reference lines
        placed = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3, "frameon": False, "fontsize": 8}
        axes.legend([handles[i] for i in shown], [labels[i] for i in shown], borderaxespad=0, **placed)
    axes.set_xlabel("step")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def grid_of(samples: np.ndarray) -> np.ndarray:
    """Return samples (N, H, W, C) as one colour picture, enlarged."""
    sheet = images.enlarged(images.grid(samples, COLUMNS), SCALE)
    return np.broadcast_to(sheet, (*sheet.shape[:2], 3))


def of_few_colours(picture: np.ndarray, count: int, rare_too: bool) -> np.ndarray:
    """Return a colour picture in so many colours: in the frequent ones, or in those that span the rare ones, too."""
    from PIL import Image

    method = Image.Quantize.MAXCOVERAGE if rare_too else Image.Quantize.MEDIANCUT
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).quantize(count, method).convert("RGB"))


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return two colour pictures side by side on white, their middles at one height."""
    height = max(len(left), len(right))
    parts = []
    for part in (left, right):
        above = (height - len(part)) // 2
        parts.append(np.pad(part, ((above, height - len(part) - above), (0, 0), (0, 0)), constant_values=255))
    return np.concatenate(parts, axis=1)


def course(records: list[dict[str, Any]]) -> list[list[float]]:
    """Return rows [first step, last step, loss D, loss G, D(x), D(G(z))]: means over parts of a log, ever longer ones.

    The parts end at steps 1, 5, 20, 50, 100, 200, 400 and so on.
    """
    ends = [end for end in (1, 5, 20, 50, *(100 * 2**k for k in range(10))) if end < len(records)] + [len(records)]
    rows = []
    for first, end in zip([0, *ends], ends, strict=False):
        part = records[first:end]
        rows.append([first + 1, end, *(round(float(np.mean([r[k] for r in part])), 3) for k in KEYS)])
    return rows
