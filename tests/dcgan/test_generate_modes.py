"""dcgan.generate --mode: sweeps of z, GIFs of them, all in one GIF, ways from z to z."""

import shutil

import numpy as np
import pytest
from PIL import Image

from dcgan import generate, images, latent_walks
from dcgan.sampling import draw_z, sample
from gpunet import backend
from running import PLACE, TINY, run_generate, run_train, write_pictures


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of each kind: plain, with labels, sampling by the statistics of the batch."""
    place = tmp_path_factory.mktemp("modes")
    write_pictures(place / "a")
    shutil.copytree(place / "a", place / "labelled/0")
    shutil.copytree(place / "a", place / "labelled/1")
    with backend.use(backend.implementation()):
        for preset, data in ("dcgan64", "a"), ("carpedm20-mnist", "labelled"), ("tf-nw", "a"):
            options = ["--preset", preset, "--data", place / data, "--out", place / "runs"]
            assert run_train(*TINY, "--steps 2", *options) == 0
    return place / "runs"


@pytest.fixture
def run(made):
    return made / "0001-dcgan64"


def pixels(path):
    with Image.open(path) as image:
        return np.atleast_3d(image)


def distance(image, picture):
    return np.abs(np.asarray(image.convert("RGB")).astype(int) - picture).mean()


def expected(run, dimension, count, seed=0, label=None):
    given = {"device": "cpu", "implementation": "reference", "sampling_statistics": "running"}
    G, config = generate.trained_generator(str(run), given)
    z = draw_z(np.random.default_rng(seed), 1, config)[0]
    zs = latent_walks.sweep(z, dimension, count, config.z_dist)
    return sample(G, zs, None if label is None else np.full(count, label, "int32"))


def test_a_grid_for_each_number_of_z(run, tmp_path, capsys):
    assert run_generate(run, "--mode sweep --count 6 --seed 3", "--out", tmp_path / "deep/out", *PLACE) == 0
    assert [path.name for path in sorted((tmp_path / "deep/out").iterdir())] == [f"z00{i}.png" for i in range(5)]
    for i in range(5):
        found = pixels(tmp_path / f"deep/out/z00{i}.png")
        assert (found == images.grid(expected(run, i, 6, seed=3))).all()
    assert "5 x 6 pictures by " in capsys.readouterr().out


def test_chosen_numbers_of_z(run, tmp_path):
    assert run_generate(run, "--mode sweep --dimensions 4,0-1", "--out", tmp_path / "out", *PLACE) == 0
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["z000.png", "z001.png", "z004.png"]
    assert (pixels(tmp_path / "out/z004.png") == images.grid(expected(run, 4, 16))).all()


def test_a_gif_for_each_number_of_z(run, tmp_path):
    place = ["--out", tmp_path / "out", *PLACE]
    assert run_generate(run, "--mode gif --count 4 --fps 20 --dimensions 2,3", *place) == 0
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["z002.gif", "z003.gif"]
    with Image.open(tmp_path / "out/z003.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"], gif.info["loop"]) == (6, (16, 16), 50, 0)
        for i, picture in enumerate(latent_walks.there_and_back(expected(run, 3, 4))):
            gif.seek(i)
            assert distance(gif, picture) < 8  # 256 colours


def test_all_sweeps_in_one_gif(run, tmp_path):
    assert run_generate(run, "--mode merged-gif --count 3", "--out", tmp_path / "deep/all.gif", *PLACE) == 0
    sheets = [images.grid(np.stack(some)) for some in zip(*(expected(run, i, 3) for i in range(5)), strict=True)]
    with Image.open(tmp_path / "deep/all.gif") as gif:
        assert gif.n_frames == 4 and gif.size == sheets[0].shape[1::-1] and gif.info["duration"] == 100
        for i, sheet in enumerate([*sheets, sheets[1]]):
            gif.seek(i)
            assert distance(gif, sheet) < 8


def test_ways_from_z_to_z(run, tmp_path):
    assert run_generate(run, "--mode interpolation --rows 3 --count 5", "--out", tmp_path / "a.png", *PLACE) == 0
    sheet = pixels(tmp_path / "a.png")
    assert sheet.shape == (2 + 3 * 18, 2 + 5 * 18, 3)
    cells = sheet[2:, 2:].reshape(3, 18, 5, 18, 3)[:, :16, :, :16].swapaxes(1, 2)  # (rows, columns, 16, 16, 3)
    assert (cells[:-1, -1] == cells[1:, 0]).all()  # a row ends where the next begins
    assert all((cells[row, i] != cells[row, i + 1]).any() for row in range(3) for i in range(4))
    assert run_generate(run, "--mode interpolation --rows 3 --count 5", "--out", tmp_path / "a.gif", *PLACE) == 0
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.size == (16, 16) and gif.n_frames > 20


def test_the_same_seed_draws_the_same(run, tmp_path):
    for mode, end in ("merged-gif", "gif"), ("interpolation", "png"):
        for name, seed in ("a", 0), ("b", 0), ("c", 1):
            out = tmp_path / f"{name}.{end}"
            assert run_generate(run, "--mode", mode, "--count 3 --seed", str(seed), "--out", out, *PLACE) == 0
        a, b, c = ((tmp_path / f"{name}.{end}").read_bytes() for name in "abc")
        assert a == b != c


def test_one_class(made, tmp_path):
    run, out = made / "0002-carpedm20-mnist", ["--out", tmp_path, *PLACE]
    for label in (0, 1):
        assert run_generate(run, "--mode sweep --dimensions 2 --count 4 --label", str(label), *out) == 0
        assert (pixels(tmp_path / "z002.png") == images.grid(expected(run, 2, 4, label=label))).all()
    assert (expected(run, 2, 4, label=0) != expected(run, 2, 4, label=1)).any()


def test_sweeps_are_not_normalised_by_themselves(made, tmp_path):
    """tf-nw samples by the statistics of the batch, which of nearly equal z are those of next to nothing."""
    run, asked = made / "0003-tf-nw", ["--mode sweep --dimensions 2 --count 4", "--out", tmp_path, *PLACE]
    assert run_generate(run, *asked) == 0
    found = pixels(tmp_path / "z002.png")
    assert (found == images.grid(expected(run, 2, 4))).all()
    assert run_generate(run, *asked, "--sampling-statistics batch") == 0
    assert (pixels(tmp_path / "z002.png") != found).any()
