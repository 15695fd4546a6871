"""Finds the checkpoint that a path leads to, and says which options a resumed run may change."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from dcgan.config import Config, option_name
from dcgan.errors import UserError
from dcgan.run import record
from dcgan.run.folder import RunDir
from gpunet import checkpoint
from gpunet.checkpoint import CheckpointError
from gpunet.layers import BatchNorm, Layer

Say = Callable[[str], None]

# Changing one of the first list leaves the run what it is. One of the second makes it go on otherwise than it would
# have, which is said and noted. All else decides what the networks and the data are: with it, it would be another run.
HARMLESS = (
    "data", "epochs", "steps", "device", "implementation", "precision", "conv", "graph", "out", "real_grids",
    "real_first", "tensorboard", "sample_every", "report_every", "checkpoint_every", "keep", "measure_every",
    "measure_count", "measure_features", "checkpoint_minutes", "on_collapse", "ranks",
)  # fmt: skip
COURSE = (
    "lr", "beta1", "beta2", "lr_schedule", "lr_decay", "lr_period", "l2", "batch_size", "last_batch", "flip", "ratio",
    "fresh_z", "alternate", "real_target", "fake_target", "generator_target", "samples", "ema", "lr_g", "lr_d",
    "augment", "instance_noise", "clip_grad", "accumulate", "loss", "clip_weights", "gp", "r1", "r1_every", "sync_bn",
)  # fmt: skip
CHANGEABLE = HARMLESS + COURSE


@dataclass
class Found:
    """A run, as found at a path that was given to --resume or generate."""

    config: Config
    state: dict[str, Any] | None  # None: the run was killed before its first checkpoint
    run: RunDir | None  # where training goes on; None: in a new folder, because going on here would overwrite
    log: Path | None = None  # the log that the new folder begins with


def find(path: str, say: Say = print) -> Found:
    """Return what lies at a run folder or a checkpoint file. Raises UserError for anything else."""
    place = Path(path)
    if place.is_dir():
        return _in_folder(RunDir(place), say)
    if not place.exists():
        raise UserError(f"no such run folder or checkpoint: {path}")
    try:
        state = checkpoint.load(place)
    except CheckpointError as error:
        raise UserError(str(error)) from error
    run = RunDir(place.resolve().parent.parent)
    newest = run.saved()[:1]
    if newest and newest[0].samefile(place):
        return Found(_config(state, place, run), state, run)
    out = str(run.path.parent) if newest else Config.out  # a stranger's file does not choose where to write
    return Found(replace(_config(state, place), out=out), state, None, run.log if newest else None)


def _in_folder(run: RunDir, say: Say) -> Found:
    newest = run.newest(say)
    if newest:
        return Found(_config(newest[1], newest[0], run), newest[1], run)
    if run.saved():
        raise UserError(f"{run.path}: none of its checkpoints is complete")
    if not run.config.exists():
        raise UserError(f"{run.path} is no run folder: expected config.json and checkpoints/ in it")
    return Found(Config.read(run.config), None, run)


def _config(state: dict[str, Any], path: Path, run: RunDir | None = None) -> Config:
    """Return the checkpoint's config, with what a later resume of the run changed since it was written."""
    if not isinstance(state, dict) or not isinstance(state.get("config"), str):
        raise UserError(f"{path} is no checkpoint of a dcgan run: it holds no config")
    require_finite(state.get("gan"), path, "gan")
    config = Config.from_json(state["config"], str(path))
    if run is None or not run.config.exists():
        return config
    later = Config.read(run.config)
    return replace(config, **{name: getattr(later, name) for name in CHANGEABLE})


def require_finite(values: Any, path: Path, name: str) -> None:
    """Raise UserError where a number of a checkpoint is NaN or infinite: no training has saved such a one."""
    if isinstance(values, dict):
        for key, value in values.items():
            require_finite(value, path, f"{name} {key}".removeprefix("gan "))
    elif isinstance(values, np.ndarray | float) and not np.isfinite(values).all():
        raise UserError(f"{path}: {name} is not finite (NaN or infinite): take an earlier checkpoint")


def changed(config: Config, given: Mapping[str, Any]) -> Config:
    """Return the config of a resumed run with options given anew. Raises UserError for one that may not change."""
    new = replace(config, **given)
    if "epochs" in given and "steps" not in given:
        new = replace(new, steps=None)  # steps would win over the epochs just asked for
    for name in sorted({item.name for item in fields(Config)} - set(CHANGEABLE)):
        before, after = getattr(config, name), getattr(new, name)
        if before != after and name == "init_from":
            raise UserError("--init-from: begins a new run: leave --resume out")
        if before != after:
            may = " ".join(map(option_name, CHANGEABLE))
            raise UserError(f"{option_name(name)}: got {after}, the run has {before}; what a resume may change: {may}")
    return new


def course_changes(before: Config, after: Config) -> list[str]:
    """Return the options that change the course of a run, such as "--lr 0.0002 -> 0.0001"."""
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in COURSE]
    return [f"{option_name(name)} {old} -> {new}" for name, old, new in pairs if old != new]


def changed_ranks(found: Found, now: Config, nets: Iterable[Layer], step: int, size: int) -> list[str]:
    """Return in words, as a list of one or none, that `size` processes after step take other statistics than before."""
    before = _ranks_of(found, step)
    alike = before in (None, size) or found.config.sync_bn or now.sync_bn
    if alike or not any(isinstance(layer, BatchNorm) for net in nets for layer in net.walk()):
        return []
    return [f"ranks {before} -> {size} (without --sync-bn batch norm takes other statistics)"]


def _ranks_of(found: Found, step: int) -> int | None:
    """Return how many processes trained a step, by the newest start before it; None where run.json does not tell."""
    run = found.run or (RunDir(found.log.parent) if found.log else None)
    starts = record.read(run).get("starts") if run else None
    for start in reversed(starts if isinstance(starts, list) else []):
        begun = start.get("from_step") if isinstance(start, dict) else None
        if type(begun) is int and begun < step:
            size = start.get("ranks", 1)
            return size if type(size) is int and size > 0 else None
    return None


@contextlib.contextmanager
def fitting(path: str) -> Iterator[None]:
    """Turn the errors of a state that lacks parts or has others than the network into a UserError."""
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise UserError(f"{path} does not fit the network of its own config: {error}") from error
