"""What several pages of drawings share: colours, boxes, arrows, and how a figure is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.patches import FancyBboxPatch, Rectangle  # noqa: E402

__all__ = ["BLUE", "GREEN", "GREY", "INK", "ORANGE", "RED", "Rectangle", "arrow", "blank", "box", "plt", "save"]
BLUE, ORANGE, GREEN, RED = "#3b6ea8", "#d9822b", "#3f8f56", "#b8433f"
GREY, INK = "#c8c8c8", "#222222"


def save(figure: Any, place: Path) -> None:
    """Write a figure as PNG."""
    place.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(place, dpi=120, bbox_inches="tight")
    plt.close(figure)


def blank(ax: Any, width: float, height: float) -> None:
    """Make an axes a sheet of width x height units without axes, y upwards."""
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")


def box(ax: Any, x: float, y: float, width: float, height: float, text: str, colour: str, fill: float = 0.15) -> None:
    """Draw a rounded box with a text in its middle; (x, y) is its lower left corner."""
    shape = f"round,pad=0,rounding_size={min(width, height) / 8}"
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, facecolor=colour, alpha=fill, edgecolor="none"))
    edge = {"fill": False, "edgecolor": colour, "linewidth": 1.6}
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, **edge))
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=10, color=INK)


def arrow(ax: Any, start: tuple[float, float], end: tuple[float, float], colour: str, **more: Any) -> None:
    """Draw an arrow from start to end; more: options of matplotlib's arrowprops, such as linestyle."""
    props = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0} | more
    ax.annotate("", xy=end, xytext=start, arrowprops=props)
