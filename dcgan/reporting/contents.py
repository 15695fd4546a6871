"""What the folder of a run holds, gathered for its report; what is missing or damaged becomes a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.reporting import safe_files
from dcgan.reporting.pictures import Grids, Picture, chosen, room_for
from dcgan.reporting.series import Points, Series
from dcgan.run import overview
from dcgan.run.folder import RunDir

MOST_SKIPPED = 200  # files that are listed, of those that were left out of the data
T = TypeVar("T")


@dataclass
class Contents:
    """What was found of a run; `lacks` are sentences about what was not."""

    name: str
    around: str = ""  # the name of the folder that holds the run's
    config: Config | None = None
    points: dict[str, Points] = field(default_factory=dict)  # the numbers of log.jsonl and timing.jsonl by name
    step: int = 0  # the newest one of the log
    last_step: int | None = None  # with which the run is finished
    state: str = "stopped"  # or running, or finished
    record: dict[str, Any] = field(default_factory=dict)  # run.json
    measure: list[Any] = field(default_factory=list)  # measure.json
    grids: dict[int, Picture] = field(default_factory=dict)  # by step
    grids_found: int = 0
    real: Picture | None = None
    skipped: list[str] = field(default_factory=list)  # the first lines of skipped.txt
    skipped_found: int = 0
    lacks: list[str] = field(default_factory=list)


class Watched:
    """A run whose report may be written more than once: what was read of its log and its grids is kept between."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.run = RunDir(path)
        self.log = Series(self.run.path, self.run.log)
        self.timing = Series(self.run.path, self.run.path / "timing.jsonl")
        self.grids = Grids(self.run)

    def contents(self, runs: int = 1) -> Contents:
        """Return what the folder holds now; runs: how many share the page."""
        run, folder = self.run, self.run.path
        place = run.path.resolve()
        found = Contents(place.name, place.parent.name)
        found.config = _tried(found, lambda: _config(run), None)
        found.record = _tried(found, lambda: safe_files.read_json(folder, run.record, dict), {})
        for series in (self.log, self.timing):
            _tried(found, series.read, None)
            found.lacks += series.notes()
            found.points |= series.points()
        found.step = self.log.newest
        if not self.log.columns:
            found.lacks.append("the log has no step yet")
        found.last_step = _last_step(found)
        found.state = overview.state(run, found.step, found.last_step)
        self._pictures(found, runs)
        measure = folder / "measure.json"
        if os.path.lexists(measure):
            found.measure = _tried(found, lambda: safe_files.read_json(folder, measure, list), [])
        _skipped(found, run)
        return found

    def _pictures(self, found: Contents, runs: int) -> None:
        """Read the grids that fit into the page, and the one of real pictures."""
        real = self.run.samples / "real.png"
        files = self.grids.steps()
        sizes = [path.lstat().st_size for path in files.values()]
        steps, found.grids_found = chosen(list(files), room_for(sizes, runs)), len(files)
        for step in steps:
            if picture := _tried(found, partial(self.grids.picture, files[step]), None):
                found.grids[step] = picture
        if not files:
            found.lacks.append("there is no sample grid yet")
        found.real = _tried(found, partial(self.grids.picture, real), None)
        self.grids.forget_all_but([*(files[step] for step in steps), real])


def require_run(path: str | os.PathLike) -> None:
    """Raise UserError where a path is no folder, or one without any file of a run."""
    run = RunDir(path)
    if not run.path.is_dir():
        raise UserError(f"no such run folder: {path}")
    if not any(os.path.lexists(file) for file in (run.config, run.log, run.record, run.samples)):
        raise UserError(f"{path} is no run folder: expected config.json and log.jsonl in it")


def _tried(found: Contents, do: Callable[[], T], otherwise: T) -> T:
    """Return what a reading gives; where it fails, note what is lacking and return the other value."""
    try:
        return do()
    except UserError as error:
        found.lacks.append(str(error))
    except OSError as error:
        found.lacks.append(f"{Path(os.fsdecode(error.filename or '')).name}: {error.strerror or error}")
    return otherwise


def _config(run: RunDir) -> Config:
    return Config.from_json(safe_files.read_text(run.path, run.config), run.config.name)


def _last_step(found: Contents) -> int | None:
    """Return the step with which the run is finished, from run.json, else from its options, where they tell."""
    last = found.record.get("last_step")
    if type(last) is int and last >= 0:
        return last
    return found.config.steps if found.config else None


def _skipped(found: Contents, run: RunDir) -> None:
    """Read the list of files that were left out of the data, if there is one."""
    if os.path.lexists(run.skipped):
        content = _tried(found, lambda: safe_files.read_bytes(run.path, run.skipped, 2**26), b"")
        lines = content.decode("utf-8", "replace").splitlines()
        found.skipped, found.skipped_found = lines[:MOST_SKIPPED], len(lines)
