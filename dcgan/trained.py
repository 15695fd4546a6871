"""Trained: the generator of a run, as its newest checkpoint or a given one holds it, with what the run says of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dcgan import presets
from dcgan.address import Address
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
    D: Sequential | None = None  # the discriminator, if `load` was asked for it

    def address(self, seed: int, index: int, label: int | None = None) -> Address:
        """Return the address of the index-th picture of a seed, from 1; label: the class asked for."""
        return Address(self.run, self.step, seed, index, self.weights, label)


def load(path: str, given: Mapping[str, Any], weights: str | None = None, with_D: bool = False) -> Trained:
    """Return the generator of a run folder or a checkpoint file; given: options of its config to replace.

    weights: ema, the moving average of G's weights, which draws the sample grids, too; or raw, the weights themselves;
    None: ema where the checkpoint has it, else raw. with_D: load the discriminator as well.
    Raises UserError where there is no checkpoint, it does not fit, it lacks the average that was asked for, or it holds
    weights that are NaN or infinite.
    """
    found = resume.find(path, lambda line: print(line, file=sys.stderr))
    if found.state is None:
        raise UserError(f"{path} has no checkpoint yet: train it first, with --resume {path}")
    config = replace(found.config, **{"precision": None, **given})  # what trained on a GPU may draw on a CPU
    device, preset = choose_device(config), presets.find(config.preset)
    G, D = preset.generator(config), preset.discriminator(config) if with_D else None
    with resume.fitting(path):
        if D:
            D.load_state_dict(found.state["gan"]["D"])
        states = {name: found.state["gan"][part] for name, part in NETWORKS.items() if part in found.state["gan"]}
        chosen = weights or ("ema" if "ema" in states else "raw")
        if chosen == "ema" and "ema" not in states:
            raise UserError(f"--weights ema: {path} has no moving average of G's weights: draw with --weights raw")
        for state in (*states.values(), states[chosen]):  # all, so that a part of another network is refused
            G.load_state_dict(state)
        step = int(found.state["step"])
    folder = folder_of(Path(path))
    return Trained(G.to(device), config, folder.name, step, chosen, class_names(folder), D and D.to(device))


def folder_of(path: Path) -> Path:
    """Return the run folder that a path names: itself, or for RUN/checkpoints/000500.h5 RUN."""
    place = path.resolve()
    return place if place.is_dir() else place.parent.parent


def checkpoint_of(address: Address, path: str | None, out: str = Config.out) -> str:
    """Return the checkpoint file of an address; path: the run folder or the file, None: it is under its name in out.

    Raises UserError where the checkpoint of that step is not there.
    """
    place = Path(path) if path else Path(out) / address.run
    if place.is_dir() or not path:
        run = RunDir(place)
        place = run.checkpoint(address.step)
        if not place.exists():
            kept = ", ".join(str(int(each.stem)) for each in reversed(run.saved())) or "none"
            raise UserError(f"--address: {run.path} has no checkpoint of step {address.step}; there are: {kept}")
    return str(place)


def class_names(folder: Path) -> Sequence[str]:
    """Return the names of a run's classes, by label: the list "classes" of its run.json; () where there is none."""
    names = record.read(RunDir(folder)).get("classes")
    named = tuple(map(str, names)) if isinstance(names, list) else ()
    return () if named == tuple(map(str, range(len(named)))) else named  # "0", "1" ... say no more than the labels
