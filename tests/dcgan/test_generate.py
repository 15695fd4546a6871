"""dcgan.generate: as many pictures as asked for, the same for the same seed; its modes, and its mistakes."""

import shutil

import numpy as np
import pytest
from PIL import Image

from dcgan import images, latent_walks, trained
from dcgan.sampling import draw_z, sample
from gpunet import backend
from running import PLACE, TINY, run_generate, run_train, write_pictures

MISTAKES = {
    "--mode dance --out x": "--mode: got 'dance', expected one of grid, sweep, gif, merged-gif, interpolation",
    "--mode sweep --out x.png": "--out: got 'x.png', expected a folder",
    "--mode merged-gif --out x": "--out: got 'x', expected a .gif file",
    "--mode interpolation --out x": "--out: got 'x', expected a .png file or a .gif file",
    "--out x.gif": "--out: got 'x.gif', expected a .png file or a folder",
    "--mode merged-gif --out folder.gif": "--out: folder.gif is there already and is not a file",
    "--mode sweep --out file": "--out: file is there already and is not a folder",
    "--out file/x.png": "/file is a file, so there can be nothing in it",
    "--mode sweep --out file/a/b": "/file is a file, so there can be nothing in it",
    "--out /dev/null": "--out: /dev/null is there already and is not a folder",
    f"--out {'x' * 300}.png": "File name too long",
    "--mode sweep --out x --count 1": "--count: got '1', expected a whole number of at least 2",
    "--mode sweep --out x --dimensions 5": "--dimensions: got '5', expected numbers from 0 to 4",
    "--mode sweep --out x --fps 5": "--fps: goes with --mode gif or merged-gif or interpolation, not with sweep",
    "--mode sweep --out x --rows 5": "--rows: goes with --mode interpolation, not with sweep",
    "--mode interpolation --out x.gif --dimensions 1": "--dimensions: goes with --mode sweep or gif or merged-gif",
    "--mode interpolation --out x.png --fps 5": "--fps: x.png is no GIF",
    "--out x --dimensions 1": "--dimensions: goes with --mode sweep or gif or merged-gif, not with grid",
    "--mode gif --out x --fps 51": "--fps: got '51', expected a whole number from 1 to 50",
    "--mode gif --out x --label 0": "--label: the networks of dcgan64 are not told labels",
    "labelled --mode gif --out x": "--label: --mode gif is of one class: say which, 0 to 1",
    "labelled --mode gif --out x --label 2": "--label: got '2', expected a whole number from 0 to 1",
}


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


@pytest.fixture
def own(tiny, runs):
    """A run that a test may change."""
    run_train(*tiny, "--steps 1")
    return runs / "0001-dcgan64"


def pixels(path):
    with Image.open(path) as image:
        return np.atleast_3d(image)


@pytest.mark.parametrize("count", [1, 5, 33])
def test_generate_a_folder(own, tmp_path, count):
    """The same seed begins with the same pictures, however many follow."""
    run_generate(own, "--count", count, "--out", tmp_path / "a", *PLACE)
    run_generate(own / "checkpoints/000001.h5", "--count", 70, "--out", tmp_path / "b", *PLACE)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [f"0001-dcgan64_1_0_{i:06d}.png" for i in range(1, count + 1)]
    for name in names:
        assert pixels(tmp_path / "a" / name).shape == (16, 16, 3)
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_generate_a_grid(own, tmp_path):
    run_generate(own, "--count", 7, "--out", tmp_path / "deep/grid.png", *PLACE)
    run_generate(own, "--count", 7, "--out", tmp_path / "again.png", *PLACE)
    run_generate(own, "--count", 7, "--out", tmp_path / "made", *PLACE)
    run_generate(own, "--count", 7, "--out", tmp_path / "other.png", "--seed", 1, *PLACE)
    grid = pixels(tmp_path / "deep/grid.png")
    assert grid.shape == (2 + 3 * 18, 2 + 3 * 18, 3)
    fourth = pixels(tmp_path / "made/0001-dcgan64_1_0_000004.png")
    assert (grid[20:36, 2:18] == fourth).all()  # second row, first column
    assert (grid == pixels(tmp_path / "again.png")).all()
    assert (grid != pixels(tmp_path / "other.png")).any()


def test_the_newest_whole_checkpoint_is_used(own, tmp_path, capsys):
    assert run_train("--resume", own, "--steps 2 --no-progress") == 0
    run_generate(own / "checkpoints/000001.h5", "--count 3", "--out", tmp_path / "first.png", *PLACE)
    run_generate(own, "--count 3", "--out", tmp_path / "second.png", *PLACE)
    (own / "checkpoints/000002.h5").write_bytes(b"damaged")
    capsys.readouterr()
    run_generate(own, "--count 3", "--out", tmp_path / "third.png", *PLACE)
    assert "going back to the one before" in capsys.readouterr().err
    first, second, third = (pixels(tmp_path / f"{name}.png") for name in ("first", "second", "third"))
    assert (first == third).all() and (first != second).any()


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes(made, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "file").write_text("")
    which = made / "0002-carpedm20-mnist" if arguments.startswith("labelled") else made / "0001-dcgan64"
    assert run_generate(which, *arguments.removeprefix("labelled ").split(), *PLACE) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and MISTAKES[arguments] in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.gif"]


def distance(image, picture):
    return np.abs(np.asarray(image.convert("RGB")).astype(int) - picture).mean()


def expected(run, dimension, count, seed=0, label=None):
    given = {"device": "cpu", "implementation": "reference", "sampling_statistics": "running"}
    G, config = trained.load(str(run), given)[:2]
    z = draw_z(np.random.default_rng(seed), 1, config)[0]
    zs = latent_walks.sweep(z, dimension, count, config.z_dist)
    return sample(G, zs, None if label is None else np.full(count, label, "int32"))


def sweep_grid(pictures, ends=(-2, 2)):
    """The grid of a sweep: the value of z stands below each picture."""
    values = [f"{value:.2f}" for value in np.linspace(*ends, len(pictures))]
    return images.grid(images.captioned(pictures, values), images.columns_of(*pictures.shape[:3]))


def test_a_grid_for_each_number_of_z(run, tmp_path, capsys):
    assert run_generate(run, "--mode sweep --count 6 --seed 3", "--out", tmp_path / "deep/out", *PLACE) == 0
    assert [path.name for path in sorted((tmp_path / "deep/out").iterdir())] == [f"z00{i}.png" for i in range(5)]
    for i in range(5):
        found = pixels(tmp_path / f"deep/out/z00{i}.png")
        assert (found == sweep_grid(expected(run, i, 6, seed=3))).all()
    assert "5 x 6 pictures by " in capsys.readouterr().out


def test_chosen_numbers_of_z(run, tmp_path):
    assert run_generate(run, "--mode sweep --dimensions 4,0-1", "--out", tmp_path / "out", *PLACE) == 0
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["z000.png", "z001.png", "z004.png"]
    assert (pixels(tmp_path / "out/z004.png") == sweep_grid(expected(run, 4, 16))).all()


def test_a_gif_for_each_number_of_z(run, tmp_path):
    place = ["--out", tmp_path / "out", *PLACE]
    assert run_generate(run, "--mode gif --count 4 --fps 20 --dimensions 2,3", *place) == 0
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["z002.gif", "z003.gif"]
    with Image.open(tmp_path / "out/z003.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"], gif.info["loop"]) == (6, (128, 128), 50, 0)
        for i, picture in enumerate(latent_walks.there_and_back(expected(run, 3, 4))):
            gif.seek(i)
            assert distance(gif, images.enlarged(picture, 8)) < 8  # 128 colours


def captioned_frames(run, count, scale):
    """The grids of a GIF of all five sweeps: cells of the same width in all frames, whatever stands below."""
    frames = list(zip(*(expected(run, i, count) for i in range(5)), strict=True))
    texts = [[f"z{i}: {value:.2f}" for i in range(5)] for value in np.linspace(-2, 2, count)]
    pictures = images.enlarged(np.concatenate(frames), scale)
    cells = images.captioned(pictures, sum(texts, []))  # (5 count, H, W, 3)
    return [images.grid(some, 3) for some in np.split(cells, count)]


def test_all_sweeps_in_one_gif(run, tmp_path):
    assert run_generate(run, "--mode merged-gif --count 3", "--out", tmp_path / "deep/all.gif", *PLACE) == 0
    """A cell for each number of z; below it the number and its value."""
    sheets = captioned_frames(run, 3, 4)  # two rows of 16 pixels become 128
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
        assert gif.size == (128, 128) and gif.n_frames > 20


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
        assert run_generate(run, "--mode sweep --dimensions 2 --count 4 --label", str(label), *out, "--overwrite") == 0
        assert (pixels(tmp_path / "z002.png") == sweep_grid(expected(run, 2, 4, label=label), (-1, 1))).all()
    assert (expected(run, 2, 4, label=0) != expected(run, 2, 4, label=1)).any()


def test_sweeps_are_not_normalised_by_themselves(made, tmp_path):
    """tf-nw samples by the statistics of the batch, which of nearly equal z are those of next to nothing."""
    run, asked = made / "0003-tf-nw", ["--mode sweep --dimensions 2 --count 4", "--out", tmp_path, *PLACE]
    assert run_generate(run, *asked) == 0
    found = pixels(tmp_path / "z002.png")
    assert (found == sweep_grid(expected(run, 2, 4))).all()
    assert run_generate(run, *asked, "--sampling-statistics batch --overwrite") == 0
    assert (pixels(tmp_path / "z002.png") != found).any()
