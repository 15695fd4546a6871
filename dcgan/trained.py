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
from dcgan.exchange import weights as exchange
from dcgan.run import record, resume
from dcgan.run.folder import RunDir
from gpunet.layers import Sequential
from gpunet.torch_format import from_torch

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
    """Return the generator of a run folder, a checkpoint or a file of weights; given: options to replace.

    weights: ema, the moving average of G's weights, which draws the sample grids, too; or raw, the weights themselves;
    None: ema where the checkpoint has it, else raw. with_D: load the discriminator as well; a file may have none.
    Raises UserError where there is no checkpoint, it does not fit, it lacks the average that was asked for, or it holds
    weights that are NaN or infinite.
    """
    if exchange.is_file(Path(path)):
        return _from_file(path, given, weights, with_D)
    found = resume.find(path, lambda line: print(line, file=sys.stderr))
    if found.state is None:
        raise UserError(
            f"{path} has no checkpoint yet: wait for its training to write one, or go on with it: "
            f"python -m dcgan.train --resume {path}"
        )
    config, device, G, D = _networks(found.config, given, with_D)
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


def _networks(
    config: Config, given: Mapping[str, Any], with_D: bool
) -> tuple[Config, str, Sequential, Sequential | None]:
    """Return a config with options given anew, the device, and new networks: G and, if asked for, D."""
    # Without its precision, and without kernels for one kind of GPU: what trained on a GPU may draw on a CPU.
    conv = "auto" if config.conv == "wgmma" else config.conv
    config = replace(config, **{"precision": None, "conv": conv, **given})
    preset = presets.find(config.preset)
    return config, choose_device(config), preset.generator(config), preset.discriminator(config) if with_D else None


def _from_file(path: str, given: Mapping[str, Any], weights: str | None, with_D: bool) -> Trained:
    """Return the networks of a file of weights, which holds one kind of them. UserError: it does not fit."""
    held = exchange.opened(Path(path))
    if weights not in (None, held.weights):
        raise UserError(f"--weights {weights}: {path} holds the weights {held.weights}")
    config, device, G, D = _networks(held.config, given, with_D and held.D is not None)
    with resume.fitting(path):
        for net, arrays in ((G, held.G), (D, held.D)):
            if net and arrays:
                resume.require_finite(dict(arrays), Path(path), "weights")
                from_torch(net, arrays)
    return Trained(G.to(device), config, held.run, held.step, held.weights, held.classes, D and D.to(device))


def require(path: str) -> Path:
    """Return the path of a run folder or a checkpoint. Raises UserError where there is none."""
    if not Path(path).exists():
        raise UserError(f"no such run folder or checkpoint: {path}")
    return Path(path)


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
