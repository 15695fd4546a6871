"""What the tests of runs share: a tiny training on the command line, in this process or in one of its own; fixtures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcgan import generate, train
from dcgan.run import curves
from gpunet import checkpoint
from gpunet.backend import choices

ROOT = Path(__file__).parents[2]
PLACE = ["--device cpu --implementation reference"]  # runs are the same on all
TINY = ["--width 4 --image-size 16 --z-dim 5 --batch-size 8 --samples 6 --no-progress", *PLACE]


def write_pictures(folder: Path, count: int = 20, mode: str = "RGB") -> Path:
    """Make a folder of small random PNGs."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 256, (16, 16, len(mode)), dtype="uint8")
        Image.fromarray(pixels.squeeze(), mode=None).save(folder / f"{i:02d}.png")
    return folder


def words(arguments: tuple[object, ...]) -> list[str]:
    """Return a command line; texts that begin with an option are cut at spaces, paths are not."""
    cut = (argument.split() if str(argument).startswith("--") else [str(argument)] for argument in arguments)
    return [word for part in cut for word in part]


def run_train(*arguments: object) -> int:
    """Train in this process; return the exit status."""
    return train.main(words(arguments))


def run_generate(*arguments: object) -> int:
    """Generate in this process; return the exit status."""
    return generate.main(words(arguments))


def start(*arguments: object) -> subprocess.Popen:
    """Start a training in a process of its own, on one core."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dcgan.train", *words(arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def content(run: Path) -> dict[str, object]:
    """Return every file of a run folder that is to be the same in every repetition.

    Of checkpoints, all but the config: the number of steps asked for may change with a resume.
    """
    files = [path for path in run.rglob("*") if path.is_file() and path.name not in ("timing.jsonl", "run.json")]
    return {str(path.relative_to(run)): arrays(path) if path.suffix == ".h5" else path.read_bytes() for path in files}


def arrays(path: Path) -> object:
    """Return the tree of a checkpoint without its config, each array as its type, shape and bytes."""

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if key != "config"}
        return (str(value.dtype), value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value

    return plain(checkpoint.load(path))


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """Take back after each test what a command line chose."""
    monkeypatch.setattr(choices, "_chosen", dict(choices._chosen))
    yield


@pytest.fixture
def tiny(tmp_path):
    """The options of a tiny training on 20 pictures, in the folder of `runs`."""
    return [*TINY, "--data", write_pictures(tmp_path / "data"), "--out", tmp_path / "runs"]


@pytest.fixture
def often(tiny):
    """The same with a checkpoint every 3 steps and a grid every 4, all of them kept."""
    return [*tiny, "--sample-every 4 --checkpoint-every 3 --keep 99"]


@pytest.fixture
def runs(tmp_path):
    """Where its runs lie."""
    return tmp_path / "runs"


@pytest.fixture
def run(runs):
    """Its first run."""
    return runs / "0001-dcgan64"


@pytest.fixture
def numbers_for_plot(monkeypatch):
    """Write the numbers of the loss plot instead of drawing them, which takes longer than the training."""
    monkeypatch.setattr(curves, "save_plot", lambda path, run: path.write_text(str(run[1])))
