"""Fixtures for the commands of the paper's experiments: a small run without labels, and one with; sheets read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dcgan
from dcgan import images
from running import words, write_pictures

SMALL = {"width": 4, "image_size": 16, "z_dim": 5, "batch_size": 8, "samples": 6, "steps": 2, "device": "cpu"}
SMALL["implementation"] = "reference"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run on 20 random pictures."""
    place = tmp_path_factory.mktemp("plain")
    return dcgan.train(data=write_pictures(place / "data"), out=place / "runs", **SMALL)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A run on the classes cat and dog, 8 random pictures each."""
    place = tmp_path_factory.mktemp("pets")
    (place / "data").mkdir()
    for name in ("cat", "dog"):
        write_pictures(place / "data" / name, 8)
    return dcgan.train(data=place / "data", preset="carpedm20-mnist", out=place / "runs", **SMALL)


def folder(run) -> str:
    """Return the path of a run."""
    return f"{run.config.out}/{run.name}"


def command(main, run, *arguments) -> int:
    """Run a command on a run; return the exit status."""
    return main(words((folder(run), *arguments)))


def cells(path: Path, columns: int, captions: bool = True) -> tuple[np.ndarray, dict[str, str]]:
    """Return the pictures of a sheet of 16x16 pictures, (rows, columns, 16, 16, 3), and the PNG's texts."""
    with Image.open(path) as image:
        sheet, texts = np.asarray(image.convert("RGB")), image.text
    high = 16 + (images.LETTERS + 3 if captions else 0) + images.GAP
    wide = (sheet.shape[1] - images.GAP) // columns
    left = images.GAP + (wide - images.GAP - 16) // 2
    rows = (sheet.shape[0] - images.GAP) // high
    found = [[sheet[2 + y * high : 18 + y * high, left + x * wide : left + 16 + x * wide] for x in range(columns)]
             for y in range(rows)]  # fmt: skip
    return np.array(found), texts
