"""The picture of lesson 7: both halves of a GAN's step, with the ways of pictures and gradients, and who is frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drawings.parts import BLUE, GREEN, GREY, INK, ORANGE, RED, arrow, blank, box, plt, save


def gan_step(place: Path) -> None:
    """D's step above G's step."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(11, 7.2))
    d_step(above)
    g_step(below)
    figure.tight_layout()
    save(figure, place)


def d_step(ax: Any) -> None:
    """Real and made pictures go through D as one batch; the gradient stops in front of G."""
    blank(ax, 18, 5.6)
    ax.text(0.2, 5.2, "D's step: D learns, G only draws", fontsize=12, color=INK)
    ax.text(0.5, 1.5, "z", ha="center", va="center", fontsize=12)
    box(ax, 1.7, 0.9, 2, 1.2, "G", GREY, 0.35)
    box(ax, 5.6, 1.05, 2.2, 0.9, "G(z)\n(N, H, W, C)", BLUE)
    box(ax, 5.6, 3.15, 2.2, 0.9, "real x\n(N, H, W, C)", BLUE)
    box(ax, 10, 1.9, 2.2, 1.4, "D", GREEN, 0.3)
    forward(ax, [((0.8, 1.5), (1.7, 1.5)), ((3.7, 1.5), (5.6, 1.5)), ((7.8, 1.7), (10, 2.6)), ((7.8, 3.6), (10, 2.9))])
    ax.text(8.2, 4.0, "one batch of 2 N", fontsize=9, color="#666666")
    losses(ax, 2.6, "-log D(x)        target 1\n-log(1 - D(G(z)))   target 0")
    backward(ax, [((13.9, 2.2), (12.2, 2.2))])
    ax.text(11.1, 1.45, "dweight of D, then Adam", ha="center", fontsize=9, color=GREEN)
    arrow(ax, (10, 2.1), (8.9, 1.35), ORANGE)
    stop(ax, 8.75, 1.22)
    ax.text(8.9, 0.45, "stops here: G is not to learn from D's loss", ha="center", fontsize=9, color=RED)


def g_step(ax: Any) -> None:
    """G's pictures go through the frozen D; the gradient goes back through D to G's weights."""
    blank(ax, 18, 5.6)
    ax.text(0.2, 5.2, "G's step: G learns, D is frozen", fontsize=12, color=INK)
    ax.text(0.5, 2.6, "z", ha="center", va="center", fontsize=12)
    box(ax, 1.7, 1.9, 2, 1.4, "G", GREEN, 0.3)
    box(ax, 5.6, 2.15, 2.2, 0.9, "G(z)\n(N, H, W, C)", BLUE)
    box(ax, 10, 1.9, 2.2, 1.4, "D\nfrozen", GREY, 0.35)
    forward(ax, [((0.8, 2.6), (1.7, 2.6)), ((3.7, 2.8), (5.6, 2.8)), ((7.8, 2.8), (10, 2.8))])
    losses(ax, 2.6, "-log D(G(z))     target 1")
    backward(ax, [((13.9, 2.2), (12.2, 2.2)), ((10, 2.35), (7.8, 2.35)), ((5.6, 2.35), (3.7, 2.35))])
    ax.text(2.7, 1.45, "dweight of G, then Adam", ha="center", fontsize=9, color=GREEN)
    ax.text(11.1, 1.45, "passes dx on, computes no dweight", ha="center", fontsize=9, color="#666666")
    ax.text(6.7, 1.45, "dx: how each pixel should change", ha="center", fontsize=9, color=ORANGE)
    ax.text(0.2, 0.4, "blue: pictures forward", fontsize=9, color=BLUE)
    ax.text(4.2, 0.4, "orange: gradients backward", fontsize=9, color=ORANGE)
    ax.text(9, 0.4, "green: learns", fontsize=9, color=GREEN)


def losses(ax: Any, y: float, text: str) -> None:
    """Draw the answers of D and the loss at the right end."""
    arrow(ax, (12.2, y + 0.35), (13.9, y + 0.35), BLUE)
    ax.text(13.05, y + 0.5, "logits", ha="center", fontsize=9, color="#666666")
    ax.text(13.05, y - 0.8, "p - t", ha="center", fontsize=9, color=ORANGE)
    box(ax, 13.9, y - 0.75, 4, 1.5, text, BLUE, 0.08)


def forward(ax: Any, ways: list[Any]) -> None:
    """Draw the ways of pictures."""
    for start, end in ways:
        arrow(ax, start, end, BLUE)


def backward(ax: Any, ways: list[Any]) -> None:
    """Draw the ways of gradients."""
    for start, end in ways:
        arrow(ax, start, end, ORANGE)


def stop(ax: Any, x: float, y: float) -> None:
    """Draw a cross where a gradient ends."""
    ax.plot([x], [y], marker="x", color=RED, markersize=11, markeredgewidth=3)


FIGURES = {"lessons/gan-step": gan_step}
