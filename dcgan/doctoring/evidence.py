"""Evidence: everything that the findings about a run look at, each part read or computed when it is first asked for.

A part that is not there is None or empty, and `missing` says why, so that the doctor tells what it has not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from dcgan import images, presets
from dcgan.config import Config
from dcgan.data import open_source
from dcgan.errors import UserError
from dcgan.run import log, record, resume
from dcgan.run.folder import RunDir
from dcgan.sampling import BATCH, balanced_labels, draw_z, sample
from gpunet.layers import Sequential

LOOKED_AT = 3000  # pictures of the data: enough to meet a copied picture, few enough to take seconds
YOUNG = 200  # steps before which G's pictures and the networks are not judged: they are as the first weights were
FACES = 500  # of the built-in faces, which take a while to draw and are known to be sound
DRAWN = BATCH  # pictures that G draws anew


class Evidence:
    """A run's folder, seen from many sides. Raises UserError where it holds no config.json or a damaged one."""

    def __init__(self, run: RunDir, data: str | None = None) -> None:
        self.run, self.data = run, data
        self.missing: dict[str, str] = {}  # part -> why it could not be looked at
        if not run.config.is_file():
            raise UserError(f"{run.path} is no run folder: expected config.json in it")
        self.config = Config.read(run.config)

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The records of log.jsonl, in their order."""
        if self.run.log.is_file():
            return log.read(self.run.log)
        self.missing["log"] = f"there is no {self.run.log}"
        return []

    @cached_property
    def step(self) -> int:
        """The newest step of the log."""
        return max((each["step"] for each in self.records), default=0)

    @cached_property
    def starts(self) -> list[dict[str, Any]]:
        """The entries of run.json about each start."""
        found = record.read(self.run).get("starts")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    @cached_property
    def grids(self) -> list[int]:
        """The steps that have a sample grid, in their order."""
        return sorted(int(path.stem) for path in self.run.samples.glob("*.png") if path.stem.isdecimal())

    def grid(self, step: int) -> np.ndarray | None:
        """Return the pictures (N, H, W, C) of a sample grid; None where it is damaged or of another size."""
        return self._cells(self.run.sample(step).name)

    def _cells(self, name: str) -> np.ndarray | None:
        sheet = images.read_png(self.run.samples / name)
        found = None if sheet is None else images.cells(sheet, self.config.image_size)
        if found is None:
            self.missing[f"samples/{name}"] = "it is missing, damaged or no grid of this run's pictures"
        return found

    @cached_property
    def grid_of_real(self) -> np.ndarray | None:
        """The pictures (N, H, W, C) of samples/real.png, or None."""
        return self._cells("real.png")

    @cached_property
    def real(self) -> np.ndarray | None:
        """Pictures of the data, uint8 (N, H, W, C), LOOKED_AT at most; where it fails those of samples/real.png."""
        c = replace(self.config, data=self.data or self.config.data)
        most = LOOKED_AT if c.data else FACES
        try:
            source = open_source(
                c.data, c.image_size, c.crop, c.channels, c.seed, progress=False,
                pattern=c.pattern, labels=c.labels, train_size=min(c.train_size or most, most),
            )  # fmt: skip
        except UserError as error:
            self.missing["data"] = f"{error} (--data says where it is)"
            return self.grid_of_real
        try:
            return source.batch(np.arange(len(source)))
        finally:
            source.close()

    @cached_property
    def state(self) -> Mapping[str, Any]:
        """The state "gan" of the newest whole checkpoint, {} where there is none."""
        found = self.run.newest(lambda line: self.missing.update({"a checkpoint": line}))
        gan = found[1].get("gan") if found and isinstance(found[1], dict) else None
        if not isinstance(gan, dict):
            self.missing["checkpoint"] = "there is no whole one"
        return gan if isinstance(gan, dict) else {}

    def network(self, part: str) -> Sequential | None:
        """Return G, D or average_G (G with the moving average of its weights) as the checkpoint holds it, or None."""
        if part not in self.state:
            return None
        preset = presets.find(self.config.preset)
        net = (preset.discriminator if part == "D" else preset.generator)(self.config)
        with resume.fitting(str(self.run.path)):
            net.load_state_dict(self.state[part])
        return net.eval()

    @cached_property
    def z(self) -> np.ndarray:
        """New z (DRAWN, 1, 1, z_dim), the same in every look at a run."""
        return draw_z(np.random.default_rng([self.config.seed, 1]), DRAWN, self.config)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """Labels of the z, int32 (DRAWN,), for networks that are told them."""
        return balanced_labels(DRAWN, self.config)

    @cached_property
    def drawn(self) -> np.ndarray | None:
        """Pictures that G draws for the new z, uint8 (DRAWN, H, W, C), with the weights that draw the samples."""
        G = self.network("average_G") or self.network("G")
        return None if G is None else sample(G, self.z, self.labels)
