"""The loss plot of a run."""

from __future__ import annotations

import io
import os
from typing import Any

from gpunet.files import write_atomically

# Okabe & Ito's colours, which the colour-blind can tell apart
PANELS = [
    ("loss", {"loss_d": ("discriminator", "#0072B2"), "loss_g": ("generator", "#D55E00")}),
    ("mean of D", {"d_real": ("D(x)", "#009E73"), "d_fake": ("D(G(z))", "#CC79A7")}),
]


def draw(axes: Any, title: str, curves: dict[str, tuple[str, str]], records: list[dict[str, Any]]) -> None:
    """Draw curves {key: (label, colour)} over the steps of those records that have the key."""
    for key, (label, colour) in curves.items():
        known = [record for record in records if key in record]
        steps, values = [record["step"] for record in known], [record[key] for record in known]
        axes.plot(steps, values, color=colour, linewidth=0.8, label=label)
    axes.set_ylabel(title)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right")


def save_plot(path: str | os.PathLike, records: list[dict[str, Any]]) -> None:
    """Draw both losses and D's mean answers over the steps, from the records of log.jsonl, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # here: half a second that only the end needs
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6))
    figure.subplots_adjust(left=0.08, right=0.98, top=0.97, bottom=0.09, hspace=0.08)
    canvas = FigureCanvasAgg(figure)
    for axes, (title, curves) in zip(figure.subplots(2, 1, sharex=True), PANELS, strict=True):
        draw(axes, title, curves, records)
    axes.set_xlabel("step")
    buffer = io.BytesIO()
    canvas.print_png(buffer)
    write_atomically(path, buffer.getbuffer())
