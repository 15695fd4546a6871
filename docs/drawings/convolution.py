"""The pictures of lessons 3 and 4: windows, strokes of paint, how often pixels are painted; and fold.png."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from drawings.parts import BLUE, GREEN, GREY, INK, ORANGE, Rectangle, arrow, blank, plt, save

from gpunet import loops

SOURCES = {
    "lessons/convolution": ["gpunet/loops/conv.py"],
    "lessons/painting": ["gpunet/loops/conv.py"],
    "lessons/coverage": ["gpunet/loops/conv.py"],
}
LINE, TAPS = np.array([1, 0, -1, 2]), np.array([1, 2, 3, 4])  # of lesson 3
PICTURE = np.array([[0, 0, 3, 3], [0, 0, 3, 3], [0, 1, 3, 3], [1, 1, 3, 3]])
PURPLE = "#8a5fb0"
EDGES = np.array([[-1, 0, 1]] * 3)
PAIR = np.array([2, 3])  # of lesson 4
SQUARE = np.array([[1, 2], [3, 4]])
ROUND = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])


def cell(ax: Any, x: float, y: float, text: object, colour: str = "white", fill: float = 1.0) -> None:
    """Draw a square of size 1 with a text in its middle; (x, y) is its upper left corner, y counts downwards."""
    ax.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, alpha=fill, edgecolor="none"))
    ax.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=GREY, linewidth=0.8))
    ax.text(x + 0.5, y + 0.5, str(text), ha="center", va="center", fontsize=11, color=INK)


def line(ax: Any, x: float, y: float, numbers: Any, colour: str = "white", fill: float = 1.0) -> None:
    """Draw numbers as a row of cells."""
    for i, number in enumerate(numbers):
        cell(ax, x + i, y, number, colour, fill)


def grid(ax: Any, x: float, y: float, numbers: Any, colour: str = "white", fill: float = 1.0) -> None:
    """Draw a matrix as rows of cells."""
    for i, row in enumerate(numbers):
        line(ax, x, y + i, row, colour, fill)


def outline(ax: Any, x: float, y: float, width: float, height: float, colour: str) -> None:
    """Mark a region by a thick outline."""
    ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=2.6))


def sheet(ax: Any, width: float, height: float, title: str) -> None:
    """Make an axes a sheet of width x height units, y downwards, under a title."""
    blank(ax, width, height)
    ax.set_ylim(height, 0)
    ax.set_title(title, fontsize=11)


def convolution(place: Path) -> None:
    """Two windows of k4 s2 p1 over a line, and four of 3 x 3 over a picture, with all numbers."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), width_ratios=(8.4, 11.6))
    sheet(left, 8.4, 7.4, "k4 s2 p1: windows of 4 places, 2 apart, over 4 numbers and 2 zeros")
    two_windows(left)
    sheet(right, 11.6, 7.4, "3 x 3 taps over 4 x 4 pixels: is it brighter on the right?")
    four_windows(right)
    figure.tight_layout()
    save(figure, place)


def two_windows(ax: Any) -> None:
    """Draw LINE between two zeros, and under it the kernel at its two places with what it sees."""
    padded = np.array((0, *LINE, 0))
    note(ax, 0.0, 0.7, "x")
    for k, number in enumerate(padded):
        cell(ax, 1.2 + k, 0.2, number, *([GREY, 0.5] if k in (0, 5) else []))
    for i, colour in enumerate((BLUE, ORANGE)):
        begin, y, seen = 1.2 + 2 * i, 2.0 + 2.7 * i, padded[2 * i : 2 * i + 4]
        outline(ax, begin + 0.04, 0.24 - 0.1 * i, 3.92, 0.92 + 0.2 * i, colour)
        note(ax, 0.0, y + 0.5, "kernel")
        line(ax, begin, y, TAPS, colour, 0.3)
        products = " + ".join(f"{x} * {w}" for x, w in zip(seen, TAPS, strict=True))
        ax.text(begin + 2, y + 1.45, products, ha="center", va="center", fontsize=10.5, color=INK)
        ax.text(begin + 2, y + 1.95, f"y{i} = {seen @ TAPS}", ha="center", va="center", fontsize=12, color=colour)


def four_windows(ax: Any) -> None:
    """Draw PICTURE, the kernel EDGES and y, with two of the four windows marked."""
    y = loops.conv2d(PICTURE[None, :, :, None], EDGES[:, :, None, None], 0, (1, 1), ((0, 0), (0, 0)))
    for x, name, numbers in ((0, "x", PICTURE), (5.0, "kernel", EDGES), (9.2, "y", y[0, :, :, 0].astype(int))):
        ax.text(x + len(numbers[0]) / 2, 0.7, name, ha="center", fontsize=11, color=INK)
        grid(ax, x, 1, numbers)
    ax.text(4.5, 2.5, "*", ha="center", va="center", fontsize=16)
    ax.text(8.6, 2.0, "=", ha="center", va="center", fontsize=16)
    for (i, j), colour in (((0, 0), BLUE), ((1, 1), ORANGE)):
        outline(ax, j + 0.05, 1 + i + 0.05, 2.9, 2.9, colour)
        outline(ax, 9.2 + j + 0.05, 1 + i + 0.05, 0.9, 0.9, colour)
    ax.text(0, 5.7, "blue: right column 3 + 3 + 3, less the left column 0 + 0 + 0, is 9", fontsize=10.5, color=BLUE)
    ax.text(0, 6.3, "orange: 3 + 3 + 3, less 0 + 1 + 1, is 7", fontsize=10.5, color=ORANGE)


def note(ax: Any, x: float, y: float, text: str) -> None:
    """Write a name beside a row."""
    ax.text(x, y, text, va="center", fontsize=10.5, color=INK)


def painting(place: Path) -> None:
    """Two numbers paint four, k4 s2 p1; 2 x 2 numbers paint 5 x 5, k3 s2 p0."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5.4), width_ratios=(9.5, 11))
    sheet(left, 9.5, 8, "two numbers become four: k4 s2 p1")
    line_of_paint(left)
    sheet(right, 11, 8, "in two dimensions: 2 x 2 numbers paint strokes of 3 x 3, 2 apart (k3 s2 p0)")
    strokes(right)
    figure.tight_layout()
    save(figure, place)


def line_of_paint(ax: Any) -> None:
    """Draw PAIR, the stroke of each, and what they add up to."""
    for i, (name, number, colour) in enumerate(zip("ab", PAIR, (BLUE, ORANGE), strict=True)):
        cell(ax, 4.2 + 2 * i, 0.2, f"{name} = {number}", colour, 0.45)
        note(ax, 0.0, 2.3 + 1.4 * i, f"{name} paints")
        line(ax, 2.7 + 2 * i, 1.8 + 1.4 * i, number * TAPS, colour, 0.3)
        arrow(ax, (4.7 + 2 * i, 1.2), (4.7 + 2 * i, 1.8 + 1.4 * i), colour)
    pair, taps = PAIR[None, None, :, None], TAPS[None, :, None, None]
    whole = loops.conv_transpose2d(pair, taps, 0, (1, 2), ((0, 0), (0, 0)), (1, 6))[0, 0, :, 0].astype(int)
    note(ax, 0.0, 5.5, "together")
    for k, number in enumerate(whole):
        cell(ax, 2.7 + k, 5.0, number, *([GREY, 0.75] if k in (0, 5) else []))
    for middle in (3.2, 8.2):
        ax.text(middle, 6.35, "cut off", ha="center", va="center", fontsize=10, color="#666666")
    outline(ax, 3.7, 5.0, 4, 1, GREEN)
    ax.text(5.7, 6.4, f"y = ({', '.join(map(str, whole[1:5]))})", ha="center", va="center", fontsize=12, color=GREEN)
    ax.text(4.7, 7.3, "each number is multiplied by the kernel (1, 2, 3, 4)", ha="center", fontsize=10.5, color=INK)


def strokes(ax: Any) -> None:
    """Draw the strokes of SQUARE in four colours, the kernel, and what they add up to."""
    colours = {(0, 0): BLUE, (0, 1): ORANGE, (1, 0): GREEN, (1, 1): PURPLE}
    one = SQUARE[None, :, :, None], ROUND[:, :, None, None]
    y = loops.conv_transpose2d(*one, 0, (2, 2), ((0, 0), (0, 0)), (5, 5))[0, :, :, 0]
    for (i, j), colour in colours.items():
        cell(ax, j, 0.6 + i, SQUARE[i, j], colour, 0.45)
        ax.add_patch(Rectangle((5.5 + 2 * j, 0.6 + 2 * i), 3, 3, facecolor=colour, alpha=0.3, edgecolor="none"))
    for i, j in np.ndindex(5, 5):
        cell(ax, 5.5 + j, 0.6 + i, int(y[i, j]), "none")
    ax.text(1, 0.3, "x", ha="center", fontsize=11)
    ax.text(8, 0.3, "y", ha="center", fontsize=11)
    ax.text(1.5, 3.8, "kernel", ha="center", fontsize=11)
    grid(ax, 0, 4.1, ROUND)
    arrow(ax, (3.3, 2.4), (5.2, 2.4), INK)
    ax.text(5.5, 6.4, "where colours overlap, strokes add up:", fontsize=10.5, color=INK)
    ax.text(5.5, 7.0, "the middle is 1 + 2 + 3 + 4 = 10", fontsize=10.5, color=INK)


def coverage(place: Path) -> None:
    """How many strokes reach each of 12 x 12 pixels: k5 s2, k4 s2, and nearest upsampling with k3 s1."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.9))
    cases = ((5, 2, 2, 6, "k5 s2: 4, 6 or 9 strokes"), (4, 2, 1, 6, "k4 s2: 4 strokes everywhere inside"),
             (3, 1, 1, 12, "nearest upsampling, then k3 s1 p1: 9 taps"))  # fmt: skip
    for ax, (kernel, stride, pad, size, title) in zip(axes, cases, strict=True):
        ones = np.ones((1, size, size, 1)), np.ones((kernel, kernel, 1, 1))
        counts = loops.conv_transpose2d(*ones, 0, (stride,) * 2, ((pad, pad),) * 2, (12, 12))[0, :, :, 0]
        ax.imshow(counts, cmap="Blues", vmin=0, vmax=14)
        for i, j in np.ndindex(counts.shape):
            ax.text(j, i, f"{counts[i, j]:.0f}", ha="center", va="center", fontsize=9, color=INK)
        ax.set_title(title, fontsize=11)
        ax.set(xticks=[], yticks=[])
    figure.tight_layout()
    save(figure, place)


def fold(place: Path) -> None:
    """A window of k4 s2 in four colours, and the four additions that place the taps of all 3 x 3 windows."""
    figure, axes = plt.subplots(1, 5, figsize=(14, 3.2))
    colours = {(0, 0): BLUE, (0, 1): ORANGE, (1, 0): GREEN, (1, 1): PURPLE}
    for ax in axes:
        for i, j in np.ndindex(8, 8):
            ax.add_patch(Rectangle((j, i), 1, 1, fill=False, edgecolor=GREY, linewidth=0.6))
    sheet(axes[0], 8, 8, "the middle window: 16 taps\nin 4 groups of 2 x 2")
    for (i, j), colour in colours.items():
        axes[0].add_patch(Rectangle((2 + 2 * j, 2 + 2 * i), 2, 2, facecolor=colour, alpha=0.45, edgecolor="none"))
    outline(axes[0], 2, 2, 4, 4, INK)
    for number, (ax, ((i, j), colour)) in enumerate(zip(axes[1:], colours.items(), strict=True), 1):
        sheet(ax, 8, 8, f"addition {number}: this group\nof all 3 x 3 windows")
        for row, column in np.ndindex(3, 3):
            corner = 2 * (column + j), 2 * (row + i)
            ax.add_patch(Rectangle(corner, 2, 2, facecolor=colour, alpha=0.45, edgecolor="white", linewidth=3))
        outline(ax, 2 + 2 * j, 2 + 2 * i, 2, 2, INK)
    figure.tight_layout()
    save(figure, place)


FIGURES = {"fold": fold, "lessons/convolution": convolution, "lessons/painting": painting, "lessons/coverage": coverage}
