"""Weights: the networks of a trained GAN without their training, as every kind of file holds them.

Arrays have PyTorch's names and layout (gpunet.torch_format): a convolution's "0.weight" is (C_out, C_in, KH, KW). What
else a file says, its texts, is the same everywhere:

    options    the config of the run as JSON        run, step, weights, classes    what it is, and whose

Files of pytorch/examples hold no texts. Their networks are known by the shapes of their arrays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np

from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.exchange import npz, pth, safetensors
from gpunet.torch_format import to_torch

Arrays = Mapping[str, np.ndarray]
MAIN = "main."  # pytorch/examples keep each network in an attribute of this name
KINDS = "pth, safetensors, npz or hub of dcgan.export, netG.pth of pytorch/examples"  # those that can be read
MODEL, TEXTS = "model.safetensors", "config.json"  # the names of files in a folder for the Hub, or beside a .pth


class Weights(NamedTuple):
    """G's and D's arrays under PyTorch's names, and what a file says of them; D is None where a file has G alone."""

    G: Arrays
    D: Arrays | None
    config: Config
    run: str
    step: int = 0
    weights: str = "raw"
    classes: tuple[str, ...] = ()

    def texts(self) -> dict[str, str]:
        """Return what a file says beside the arrays."""
        numbers = {"step": str(self.step), "weights": self.weights, "classes": json.dumps(self.classes)}
        return {"format": "dcgan", "options": json.dumps(asdict(self.config)), "run": self.run, **numbers}

    def joined(self) -> dict[str, np.ndarray]:
        """Return the arrays of both networks under one roof: "G.0.weight", "D.0.weight"."""
        of_D = {} if self.D is None else {f"D.{name}": array for name, array in self.D.items()}
        return {f"G.{name}": array for name, array in self.G.items()} | of_D


def gathered(run: Any) -> Weights:
    """Return the weights of a dcgan.trained.Trained."""
    D = run.D and to_torch(run.D)
    return Weights(to_torch(run.G), D, run.config, run.run, run.step, run.weights, tuple(run.classes))


def is_file(path: Path) -> bool:
    """Return whether a path is a file of weights, or a folder that dcgan.export has filled.

    An ONNX file counts, too: `opened` says why it is refused.
    """
    return path.suffix.lower() in READERS or _inside_folder(path) is not None


def opened(path: Path) -> Weights:
    """Return the weights of a file, or of a folder of them. Raises UserError where they cannot be read."""
    path = _inside_folder(path) or path
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    return READERS[path.suffix.lower()](path)


def _inside_folder(folder: Path) -> Path | None:
    """Return the file of G in a folder that dcgan.export has filled, None for any other path, a run folder included."""
    if (folder / "checkpoints").is_dir():
        return None
    return next((folder / name for name in (MODEL, "netG.pth", "G.onnx") if (folder / name).is_file()), None)


def _of_one_file(read: Callable[[Path], tuple[Arrays, Mapping[str, str]]]) -> Callable[[Path], Weights]:
    def opened(path: Path) -> Weights:
        arrays, texts = read(path)
        G, D = (_inside(arrays, f"{net}.") for net in "GD")
        if not G or "options" not in texts:
            raise UserError(f"{path} holds no network of dcgan: expected a file that dcgan.export has written")
        return _described(G, D or None, texts, path)

    return opened


def _of_pth(path: Path) -> Weights:
    """Return the weights of netG.pth and, where it is there, of netD.pth beside it."""
    G, texts = _bare(pth.read(path)), path.parent / TEXTS
    beside = path.with_name(path.name.replace("netG", "netD"))
    D = _bare(pth.read(beside)) if beside != path and beside.is_file() else None
    if texts.is_file():
        return _described(G, D, _texts_of(texts), path)
    return Weights(G, D, like_pytorch_examples(G, path), path.stem)


def _of_onnx(path: Path) -> Weights:
    """Raise UserError: a graph lacks numbers that a run needs (docs/exchange.md)."""
    raise UserError(f"{path} is an ONNX file, which holds no run: export the run as safetensors, npz, pth or hub")


READERS = {
    ".pth": _of_pth,
    ".pt": _of_pth,
    ".safetensors": _of_one_file(safetensors.read),
    ".npz": _of_one_file(npz.read),
    ".onnx": _of_onnx,
}


def _texts_of(path: Path) -> Mapping[str, str]:
    try:
        texts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {path}, which says what the weights beside it are: {error}") from error
    return texts if isinstance(texts, dict) else {}


def _described(G: Arrays, D: Arrays | None, texts: Mapping[str, str], path: Path) -> Weights:
    """Return weights with what a file says of them. UserError: it says none of that, or nonsense."""
    try:
        config = Config.from_json(texts["options"], str(path))
        names = json.loads(texts.get("classes", "[]"))
        classes = tuple(map(str, names)) if isinstance(names, list) else ()
        step, weights = int(texts.get("step", "0")), texts.get("weights", "raw")
        return Weights(G, D, config, _name(texts.get("run", path.stem)), step, weights, classes)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} does not say what its networks are: {error}") from error


def _name(run: Any) -> str:
    """Return the name of a run, which begins the names of pictures. ValueError: it would lead to another folder."""
    if not isinstance(run, str) or not run or not run.isprintable() or PureWindowsPath(run).name != run:
        raise ValueError(f"got the run {run!r:.40}, expected a name without '/'")
    return run


def _inside(arrays: Arrays, prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _bare(arrays: Arrays) -> dict[str, np.ndarray]:
    """Return arrays without the names of what holds the network: "module.main.0.weight" is "0.weight"."""
    for prefix in ("state_dict.", "module.", MAIN):  # of a checkpoint, of DataParallel, of pytorch/examples
        arrays = _inside(arrays, prefix) or arrays
    return dict(arrays)


def like_pytorch_examples(G: Arrays, path: Path) -> Config:
    """Return the config of pytorch/examples' generator with arrays of these shapes. UserError: they are of another.

    ConvTranspose2d's weights are (C_in, C_out, KH, KW): the first (nz, 8 ngf, 4, 4), the last (ngf, nc, 4, 4); every
    one between doubles the map.
    """
    shapes = [array.shape for array in G.values() if array.ndim == 4]
    if (
        len(shapes) < 2
        or shapes[-1][1] not in (1, 3)
        or any(shape[0] != before[1] for before, shape in zip(shapes, shapes[1:], strict=False))
    ):
        raise UserError(
            f"{path} is no generator of pytorch/examples, and there is no {TEXTS} beside it that says what it is: "
            "export it with dcgan.export, or take netG.pth"
        )
    base, doublings = shapes[0][2:], len(shapes) - 1
    return Config(
        image_size=(base[0] << doublings, base[1] << doublings),
        z_dim=shapes[0][0], width=shapes[-1][0], channels=shapes[-1][1],
    )  # fmt: skip
