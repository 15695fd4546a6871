"""The picture of lesson 6: gradient descent and Adam in a narrow valley, and Adam in a game of two numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from drawings.parts import BLUE, GREEN, GREY, INK, ORANGE, RED, plt, save

from gpunet.layers import Parameter
from gpunet.optim import Adam

SOURCES = {"lessons/adam": ["gpunet/backend/adam.py"]}
STEEP = 25.0  # of the valley: as much steeper across than along
BETA1 = {0.0: GREEN, 0.5: BLUE, 0.9: RED}


def adam(place: Path) -> None:
    """Two ways down a valley, and the game for three values of beta1."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.6))
    valley(left)
    game(right)
    figure.tight_layout()
    save(figure, place)


def valley(ax: Any) -> None:
    """Draw 30 steps of gradient descent, whose rate the steep direction limits, and 30 of Adam."""
    a, b = np.meshgrid(np.linspace(-4.4, 1, 200), np.linspace(-1.6, 1.6, 200))
    ax.contour(a, b, (a**2 + STEEP * b**2) / 2, levels=[0.3, 1, 2.5, 5, 9, 15, 23], colors=GREY, linewidths=0.8)
    start, slopes = np.array([-4.0, 1.2]), np.array([1.0, STEEP])
    plain = [start]
    for _ in range(30):
        plain.append(plain[-1] - 0.074 * slopes * plain[-1])
    param = Parameter(start.copy())
    optimizer, moved = Adam([param], 0.25, (0.5, 0.999)), [start]
    for _ in range(30):
        param.grad = slopes * param.data
        optimizer.step()
        moved.append(param.data.copy())
    for points, colour, label in ((plain, ORANGE, "gradient descent, rate 0.074"), (moved, BLUE, "Adam, rate 0.25")):
        ax.plot(*np.array(points).T, color=colour, marker="o", markersize=3, linewidth=1.2, label=label)
    ax.plot(0, 0, marker="+", color=INK, markersize=12)
    ax.set_title("30 steps in a narrow valley: + is its lowest point", fontsize=11)
    ax.legend(fontsize=9, frameon=False, loc="lower left")


def game(ax: Any) -> None:
    """Draw how g and d move in 600 steps for each beta1."""
    for beta1, colour in BETA1.items():
        points = np.array(played(beta1))
        ax.plot(*points.T, color=colour, linewidth=1, label=f"beta1 = {beta1:g}")
        ax.plot(*points[-1], color=colour, marker="o", markersize=6)
    ax.plot(1, 0, marker="o", color=INK, markersize=6)
    ax.annotate("start", (1, 0), (1.08, 0.12), fontsize=9)
    ax.plot(0, 0, marker="+", color=INK, markersize=12)
    ax.set(xlabel="g", ylabel="d", aspect="equal")
    ax.set_title("600 steps of the game; dots: where they end", fontsize=11)
    ax.legend(fontsize=9, frameon=False, loc="upper right")


def played(beta1: float) -> list[tuple[float, float]]:
    """Return (g, d) after each step of the game of lesson 6."""
    g, d = Parameter(np.array([1.0])), Parameter(np.array([0.0]))
    adam_g, adam_d = (Adam([each], 0.02, (beta1, 0.99)) for each in (g, d))
    points = [(1.0, 0.0)]
    for _ in range(600):
        d.grad = -g.data + 0.1 * d.data
        adam_d.step()
        g.grad = d.data.copy()
        adam_g.step()
        points.append((float(g.data[0]), float(d.data[0])))
    return points


FIGURES = {"lessons/adam": adam}
