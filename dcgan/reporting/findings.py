"""The section with what the doctor says of runs, from what the report has read: logs, shown grids and run.json.

The doctor's other checks need the networks and the data. A report leaves them to `python -m dcgan.doctor`: building
networks by the options of a run from anybody may take any memory, and its data is a path outside of its folder.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from dcgan.config import Config
from dcgan.doctoring import examine
from dcgan.doctoring.evidence import Evidence
from dcgan.images import cells
from dcgan.losses import PROBABILITIES, SCORES
from dcgan.reporting.contents import Contents
from dcgan.reporting.markup import Markup, joined, tag
from dcgan.reporting.pictures import Picture
from dcgan.run.advice import Finding
from dcgan.run.folder import RunDir

HOW = (
    "The doctor has looked at the log, at the grids shown above and at run.json. It also looks at the networks and the "
    "data where it is asked to: python -m dcgan.doctor RUN."
)


class Gathered(Evidence):
    """Evidence from what was gathered of a run for its report, which has looked at every file with care."""

    def __init__(self, found: Contents, config: Config) -> None:
        self.run, self.config, self.found = RunDir(found.name), config, found  # the folder is not looked at again
        self.data, self.missing = None, {}

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """D's answers to both kinds of pictures, for the steps that have both."""
        return [record for names in (PROBABILITIES, SCORES) for record in self._answers(*names)]

    def _answers(self, *names: str) -> list[dict[str, Any]]:
        points = [self.found.points.get(name) for name in names]
        if points[0] is None or points[1] is None:
            return []
        (steps, real), (others, fake) = points[0], points[1]
        both, i, j = np.intersect1d(steps, others, assume_unique=True, return_indices=True)
        values = zip(both.tolist(), real[i].tolist(), fake[j].tolist(), strict=True)
        return [dict(zip(("step", *names), each, strict=True)) for each in values]

    @cached_property
    def starts(self) -> list[dict[str, Any]]:
        """The entries of run.json about each start."""
        found = self.found.record.get("starts")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    @cached_property
    def grids(self) -> list[int]:
        """The steps whose sample grids are shown."""
        return sorted(self.found.grids)

    def grid(self, step: int) -> np.ndarray | None:
        """Return the pictures (N, H, W, C) of a sample grid that is shown."""
        return self._pictures(self.found.grids.get(step))

    @cached_property
    def grid_of_real(self) -> np.ndarray | None:
        """The pictures (N, H, W, C) of samples/real.png, or None."""
        return self._pictures(self.found.real)

    @cached_property
    def real(self) -> np.ndarray | None:
        """The same: the data itself lies outside of the run's folder."""
        return self.grid_of_real

    @cached_property
    def state(self) -> Mapping[str, Any]:
        """Nothing: no checkpoint is opened, and no network built."""
        return {}

    def _pictures(self, picture: Picture | None) -> np.ndarray | None:
        if picture is None:
            return None
        content = base64.b64decode(picture.uri.partition(",")[2])
        sheet = np.asarray(Image.open(io.BytesIO(content)))  # (GH, GW, 3), or (GH, GW) where it is grey
        return cells(np.atleast_3d(sheet), self.config.image_size)


def findings(runs: Sequence[Contents]) -> Markup:
    """Return the section: what was found of each run, with the evidence and what may help."""
    parts = [tag("p", HOW, class_="how")]
    for run in runs:
        if len(runs) > 1:
            parts.append(tag("h3", run.name))
        parts.append(_of_run(run))
    return joined(parts)


def _of_run(run: Contents) -> Markup:
    if run.config is None:
        return tag("p", "Without the options in config.json nothing can be said.")
    evidence = Gathered(run, run.config)
    seen = examine(evidence)
    said = tag("ul", [_item(each) for each in seen], class_="findings") if seen else tag("p", "Nothing to report.")
    missing = "; ".join(f"{part}: {why}" for part, why in evidence.missing.items())
    return joined(said, tag("p", f"Not looked at: {missing}.", class_="how") if missing else None)


def _item(finding: Finding) -> Markup:
    """Return what was found, with the evidence, and what may help on a line of its own."""
    what = finding.what[:1].upper() + finding.what[1:]
    return tag("li", what, ".", tag("span", f"What may help: {finding.advice}.", class_="facts"))
