"""The losses over D's logit: of lesson 2, binary cross-entropy and its slope; of lesson 7, the two losses of G."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from drawings.parts import BLUE, GREY, ORANGE, plt, save

LOGITS = np.linspace(-6, 6, 241)
P = 1 / (1 + np.exp(-LOGITS))  # sigmoid


def bce(place: Path) -> None:
    """Binary cross-entropy for a real picture and for one of G's, and the slopes p - t."""
    curves = [("t = 1: a real picture", -np.log(P), P - 1, BLUE), ("t = 0: a picture by G", -np.log(1 - P), P, ORANGE)]
    pair(place, curves, "loss", "its slope, p - t")


def generator_losses(place: Path) -> None:
    """What G minimises in the first formula of the paper and in the one that is used, and both slopes."""
    curves = [("log(1 - p): minimax", np.log(1 - P), -P, ORANGE), ("-log p: used", -np.log(P), P - 1, BLUE)]
    pair(place, curves, "loss of G", "its slope", finish=mark_start)


def mark_start(axes: Any) -> None:
    """Mark where G stands early in a training: D is sure that its pictures are made."""
    for ax in axes:
        ax.axvspan(-6, -3, color=GREY, alpha=0.35, linewidth=0)
    axes[1].text(-4.5, -0.5, 'D is sure:\n"made by G"', ha="center", fontsize=9)


def pair(place: Path, curves: list[Any], *titles: str, finish: Callable[[Any], None] = lambda axes: None) -> None:
    """Draw curves [(label, values, slopes, colour)] over the logit: values left, slopes right."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    for label, values, slopes, colour in curves:
        for ax, numbers in zip(axes, (values, slopes), strict=True):
            ax.plot(LOGITS, numbers, color=colour, linewidth=2, label=label)
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=11)
        ax.set_xlabel("logit x;  p = sigmoid(x)", fontsize=10)
        ax.axhline(0, color="0.4", linewidth=0.8)
        ax.axvline(0, color="0.8", linewidth=0.8)
        ax.set_xlim(-6, 6)
        ax.grid(alpha=0.25)
    axes[0].legend(fontsize=9, frameon=False)
    finish(axes)
    figure.tight_layout()
    save(figure, place)


FIGURES = {"lessons/bce": bce, "lessons/generator-loss": generator_losses}
