"""Watch: looks for signs of a collapse while a run trains, and warns, stops the run or has it go back.

What it has counted so far is part of a checkpoint: a resumed run says and does what the uninterrupted one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dcgan import images
from dcgan.errors import Collapsed
from dcgan.run.advice import Diversity, Finding, diversity, rows


class Watch:
    """Takes note of the log and of the sample grids; says each finding once by `say`.

    on_collapse  warn: go on; stop or rollback: raise Collapsed
    """

    def __init__(self, on_collapse: str) -> None:
        self.rows, self.diversity = {row.name: row for row in rows()}, Diversity()
        self.raises, self.said = on_collapse != "warn", set[str]()
        self.real: float | None = None  # the diversity of samples/real.png
        self.say: Callable[[str], None] = print

    def records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Take note of the records of new steps, in their order. Raises Collapsed."""
        for record in records:
            for row in self.rows.values():
                self._report(row.note(record))

    def pictures(self, step: int, pictures: np.ndarray, real: Path) -> None:
        """Take note of the pictures of a sample grid, uint8 (N, H, W, C); real: the grid of real ones.

        Raises Collapsed.
        """
        if self.real is None:
            sheet = images.read_png(real)
            cells = None if sheet is None else images.cells(sheet, pictures.shape[1:3])
            self.real = None if cells is None else diversity(cells)
        self._report(self.diversity.note(step, pictures, self.real))

    def _report(self, finding: Finding | None) -> None:
        if finding and self.raises:
            raise Collapsed(finding.said(), finding.step or 0, finding.good_step)
        if finding and finding.name not in self.said:
            self.said.add(finding.name)
            self.say(finding.said())

    def state_dict(self) -> dict[str, Any]:
        """Return what has been counted."""
        return {name: row.state_dict() for name, row in self.rows.items()} | {"diversity": self.diversity.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting. Raises KeyError, ValueError or TypeError for a state that is none."""
        for name, row in self.rows.items():
            if name in state:  # checkpoints of older versions know fewer rows
                row.load_state_dict(state[name])
        self.diversity.load_state_dict(state["diversity"])
