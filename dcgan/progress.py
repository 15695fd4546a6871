"""The progress bar of a training: one line of at most 80 characters, whatever the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

FORMAT = "{percentage:3.0f}% {n_fmt}/{total_fmt} {remaining} left{postfix}"
SHORT = {  # names of the log's numbers in the line
    "d_real": "D(x)", "d_fake": "D(G)",
    "score_real": "d(x)", "score_fake": "d(G)",
    "loss_d": "lossD", "loss_g": "lossG",
}  # fmt: skip


def step_bar(first: int, last: int, shown: bool) -> tqdm:
    """Return the bar of the steps from `first` to `last`."""
    pause = 0.2 if sys.stderr.isatty() else 10  # seconds: a log file needs no animation
    return tqdm(total=last, initial=first, mininterval=pause, disable=not shown, bar_format=FORMAT)


def step_text(record: Mapping[str, Any], speed: float, data: Mapping[str, str]) -> str:
    """Return what stands behind the steps.

    >>> step_text({"step": 7, "epoch": 3, "d_real": 0.52, "d_fake": 0.48, "loss_d": 1.234, "loss_g": 0.98}, 345.2, {})
    'ep 3 D(x) .52 D(G) .48 lossD 1.23 lossG .98 345/s'
    """
    words = [f"ep {record['epoch']}"] if "epoch" in record else []
    words += [f"{short} {_number(record[name])}" for name, short in SHORT.items() if name in record]
    words += [f"{speed:.0f}/s", *(f"{name} {value}" for name, value in data.items())]
    return " ".join(words)


def _number(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 100 else f"{value:.0f}"
