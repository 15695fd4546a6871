"""dcgan.generate: as many pictures as asked for, the same ones for the same seed."""

import numpy as np
import pytest
from PIL import Image

from running import (
    PLACE,
    run_generate,
    run_train,
)


@pytest.fixture(autouse=True)
def trained(tiny):
    run_train(*tiny, "--steps 1")


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("count", [1, 5, 33])
def test_generate_a_folder(run, tmp_path, count):
    """The same seed begins with the same pictures, however many follow."""
    run_generate(run, "--count", count, "--out", tmp_path / "a", *PLACE)
    run_generate(run / "checkpoints/000001.h5", "--count", 70, "--out", tmp_path / "b", *PLACE)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [f"{i:06d}.png" for i in range(1, count + 1)]
    for name in names:
        assert pixels(tmp_path / "a" / name).shape == (16, 16, 3)
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_generate_a_grid(run, tmp_path):
    run_generate(run, "--count", 7, "--out", tmp_path / "deep/grid.png", *PLACE)
    run_generate(run, "--count", 7, "--out", tmp_path / "again.png", *PLACE)
    run_generate(run, "--count", 7, "--out", tmp_path / "made", *PLACE)
    run_generate(run, "--count", 7, "--out", tmp_path / "other.png", "--seed", 1, *PLACE)
    grid = pixels(tmp_path / "deep/grid.png")
    assert grid.shape == (2 + 3 * 18, 2 + 3 * 18, 3)
    assert (grid[20:36, 2:18] == pixels(tmp_path / "made/000004.png")).all()  # second row, first column
    assert (grid == pixels(tmp_path / "again.png")).all()
    assert (grid != pixels(tmp_path / "other.png")).any()


def test_the_newest_whole_checkpoint_is_used(run, tmp_path, capsys):
    assert run_train("--resume", run, "--steps 2 --no-progress") == 0
    run_generate(run / "checkpoints/000001.h5", "--count 3", "--out", tmp_path / "first.png", *PLACE)
    run_generate(run, "--count 3", "--out", tmp_path / "second.png", *PLACE)
    (run / "checkpoints/000002.h5").write_bytes(b"damaged")
    capsys.readouterr()
    run_generate(run, "--count 3", "--out", tmp_path / "third.png", *PLACE)
    assert "going back to the one before" in capsys.readouterr().err
    first, second, third = (pixels(tmp_path / f"{name}.png") for name in ("first", "second", "third"))
    assert (first == third).all() and (first != second).any()
