"""Output: what a training writes into its run folder, step by step: log, plot, event file, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from dcgan.config import Config
from dcgan.reporting.live import Live
from dcgan.run import log
from dcgan.run.curves import LossPlot
from dcgan.run.folder import RunDir
from dcgan.run.tensorboard import Board


class Output(NamedTuple):
    """Where a training writes: its folder, log, plot, with --tensorboard event file, with --report-every report."""

    run: RunDir
    log: log.Log
    board: Board | None = None
    plot: LossPlot | None = None
    report: Live | None = None


def output_of(
    run: RunDir, config: Config, watches: Sequence[log.Watch], board: Board | None, say: Callable[[str], None]
) -> Output:
    """Return what a config asks for; watches are called with the numbers of the log, say with lines for the user."""
    written = log.Log(run.path, config.pictures_per_step, list(watches))
    report = Live(run, say) if config.report_every else None
    return Output(run, written, board, LossPlot(run, config.preset), report)
