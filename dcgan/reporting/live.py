"""The report of a run while it trains, and once more at its end (--report-every)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from dcgan.run.folder import RunDir
from gpunet.files import write_atomically

Say = Callable[[str], None]


class Live:
    """Writes RUN/report.html now and then; what it read of the log and of the grids is kept from one to the next."""

    def __init__(self, run: RunDir, say: Say) -> None:
        from dcgan.reporting.contents import Watched  # not above: runs without a report need none of it

        self.watched, self.say = Watched(run.path), say

    def write(self, goes_on: bool = True) -> None:
        """Write the page; goes_on: it loads itself again. A page that cannot be written stops no training."""
        from dcgan.reporting.page import page

        report = self.watched.run.report
        try:
            write_atomically(report, page([self.watched.contents()], live=goes_on).encode())
        except (OSError, ValueError) as error:
            self.say(f"could not write {report}: {error}")


@contextlib.contextmanager
def final(wanted: bool, run: RunDir, say: Say) -> Iterator[None]:
    """Write the report after the block, however it ends, if one is wanted: by then run.json tells how it ended."""
    try:
        yield
    finally:
        if wanted:
            Live(run, say).write(goes_on=False)
