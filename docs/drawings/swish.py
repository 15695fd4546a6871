"""The picture of lesson 9: Swish for three values of beta, its slope, and why its y does not say what x was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawings.parts import BLUE, GREEN, GREY, INK, ORANGE, plt, save

X = np.linspace(-5, 3, 401)
BETAS = ((0.5, GREEN), (1.0, BLUE), (4.0, ORANGE))
HEIGHT = -0.2  # of the line that meets the curve of beta = 1 twice


def swish(place: Path) -> None:
    """Draw the function at the left, with two x of the same y, and its slope at the right."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    for beta, colour in BETAS:
        s = 1 / (1 + np.exp(-beta * X))
        left.plot(X, X * s, color=colour, linewidth=2, label=f"beta = {beta:g}")
        right.plot(X, s + beta * X * s * (1 - s), color=colour, linewidth=2)
    mark_same_y(left)
    left.legend(fontsize=9, frameon=False)
    for ax, title in ((left, "y = x sigmoid(beta x)"), (right, "its slope, dy/dx")):
        ax.set_title(title, fontsize=11)
        ax.set_xlabel("x", fontsize=10)
        ax.axhline(0, color="0.4", linewidth=0.8)
        ax.axvline(0, color="0.8", linewidth=0.8)
        ax.set_xlim(X[0], X[-1])
        ax.grid(alpha=0.25)
    left.set_ylim(-0.6, 2)
    figure.tight_layout()
    save(figure, place)


def mark_same_y(ax: plt.Axes) -> None:
    """Mark the two points of the curve of beta = 1 that lie at HEIGHT."""
    y = X / (1 + np.exp(-X))
    found = X[:-1][np.diff(np.sign(y - HEIGHT)) != 0]
    ax.plot([X[0], X[-1]], [HEIGHT, HEIGHT], color=GREY, linewidth=1, linestyle="--")
    ax.plot(found, [HEIGHT] * len(found), "o", color=BLUE, markersize=7)
    ax.text(-2.5, 0.25, "two x, one y:\nbackward has to know x", fontsize=9, color=INK, ha="center")


FIGURES = {"lessons/swish": swish}
