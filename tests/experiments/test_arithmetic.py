"""dcgan.arithmetic and dcgan.turn: sums of z against plain loops, sheets whose cells are looked up, misuse."""

import numpy as np
import pytest
from PIL import Image

import dcgan
from dcgan import arithmetic, generate, images, turn
from dcgan.experiments import picking
from running import words, write_pictures

SMALL = {"width": 4, "image_size": 16, "z_dim": 5, "batch_size": 8, "samples": 6, "steps": 2, "device": "cpu"}
SMALL["implementation"] = "reference"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return dcgan.train(out=tmp_path_factory.mktemp("runs"), **SMALL)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    place = tmp_path_factory.mktemp("pets")
    for name in ("cat", "dog"):
        write_pictures(place / name, 8)
    return dcgan.train(data=place, preset="carpedm20-mnist", out=place / "runs", **SMALL)


def folder(run):
    return f"{run.config.out}/{run.name}"


def command(main, run, *arguments):
    return main(words((folder(run), *arguments)))


def cells(path, columns):
    """The pictures of a sheet of 16x16 pictures with captions, and the PNG's texts: (rows, columns, 16, 16, 3)."""
    with Image.open(path) as image:
        sheet, texts = np.asarray(image.convert("RGB")), image.text
    high = 16 + images.LETTERS + 3 + images.GAP
    wide = (sheet.shape[1] - images.GAP) // columns
    left = images.GAP + (wide - images.GAP - 16) // 2
    rows = (sheet.shape[0] - images.GAP) // high
    found = [[sheet[2 + y * high : 18 + y * high, left + x * wide : left + 16 + x * wide] for x in range(columns)]
             for y in range(rows)]  # fmt: skip
    return np.array(found), texts


def test_the_contact_sheet_shows_the_pictures_of_the_seed(run, tmp_path, capsys):
    assert command(arithmetic.main, run, "--count 7 --seed 3 --out", tmp_path / "a.png") == 0
    found, texts = cells(tmp_path / "a.png", 3)
    assert (found.reshape(9, 16, 16, 3)[:7] == run.sample(7, seed=3)).all()
    assert texts["Software"] == "dcgan.arithmetic" and texts["run"] == run.name and texts["seed"] == "3"
    assert "7 pictures of seed 3, numbered from 1" in capsys.readouterr().out


def test_z_of_numbers_are_those_that_generate_draws(run):
    z = picking.z_of(run.config, 4, [200, 1])
    assert (generate.one_class(run.G, z, None) == run.sample(200, seed=4)[[199, 0]]).all()


def test_the_sum_is_that_of_mean_z_and_of_mean_pixels(run, tmp_path):
    out = tmp_path / "sum.png"
    address = run.address(7, 2)
    terms = f"--plus 1,4-5 --minus 2,{address} --plus 3"
    assert command(arithmetic.main, run, f"{terms} --noise 0.5 --out", out) == 0
    z, other = (np.random.default_rng(seed).standard_normal((128, 5)) for seed in (0, 7))
    total = (z[0] + z[3] + z[4]) / 3 - (z[1] + other[1]) / 2 + z[2]
    found, texts = cells(out, 5)
    drawn = generate.one_class(run.G, total.astype("float32").reshape(1, 1, 1, 5), None)[0]
    assert np.abs(found[5, 1].astype(int) - drawn).max() <= 1
    pictures, theirs = run.sample(8).astype(float), run.sample(2, seed=7).astype(float)
    pixels = pictures[[0, 3, 4]].mean(axis=0) - (pictures[1] + theirs[1]) / 2 + pictures[2]
    assert np.abs(found[5, 4] - np.clip(np.round(pixels), 0, 255)).max() <= 1
    assert (found[0, 1] == pictures[3]).all() and (found[1, 1] == theirs[1]).all()
    around = [found[y, x] for y in (4, 5, 6) for x in range(3) if (y, x) != (5, 1)]
    assert all((picture != found[5, 1]).any() for picture in around)
    assert texts["sum"] == f"plus 1,4-5 minus 2,{address} plus 3" and texts["noise"] == "0.5"


def test_without_noise_the_neighbours_are_the_sum(run, tmp_path):
    assert command(arithmetic.main, run, "--plus 1 --noise 0 --out", tmp_path / "a.png") == 0
    found, _ = cells(tmp_path / "a.png", 5)
    assert all((found[y, x] == run.sample(1)[0]).all() for y in (2, 3, 4) for x in range(3))
    assert (found[3, 4] == run.sample(1)[0]).all()


def test_a_turn_goes_from_one_kind_to_the_other(run, tmp_path):
    arguments = "--left 1,2 --right 3 --pictures 4-5 --steps 3 --far 2 --out"
    assert command(turn.main, run, arguments, tmp_path / "a.png") == 0
    found, texts = cells(tmp_path / "a.png", 3)
    z = np.random.default_rng(0).standard_normal((128, 5))
    vector = (z[0] + z[1]) / 2 - z[2]
    for row, number in enumerate((3, 4)):
        for column, t in enumerate((-1, 0, 1)):
            moved = (z[number] + t * vector).astype("float32").reshape(1, 1, 1, 5)
            drawn = generate.one_class(run.G, moved, None)[0]
            assert np.abs(found[row, column].astype(int) - drawn).max() <= 1
    assert texts["left"] == "1,2" and texts["turned"] == "4-5"


def test_labels(labelled, tmp_path, capsys):
    assert command(arithmetic.main, labelled, "--count 2 --label dog --out", tmp_path / "a.png") == 0
    found, _ = cells(tmp_path / "a.png", 2)
    assert (found[0] == labelled.sample(2, label="dog")).all()
    assert command(turn.main, labelled, "--left 1 --right 2 --label 0 --out", tmp_path / "b.png") == 0
    assert command(arithmetic.main, labelled, "--out", tmp_path / "c.png") == 2
    assert "--label: the networks of" in capsys.readouterr().err


@pytest.mark.parametrize(
    "main, arguments, said",
    [
        (arithmetic.main, "--plus 0 --out a.png", "--plus: got '0', expected numbers of pictures from 1"),
        (arithmetic.main, "--minus 1,x --out a.png", "--minus: got '1,x'"),
        (arithmetic.main, "--plus 0007-paper_1_2_3 --out a.png", "expected an address of 0001-dcgan64, step 2"),
        (arithmetic.main, "--plus 1 --count 3 --out a.png", "--count: goes without --plus and --minus"),
        (arithmetic.main, "--plus 1 --noise -1 --out a.png", "--noise: got '-1'"),
        (arithmetic.main, "--count 0 --out a.png", "--count: got '0'"),
        (arithmetic.main, "--plus 1 --out a.gif", "--out: got 'a.gif', expected a .png file"),
        (arithmetic.main, "--plus 1 --label 2 --out a.png", "are not told labels"),
        (arithmetic.main, "--out there.png", "there.png is there already"),
        (arithmetic.main, "--weights best --out a.png", "--weights: got 'best'"),
        (turn.main, "--left 1 --out a.png", "--right"),
        (turn.main, "--left 1 --right 0-2 --out a.png", "--right: got '0-2'"),
        (turn.main, "--left 1 --right 2 --steps 1 --out a.png", "--steps: got '1'"),
    ],
)
def test_misuse(run, tmp_path, monkeypatch, capsys, main, arguments, said):
    path = folder(run)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").write_bytes(b"")
    assert main([path, *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["there.png"]
