"""Trained: the generator of a run, as its newest checkpoint or a given one holds it, with what the run says of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dcgan import presets
from dcgan.address import Address
from dcgan.config import Config, require_known
from dcgan.device import choose_device
from dcgan.errors import UserError
from dcgan.exchange import weights as exchange
from dcgan.run import record, resume
from dcgan.run.folder import RunDir
from gpunet import checkpoint
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

    def require_at(self, address: Address, renamed: bool = False) -> None:
        """Raise UserError where an address is one of another run, step or weights; renamed: of any run's name."""
        run = address.run if renamed else self.run
        if address != replace(address, run=run, step=self.step, weights=self.weights):
            here = f"{self.run}, step {self.step}, weights {self.weights}"
            raise UserError(f"got the address {address.text()}, expected one of {here}")


def load(path: str, given: Mapping[str, Any], weights: str | None = None, with_D: bool = False) -> Trained:
    """Return the generator of a run folder, a checkpoint or a file of weights; given: options to replace.

    weights: ema, the moving average of G's weights, which draws the sample grids, too; or raw, the weights themselves;
    None: ema where the checkpoint has it, else raw. with_D: load the discriminator as well; a file may have none.
    Raises UserError where there is no checkpoint, it does not fit, it lacks the average that was asked for, or it holds
    weights that are NaN or infinite.
    """
    if exchange.is_file(require(path)):
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
    run, classes = name_of(Path(path)), class_names(found.state, Path(path))
    return Trained(G.to(device), config, run, step, chosen, classes, D and D.to(device))


def _networks(
    config: Config, given: Mapping[str, Any], with_D: bool
) -> tuple[Config, str, Sequential, Sequential | None]:
    """Return a config with options given anew, the device, and new networks: G and, if asked for, D."""
    require_known(given)
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
    """Return the path of a run. Raises UserError where there is none, or a file that can be none."""
    place = Path(path)
    if not place.exists():
        raise UserError(f"no such run folder or checkpoint: {path}")
    try:
        checkpoint_or_folder = not place.is_file() or checkpoint.begins(place)
    except checkpoint.CheckpointError as error:
        raise UserError(str(error)) from error
    if not checkpoint_or_folder and not exchange.is_file(place):
        raise UserError(f"{path} is no checkpoint (.h5), and none of the files that hold a run: {exchange.KINDS}")
    return place


def folder_of(path: Path) -> Path:
    """Return the folder that a path belongs to.

    It is the path itself if that is a folder, RUN for RUN/checkpoints/000500.h5, and the folder around any other file.
    """
    place = path.resolve()
    if place.is_dir():
        return place
    return place.parent.parent if place.parent.name == RunDir(place).checkpoints.name else place.parent


def name_of(path: Path) -> str:
    """Return the name of the run at a path: its folder's, or that of a checkpoint file which lies in no run folder."""
    place, folder = path.resolve(), folder_of(path)
    return place.stem if place.is_file() and folder == place.parent else folder.name


def checkpoint_of(address: Address, path: str | None, out: str = Config.out) -> str:
    """Return the file of an address, or the folder that dcgan.export filled; None: it is under its run's name in out.

    path: what was given as the run. A file of it is not looked into; see Trained.require_at. Raises UserError where a
    run folder has no checkpoint of that step.
    """
    place = Path(path) if path else Path(out) / address.run
    if exchange.is_file(place) or (path and not place.is_dir()):
        return str(place)
    run = RunDir(place)
    place = run.checkpoint(address.step)
    if not place.exists():
        kept = ", ".join(str(int(each.stem)) for each in reversed(run.saved())) or "none"
        raise UserError(f"--address: {run.path} has no checkpoint of step {address.step}; there are: {kept}")
    return str(place)


def class_names(state: Mapping[str, Any], path: Path) -> Sequence[str]:
    """Return the names of a run's classes, by label; () where there are none.

    They are in the state of a checkpoint, and for those of older versions in the run.json of their folder.
    """
    names = state.get("classes", record.read(RunDir(folder_of(path))).get("classes"))
    named = tuple(map(str, names)) if isinstance(names, list) else ()
    return () if named == tuple(map(str, range(len(named)))) else named  # "0", "1" ... say no more than the labels
