"""What dcgan.invert and dcgan.complete share: their options, the pictures that they read, the files that they write."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from dcgan import api, cli, options, quick
from dcgan.data.recipe import Recipe
from dcgan.generate_options import CHECKED, as_label, as_output
from dcgan.inversion.effort import Effort
from dcgan.inversion.one_picture import read
from dcgan.inversion.search import Found
from dcgan.options import option_name
from dcgan.picture_files import PictureFiles, require_free
from dcgan.sampling import lowest
from gpunet import backend
from gpunet.files import write_atomically

GAP = 2  # white columns between the pictures of a row
LAST = 10  # times that a GIF shows its last picture
QUICK = {"steps": 2, "starts": 2}  # with DCGAN_QUICK


@dataclass(frozen=True)
class Asked:
    """A command line of either command, checked: the run, its recipe, pictures and names, the effort, --label, --out.

    pictures: uint8 (N, H, W, C). names: their paths, as given. label: the class of all pictures; None: not given.
    """

    run: api.Run
    recipe: Recipe
    pictures: np.ndarray
    names: Sequence[str]
    effort: Effort
    label: int | None
    files: PictureFiles

    @property
    def targets(self) -> np.ndarray:
        """The pictures as numbers in the range of G's pictures, float32."""
        return backend.images_to_real(self.pictures, low=lowest(self.run.G))

    @property
    def labels(self) -> np.ndarray | None:
        """The class of each picture, (N,); None: none was given."""
        return None if self.label is None else np.full(len(self.names), self.label, "int32")


def add_options(parser: cli.Parser, prior: float) -> None:
    """Add the arguments and options of both commands; prior: the default of --prior."""
    parser.add_argument("run", metavar="RUN", help="a run folder, a checkpoint, or a file that dcgan.export wrote")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files, cut and sized as the run's data")
    search, files = parser.add_argument_group("search"), parser.add_argument_group("files")
    for item in fields(Effort):
        default = prior if item.name == "prior" else item.default
        form: dict[str, Any] = {"action": "store_true"} if default is False else {"metavar": item.metadata["metavar"]}
        shown = "" if default is False else f" ({default:g})"
        search.add_argument(option_name(item.name), default=default, help=item.metadata["help"] + shown, **form)
    help = "class of all pictures, for networks that are told classes (each class is tried)"
    search.add_argument("--label", metavar="NAME|N", help=help)
    search.add_argument("--weights", metavar="NAME", help="weights of G: ema or raw (ema where the run has it)")
    files.add_argument("--out", metavar="DIR", required=True, help="folder for the results")
    files.add_argument("--scale", metavar="N", help="enlargement of the pictures (1; a GIF gets at least 128 rows)")
    files.add_argument("--overwrite", action="store_true", help="replace results that are there")
    machine: Any = parser.add_argument_group("machine")
    cli.add_options(machine, "device", "implementation", "conv")


def take(given: argparse.Namespace, software: str) -> Asked:
    """Return what a command line asks for, its pictures read. UserError: something does not fit."""
    effort = Effort(**{item.name: getattr(given, item.name) for item in fields(Effort)})
    if quick.notice():
        effort = Effort(**{**asdict(effort), **QUICK})
    out, more = as_output(given.out, ("",)), {name: getattr(given, name) for name in ("weights", "scale")}
    weights, scale = (value and options.named(f"--{name}", CHECKED[name], value) for name, value in more.items())
    if not given.overwrite:
        require_free(out)
    of_machine = {name: value for name in ("device", "implementation", "conv") if (value := vars(given).get(name))}
    run = api.load(given.run, weights, sampling_statistics="running", **of_machine)
    c = run.config
    recipe = Recipe(c.image_size, c.crop, c.channels or 3, c.crop_larger)
    pictures = np.stack([read(path, recipe) for path in given.pictures])
    texts = {"Software": software, "run": run.name, "step": str(run.step), "weights": run.weights}
    label = as_label(given.label, run.config, run.labels)
    return Asked(run, recipe, pictures, given.pictures, effort, label, PictureFiles(out, scale, texts=texts))


def side_by_side(*pictures: np.ndarray) -> np.ndarray:
    """Return pictures (N, H, W, C) of several kinds as rows (N, H, wider, C), white columns between them."""
    gap = np.full((*pictures[0].shape[:2], GAP, pictures[0].shape[3]), 255, "uint8")
    parts = [part for each in pictures for part in (each, gap)]
    return np.concatenate(parts[:-1], axis=2)


def write(asked: Asked, found: Found, facts: Sequence[dict[str, Any]], convergence: Sequence[np.ndarray]) -> None:
    """Write convergence.gif, z.npy and found.json; facts: what is said of each picture beside its file and loss."""
    out = asked.files.out
    asked.files.gif("convergence.gif", [*convergence, *[convergence[-1]] * LAST])
    with (out / "z.npy.part").open("wb") as file:
        np.save(file, found.z)
    (out / "z.npy.part").replace(out / "z.npy")
    each = []
    for i, name in enumerate(asked.names):
        label = {} if found.labels is None else {"label": asked.run.labels[found.labels[i]]}
        each.append({"file": name, **label, "loss": float(found.losses[i]), **facts[i]})
    run = {"run": asked.run.name, "step": asked.run.step, "weights": asked.run.weights}
    text = json.dumps({**run, **asdict(asked.effort), "z": "z.npy", "pictures": each}, indent=2)
    write_atomically(out / "found.json", f"{text}\n".encode())
