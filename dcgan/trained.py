"""Trained: the generator of a run, as its newest checkpoint or a given one holds it, with what the run says of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dcgan import presets
from dcgan.config import Config
from dcgan.device import choose_device
from dcgan.errors import UserError
from dcgan.run import record, resume
from dcgan.run.folder import RunDir
from gpunet.layers import Sequential

NETWORKS = {"ema": "average_G", "raw": "G"}  # --weights and the part of a checkpoint that has them


class Trained(NamedTuple):
    """A generator on its device, its config, the name of its run, its steps, its weights, the names of its classes."""

    G: Sequential
    config: Config
    run: str
    step: int
    weights: str = "raw"  # ema: the moving average of G's weights; raw: the weights as they were trained
    classes: Sequence[str] = ()  # () where the run knows no names


def load(path: str, given: Mapping[str, Any], weights: str | None = None) -> Trained:
    """Return the generator of a run folder or a checkpoint file; given: options of its config to replace.

    weights: ema, the moving average of G's weights, which draws the sample grids, too; or raw, the weights themselves;
    None: ema where the checkpoint has it, else raw.
    Raises UserError where there is no checkpoint, it does not fit, it lacks the average that was asked for, or it holds
    weights that are NaN or infinite.
    """
    state, config = _found(path, given)
    device = choose_device(config)
    G = presets.find(config.preset).generator(config)
    with resume.fitting(path):
        states = {name: state["gan"][part] for name, part in NETWORKS.items() if part in state["gan"]}
        chosen = weights or ("ema" if "ema" in states else "raw")
        if chosen == "ema" and "ema" not in states:
            raise UserError(f"--weights ema: {path} has no moving average of G's weights: draw with --weights raw")
        for weights_of in (*states.values(), states[chosen]):  # all, so that a part of another network is refused
            G.load_state_dict(weights_of)
        step = int(state["step"])
    folder = folder_of(Path(path))
    return Trained(G.to(device), config, folder.name, step, chosen, class_names(folder))


def discriminator(path: str, given: Mapping[str, Any]) -> Sequential:
    """Return D of a run folder or a checkpoint, on the CPU; given and what is raised: as for `load`."""
    state, config = _found(path, given)
    D = presets.find(config.preset).discriminator(config)
    with resume.fitting(path):
        D.load_state_dict(state["gan"]["D"])
    return D


def _found(path: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], Config]:
    """Return the state of a checkpoint, and its config with options given anew."""
    found = resume.find(path, lambda line: print(line, file=sys.stderr))
    if found.state is None:
        raise UserError(f"{path} has no checkpoint yet: train it first, with --resume {path}")
    return found.state, replace(found.config, **{"precision": None, **given})  # trained on a GPU, drawn on a CPU


def require(path: str) -> Path:
    """Return the path of a run folder or a checkpoint. Raises UserError where there is none."""
    if not Path(path).exists():
        raise UserError(f"no such run folder or checkpoint: {path}")
    return Path(path)


def folder_of(path: Path) -> Path:
    """Return the run folder that a path names: itself, or for RUN/checkpoints/000500.h5 RUN."""
    place = path.resolve()
    return place if place.is_dir() else place.parent.parent


def class_names(folder: Path) -> Sequence[str]:
    """Return the names of a run's classes, by label: the list "classes" of its run.json; () where there is none."""
    names = record.read(RunDir(folder)).get("classes")
    named = tuple(map(str, names)) if isinstance(names, list) else ()
    return () if named == tuple(map(str, range(len(named)))) else named  # "0", "1" ... say no more than the labels
