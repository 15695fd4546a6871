"""DCGAN_QUICK=1: new trainings of two steps with tiny networks, so that tests can run a command as it is written.

A run says at its start that the variable was set, and keeps it in run.json; config.json holds the options that were
really used. A resumed run keeps the options of its config.
"""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import replace
from typing import Any

from dcgan.config import Config

VARIABLE = "DCGAN_QUICK"
# The most that a new training has of each.
MOST = {
    "steps": 2, "width": 4, "batch_size": 4, "accumulate": 2, "samples": 10, "train_size": 40, "measure_count": 16,
}  # fmt: skip


def notice() -> str:
    """Return the line that says that numbers are lowered; an empty text where the variable is not set, or 0."""
    if os.environ.get(VARIABLE, "0") in ("", "0"):
        return ""
    return f"{VARIABLE} is set: sizes and steps are lowered for a test, results mean nothing"


def shortened(config: Config) -> Config:
    """Return a config with the numbers in MOST at most, if the variable is set; otherwise the config as it is."""
    if not notice():
        return config
    lowered: dict[str, Any] = {name: min(getattr(config, name) or most, most) for name, most in MOST.items()}
    return replace(config, **lowered)


def cap(options: Namespace, **most: float) -> None:
    """Lower numbers of a command line that is no training to at most these, if the variable is set, and say so."""
    if notice():
        print(notice(), flush=True)
        for name, highest in most.items():
            setattr(options, name, min(getattr(options, name), highest))
