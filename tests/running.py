"""What the tests of runs share: a tiny training on the command line, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from cases import IMPLEMENTATIONS
from dcgan import generate, train
from gpunet import checkpoint

ROOT = Path(__file__).parent.parent
PLACE = ["--device", "cpu", "--implementation", IMPLEMENTATIONS[-1]]
TINY = [*"--width 4 --image-size 16 --z-dim 5 --batch-size 8 --samples 6 --no-progress".split(), *PLACE]


def write_pictures(folder: Path, count: int = 20, mode: str = "RGB") -> Path:
    """Make a folder of small random PNGs."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 256, (16, 16, len(mode)), dtype="uint8")
        Image.fromarray(pixels.squeeze(), mode=None).save(folder / f"{i:02d}.png")
    return folder


def run_train(*arguments: object) -> int:
    """Train in this process; return the exit status."""
    return train.main([str(argument) for argument in arguments])


def run_generate(*arguments: object) -> int:
    """Generate in this process; return the exit status."""
    return generate.main([str(argument) for argument in arguments])


def start(*arguments: object) -> subprocess.Popen:
    """Start a training in a process of its own, on one core."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dcgan.train", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def content(run: Path) -> dict[str, object]:
    """Return every file of a run folder that is to be the same in every repetition.

    Of checkpoints, all but the config: the number of steps asked for may change with a resume.
    """
    files = [path for path in run.rglob("*") if path.is_file() and path.name != "timing.jsonl"]
    return {
        str(path.relative_to(run)): arrays(path) if path.suffix == ".h5" else path.read_bytes() for path in files
    }


def arrays(path: Path) -> object:
    """Return the tree of a checkpoint without its config, each array as its type, shape and bytes."""

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if key != "config"}
        return (str(value.dtype), value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value

    return plain(checkpoint.load(path))
