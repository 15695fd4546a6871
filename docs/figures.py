"""Draw the pictures of docs/convolution.md: python docs/figures.py"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from gpunet.backend.conv import toom
from gpunet.backend.conv.tiles import spans_of

HERE = Path(__file__).parent
BLUE, ORANGE, GREY = "#3b6ea8", "#d9822b", "#c8c8c8"


def squares(ax: Any, count: int, size: float, colour: str) -> None:
    """Draw count x count outlined squares."""
    for i in range(count):
        for j in range(count):
            ax.add_patch(Rectangle((j * size, i * size), size, size, fill=False, edgecolor=colour, linewidth=0.6))


def frame(ax: Any, x: float, y: float, size: float, colour: str, fill: float = 0.0) -> None:
    """Mark a square region by a thick outline, over a tint."""
    ax.add_patch(Rectangle((x, y), size, size, facecolor=colour, alpha=fill, edgecolor="none"))
    ax.add_patch(Rectangle((x, y), size, size, fill=False, edgecolor=colour, linewidth=2.2))


def finish(ax: Any, extent: float, title: str) -> None:
    """Set limits, title and no axes."""
    ax.set(xlim=(-0.3, extent + 0.3), ylim=(extent + 0.3, -0.3), aspect="equal")
    ax.axis("off")
    ax.set_title(title, fontsize=9)


def cells() -> None:
    """Space to depth, and the tiles that Winograd's form cuts the cells into."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.6, 3.4))
    squares(left, 12, 1, GREY)
    frame(left, 2, 2, 4, BLUE, 0.25)
    frame(left, 4, 2, 4, ORANGE)
    finish(left, 12, "12 x 12 pixels, 4 x 4 taps, stride 2:\nneighbouring windows start 2 pixels apart")
    squares(middle, 6, 2, GREY)
    frame(middle, 2, 2, 4, BLUE, 0.25)
    frame(middle, 4, 2, 4, ORANGE)
    finish(middle, 12, "the same in cells of 2 x 2 pixels:\n2 x 2 taps, stride 1, 4 times the channels")
    squares(right, 9, 1, GREY)
    frame(right, 0, 0, 5, BLUE, 0.25)
    frame(right, 4, 0, 5, ORANGE, 0.18)
    finish(right, 9, "tiles of 4 x 4 outputs read 5 x 5 cells\nand overlap by one: 25 products for 64")
    figure.tight_layout()
    figure.savefig(HERE / "cells.png", dpi=100, bbox_inches="tight")


def matrices() -> None:
    """A, G and B of two outputs and of four, two taps, as tables of cells of one size."""
    figure, ax = plt.subplots(figsize=(9.6, 6))
    for m, top in (2, 1), (4, 5.5):
        left = 0.0
        for name, matrix in zip("AGB", toom.matrices(m, 2), strict=True):
            table(ax, left, top, matrix, f"{name}   (m = {m}, r = 2)")
            left += 6.5 if name == "A" else 4.0
    ax.set(xlim=(-0.1, 15.6), ylim=(10.6, 0), aspect="equal")
    ax.axis("off")
    figure.savefig(HERE / "toom.png", dpi=100, bbox_inches="tight")


def table(ax: Any, left: float, top: float, matrix: Any, title: str) -> None:
    """Draw a matrix as cells of size 1, red above zero and blue below, its title over them."""
    ax.text(left, top - 0.25, title, fontsize=11)
    colour_of = plt.get_cmap("RdBu_r")
    for (i, j), value in [((i, j), matrix[i, j]) for i in range(len(matrix)) for j in range(matrix.shape[1])]:
        colour = colour_of((float(value) + 5) / 10)
        red, green, blue, _ = colour
        ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"  # against the cell's brightness
        ax.add_patch(Rectangle((left + j, top + i), 1, 1, facecolor=colour, edgecolor=GREY, linewidth=0.6))
        ax.text(left + j + 0.5, top + i + 0.5, f"{value:.3g}", ha="center", va="center", fontsize=9, color=ink)


def phases() -> None:
    """The products of k5 s2 in tiles of 4 x 4, each a cell of 2 x 2 pixels with those tinted that take part."""
    pixels = (0, 1), (0, 0), (1, 0), (1, 1)  # in the order of depth
    names = ["0", "1", "-1", "2", "-2", "\N{INFINITY}"]
    figure, ax = plt.subplots(figsize=(3.6, 3.6))
    for product, span in enumerate(spans_of(6, 1, True) or ()):
        top, left = product // 6, product % 6
        for row, column in pixels[span]:
            corner = left + 0.06 + 0.44 * column, top + 0.06 + 0.44 * row
            ax.add_patch(Rectangle(corner, 0.4, 0.4, color=BLUE, alpha=0.6))
    squares(ax, 6, 1, GREY)
    for i, name in enumerate(names):
        ax.text(-0.25, i + 0.5, name, ha="center", va="center", fontsize=9)
        ax.text(i + 0.5, -0.25, name, ha="center", va="center", fontsize=9)
    finish(ax, 6, "points of rows and columns, 6 x 6 products:\nwhich pixels of a cell take part")
    ax.set(xlim=(-0.6, 6.1), ylim=(6.1, -0.6))
    figure.savefig(HERE / "phases.png", dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    cells()
    matrices()
    phases()
