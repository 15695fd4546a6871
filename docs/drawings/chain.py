"""The picture of lesson 1: a forward and a backward pass through three layers, with all shapes and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drawings.parts import BLUE, GREEN, GREY, INK, ORANGE, arrow, blank, box, plt, save

LAYERS = ("h = x W1", "a = leaky(h)", "y = a W2", "(y - t)² / 2")
BACKWARD = ("dx = dh W1ᵀ", "da, or 0.2 da\nwhere h < 0", "da = dy W2ᵀ", "dy = y - t")
FORWARD_VALUES = ("x\n(1, 2)", "h\n(2, -1)", "a\n(2, -0.2)", "y\n5", "loss\n0.5")
SHAPES = ("(N, 2)", "(N, 2)", "(N, 2)", "(N, 1)", "one number")
BACKWARD_VALUES = ("dx\n(4, 0.5)", "dh\n(3, 1)", "da\n(3, 5)", "dy\n1", "1")
WEIGHTS = {
    0: ("W1  (2, 2)\n1      1\n0.5  -1", "dW1 = xᵀ dh\n3   1\n6   2"),
    2: ("W2  (2, 1)\n3\n5", "dW2 = aᵀ dy\n2\n-0.2"),
}
KEPT = ("keeps x", "keeps a", "keeps a", "keeps y")
STEP, WIDE = 3.75, 2.1  # from one layer to the next, and a layer's width


def backprop(place: Path) -> None:
    """Three layers and a loss in a row: values above, derivatives below, weights at the top and bottom."""
    figure, ax = plt.subplots(figsize=(12.5, 5.8))
    blank(ax, 17.2, 8)
    for number, (name, backward, kept) in enumerate(zip(LAYERS, BACKWARD, KEPT, strict=True)):
        left = 1.7 + number * STEP
        box(ax, left, 4.6, WIDE, 0.9, name, BLUE)
        box(ax, left, 2.5, WIDE, 0.9, backward, ORANGE)
        arrow(ax, (left + WIDE / 2, 4.6), (left + WIDE / 2, 3.4), GREY, linestyle="--")
        ax.text(left + WIDE / 2 + 0.12, 4.0, kept, fontsize=9, color="#666666", va="center")
        weights(ax, left, number)
    for number in range(len(SHAPES)):
        between(ax, 0.1 + number * STEP, number)
    ax.text(0.15, 7.5, "forward: computes y, and keeps what backward needs", fontsize=11, color=BLUE, va="center")
    ax.text(0.15, 0.4, "backward: dy comes in from the right, dx goes out to the left", fontsize=11, color=ORANGE)
    save(figure, place)


def between(ax: Any, left: float, number: int) -> None:
    """Draw what goes from layer to layer: a value to the right, its derivative, of the same shape, to the left."""
    middle = left + 0.75
    ax.text(middle, 5.2, FORWARD_VALUES[number], ha="center", va="bottom", fontsize=10, color=INK)
    ax.text(middle, 3.97, SHAPES[number], ha="center", va="center", fontsize=9, color="#666666")
    ax.text(middle, 2.8, BACKWARD_VALUES[number], ha="center", va="top", fontsize=10, color=INK)
    arrow(ax, (left + 0.1, 5.05), (left + 1.45, 5.05), BLUE)
    arrow(ax, (left + 1.45, 2.95), (left + 0.1, 2.95), ORANGE)


def weights(ax: Any, left: float, number: int) -> None:
    """Draw a layer's weight above it, and its gradient below."""
    if number not in WEIGHTS:
        return
    value, gradient = WEIGHTS[number]
    middle = left + WIDE / 2
    ax.text(middle, 6.55, value, ha="center", va="center", fontsize=9.5, color=GREEN)
    arrow(ax, (middle, 6.1), (middle, 5.55), GREEN)
    arrow(ax, (middle, 2.45), (middle, 1.9), GREEN)
    ax.text(middle, 1.4, gradient, ha="center", va="center", fontsize=9.5, color=GREEN)


FIGURES = {"lessons/backprop": backprop}
