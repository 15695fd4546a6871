"""The picture of lesson 5: a channel before and after batch norm, the two sums backwards, the parts of dx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from drawings.parts import BLUE, GREEN, GREY, INK, ORANGE, Rectangle, blank, plt, save

from gpunet import loops

SOURCES = {"lessons/batchnorm": ["gpunet/loops/batchnorm.py"]}
X, DY, SCALE, SHIFT = np.array([1.0, 3, 4, 5, 7]), np.array([1.0, 0, 2, 0, -1]), 2.0, 1.0  # of lesson 5
COLOURS = ("#3b6ea8", "#3f8f56", "#d9822b", "#8a5fb0", "#b8433f")  # of the five numbers


def batchnorm(place: Path) -> None:
    """Forward as three lines of numbers, the two sums as a table, dx as bars."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14.5, 4.8), width_ratios=(5.6, 4.0, 4.9))
    three_lines(left)
    two_sums(middle)
    parts_of_dx(right)
    figure.tight_layout()
    save(figure, place)


def x_hat() -> np.ndarray:
    """Return the normalised numbers (M,), without eps."""
    return loops.batchnorm(X[:, None], np.ones(1), np.zeros(1), 0.0)[:, 0]


def three_lines(ax: Any) -> None:
    """Draw x, x_hat and y on three number lines above each other, with the mean and one deviation on either side."""
    lines = (("x", X), ("x_hat, variance 1", x_hat()), ("y = 2 x_hat + 1", SCALE * x_hat() + SHIFT))
    for row, (name, values) in enumerate(lines):
        y, mean, deviation = 2 - row, values.mean(), values.std()
        ax.plot([-4, 8], [y, y], color=GREY, linewidth=1, zorder=0)
        ax.add_patch(Rectangle((mean - deviation, y - 0.09), 2 * deviation, 0.18, color=BLUE, alpha=0.15))
        ax.plot([mean, mean], [y - 0.16, y + 0.16], color=BLUE, linewidth=1.6)
        ax.scatter(values, [y] * len(values), color=COLOURS, s=60, zorder=2)
        for value in values:
            ax.text(value, y - 0.22, f"{value:g}", ha="center", va="top", fontsize=8.5, color=INK)
        ax.text(8, y + 0.16, name, fontsize=10.5, color=INK, ha="right")
    for row in (0, 1):
        for above, below in zip(lines[row][1], lines[row + 1][1], strict=True):
            ax.plot([above, below], [2 - row - 0.42, 1 - row + 0.12], color=GREY, linewidth=0.8, zorder=0)
    ax.set(xlim=(-4.4, 8.4), ylim=(-0.55, 2.6))
    ax.axis("off")
    ax.set_title("forward: one channel; the bar is the mean,\nthe tint one deviation on either side", fontsize=11)


def two_sums(ax: Any) -> None:
    """Draw the table of dy, x_hat and their product, with the sums of the first and the last column."""
    columns = {"dy": DY, "x_hat": x_hat(), "dy x_hat": DY * x_hat()}
    blank(ax, 6.2, 8.2)
    for c, (name, values) in enumerate(columns.items()):
        ax.text(1 + 2 * c, 7.6, name, ha="center", fontsize=11, color=INK)
        for i, value in enumerate(values):
            ax.add_patch(Rectangle((0.1 + 2 * c, 6.3 - i), 1.8, 0.9, facecolor=COLOURS[i], alpha=0.16))
            ax.text(1 + 2 * c, 6.75 - i, f"{value + 0:g}", ha="center", va="center", fontsize=11, color=INK)
    dshift, dscale = columns["dy"].sum(), columns["dy x_hat"].sum()
    for c, name, total, colour in ((0, "dshift", dshift, ORANGE), (2, "dscale", dscale, GREEN)):
        ax.add_patch(Rectangle((0.1 + 2 * c, 0.9), 1.8, 0.9, facecolor=colour, alpha=0.35))
        ax.text(1 + 2 * c, 1.35, f"{total:g}", ha="center", va="center", fontsize=12, color=INK)
        ax.text(1 + 2 * c, 0.3, name, ha="center", fontsize=11, color=colour)
    ax.text(3, 1.35, "sums", ha="center", va="center", fontsize=11, color=INK)
    ax.set_title("backward: the two sums,\nover the M numbers of the channel", fontsize=11)


def parts_of_dx(ax: Any) -> None:
    """Draw for each number the three parts of dx as bars side by side, and dx as a dash across them."""
    dx, dscale, dshift = loops.batchnorm_backward(DY[:, None], X[:, None], np.array([SCALE]), 0.0)
    factor, size = SCALE / X.std(), len(X)
    parts = (("dy", DY, BLUE), ("- dshift / M", np.full(size, -dshift[0] / size), ORANGE),
             ("- x_hat dscale / M", -x_hat() * dscale[0] / size, GREEN))  # fmt: skip
    for k, (name, values, colour) in enumerate(parts):
        ax.bar(np.arange(size) + 0.26 * (k - 1), factor * values, 0.24, color=colour, alpha=0.75, label=name)
    for i in range(size):
        ax.plot([i - 0.42, i + 0.42], [dx[i, 0]] * 2, color=INK, linewidth=2.2, label=None if i else "their sum, dx")
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    names = [f"x = {x:g}\ndx = {found:.1f}" for x, found in zip(X, dx[:, 0], strict=True)]
    ax.set(xlim=(-0.6, 4.6), ylim=(-1.5, 2.6), xticks=range(size), xticklabels=names)
    ax.legend(fontsize=9, frameon=False, loc="upper right")
    ax.set_title("dx = scale rstd (dy - dshift / M - x_hat dscale / M),\nhere scale rstd = 1", fontsize=11)


FIGURES = {"lessons/batchnorm": batchnorm}
