"""Address: the name of a generated picture, from which any machine draws it again.

    0001-dcgan64_500_7_12           the 12th picture of seed 7, by the checkpoint of step 500 of the run 0001-dcgan64
    0001-dcgan64_500raw_7_12        the same, by G's weights themselves and not by their moving average
    0002-carpedm20-mnist_900_7_12_c3    the same of another run, and all pictures of the seed are of class 3

`dcgan.generate` names files so, writes the address into every PNG, and takes it with --address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from dcgan.errors import UserError
from dcgan.options import QUOTED
from dcgan.streams import shortened

FORM = re.compile(
    r"(?P<run>.+)_(?P<step>\d{1,9})(?P<raw>raw)?_(?P<seed>\d{1,39})_(?P<index>\d{1,9})(_c(?P<label>\d{1,9}))?"
)
EXAMPLE = "0001-dcgan64_500_7_12 (run, step, seed and index, from 1)"


@dataclass(frozen=True)
class Address:
    """Where a picture comes from: index counts the pictures of a seed from 1; label: the class that was asked for."""

    run: str
    step: int
    seed: int
    index: int
    weights: str = "ema"  # or raw
    label: int | None = None

    def text(self, digits: int = 1) -> str:
        """Return the address as text; digits: those of the index at least, so that names of files sort."""
        raw = "raw" if self.weights == "raw" else ""
        label = "" if self.label is None else f"_c{self.label}"
        return f"{self.run}_{self.step}{raw}_{self.seed}_{self.index:0{digits}d}{label}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address that a text holds, or the name of a PNG file. Raises UserError where it holds none."""
        found = FORM.fullmatch(PurePath(text).name.removesuffix(".png"))
        if not found or int(found["index"]) == 0:
            raise UserError(f"--address: got '{shortened(text, QUOTED)}', expected such as {EXAMPLE}")
        label = None if found["label"] is None else int(found["label"])
        weights = "raw" if found["raw"] else "ema"
        return cls(found["run"], int(found["step"]), int(found["seed"]), int(found["index"]), weights, label)
