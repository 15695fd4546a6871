"""The pictures of docs/convolution.md: cells of pixels, the matrices of Winograd, its products for 5 x 5 taps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from drawings.parts import BLUE, GREY, ORANGE, Rectangle, plt, save

from gpunet.backend.conv import toom
from gpunet.backend.conv.tiles import spans_of

SOURCES = {"toom": ["gpunet/backend/conv/toom.py"], "phases": ["gpunet/backend/conv/tiles.py"]}


def squares(ax: Any, count: int, size: float, colour: str) -> None:
    """Draw count x count outlined squares."""
    for i in range(count):
        for j in range(count):
            ax.add_patch(Rectangle((j * size, i * size), size, size, fill=False, edgecolor=colour, linewidth=0.8))


def frame(ax: Any, x: float, y: float, size: float, colour: str, fill: float = 0.0) -> None:
    """Mark a square region by a thick outline, over a tint."""
    ax.add_patch(Rectangle((x, y), size, size, facecolor=colour, alpha=fill, edgecolor="none"))
    ax.add_patch(Rectangle((x, y), size, size, fill=False, edgecolor=colour, linewidth=2.4))


def finish(ax: Any, extent: float, title: str, unit: str = "") -> None:
    """Set limits and a title; a unit is what both axes count, without it there are no axes."""
    margin = extent / 40
    ax.set(xlim=(-margin, extent + margin), ylim=(extent + margin, -margin), aspect="equal")
    ax.set_title(title, fontsize=11)
    if not unit:
        ax.axis("off")
        return
    ax.set_xlabel(f"columns ({unit})", fontsize=11)
    ax.set_ylabel(f"rows ({unit})", fontsize=11)
    for spine in ax.spines.values():
        spine.set_visible(False)


def cells(place: Path) -> None:
    """Space to depth, and the tiles that Winograd's form cuts the cells into."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.5, 4.4))
    squares(left, 12, 1, GREY)
    frame(left, 2, 2, 4, BLUE, 0.25)
    frame(left, 4, 2, 4, ORANGE)
    finish(left, 12, "12 x 12 pixels, 4 x 4 taps, stride 2:\nneighbouring windows start 2 pixels apart", "pixels")
    squares(middle, 6, 1, GREY)
    frame(middle, 1, 1, 2, BLUE, 0.25)
    frame(middle, 2, 1, 2, ORANGE)
    finish(middle, 6, "the same in cells of 2 x 2 pixels:\n2 x 2 taps, stride 1, 4 times the channels", "cells")
    squares(right, 9, 1, GREY)
    frame(right, 0, 0, 5, BLUE, 0.25)
    frame(right, 4, 0, 5, ORANGE, 0.18)
    title = "two tiles of 4 x 4 outputs: each reads 5 x 5 cells,\n25 products instead of 64; they share a column"
    finish(right, 9, title, "cells")
    for ax, last, step in (left, 12, 2), (middle, 6, 1), (right, 9, 1):
        ax.set(xticks=range(0, last + 1, step), yticks=range(0, last + 1, step))
    figure.tight_layout()
    save(figure, place)


def matrices(place: Path) -> None:
    """A, G and B of two outputs and of four, two taps, as tables of cells of one size."""
    figure, ax = plt.subplots(figsize=(9.6, 6))
    for m, top in (2, 1), (4, 5.5):
        left = 0.0
        for name, matrix in zip("AGB", toom.matrices(m, 2), strict=True):
            table(ax, left, top, matrix, f"{name}   (m = {m}, r = 2)")
            left += 6.5 if name == "A" else 4.0
    ax.set(xlim=(-0.1, 15.6), ylim=(10.6, 0), aspect="equal")
    ax.axis("off")
    ax.set_title("y = A [(G w) * (B s)] for m outputs and r taps; red is above zero, blue below", fontsize=12)
    save(figure, place)


def table(ax: Any, left: float, top: float, matrix: Any, title: str) -> None:
    """Draw a matrix as cells of size 1, red above zero and blue below, its title over them."""
    ax.text(left, top - 0.25, title, fontsize=12)
    colour_of = plt.get_cmap("RdBu_r")
    for (i, j), value in [((i, j), matrix[i, j]) for i in range(len(matrix)) for j in range(matrix.shape[1])]:
        colour = colour_of((float(value) + 5) / 10)
        red, green, blue, _ = colour
        ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"  # against the cell's brightness
        ax.add_patch(Rectangle((left + j, top + i), 1, 1, facecolor=colour, edgecolor=GREY, linewidth=0.6))
        ax.text(left + j + 0.5, top + i + 0.5, number(value), ha="center", va="center", fontsize=11, color=ink)


def number(value: Any) -> str:
    """Return a number as it fits into a cell: 1/6 for 0.1666..., or -2."""
    return str(Fraction(float(value)).limit_denominator(99))


def phases(place: Path) -> None:
    """The products of k5 s2 in tiles of 4 x 4, each a cell of 2 x 2 pixels with those tinted that take part."""
    pixels = (0, 1), (0, 0), (1, 0), (1, 1)  # in the order of depth
    names = ["0", "1", "-1", "2", "-2", "\N{INFINITY}"]
    figure, ax = plt.subplots(figsize=(5, 5))
    for product, span in enumerate(spans_of(6, 1, True) or ()):
        top, left = product // 6, product % 6
        for row, column in pixels[span]:
            corner = left + 0.06 + 0.44 * column, top + 0.06 + 0.44 * row
            ax.add_patch(Rectangle(corner, 0.4, 0.4, color=BLUE, alpha=0.6))
    squares(ax, 6, 1, GREY)
    finish(ax, 6, "6 x 6 products, one for each pair of points:\nwhich pixels of a cell each sums over", "points")
    middles = [i + 0.5 for i in range(6)]
    ax.set_xticks(middles, names)
    ax.set_yticks(middles, names)
    ax.tick_params(length=0, labelsize=11)
    ax.set(xlim=(-0.1, 6.1), ylim=(6.1, -0.1), xlabel="point of the columns", ylabel="point of the rows")
    save(figure, place)


FIGURES = {"cells": cells, "toom": matrices, "phases": phases}
