"""dcgan.arithmetic and dcgan.turn: sums of z against plain loops, sheets whose cells are looked up, misuse."""

import numpy as np
import pytest

from dcgan import arithmetic, generate, turn
from dcgan.experiments import picking
from small_runs import cells, command, folder


def test_the_contact_sheet_shows_the_pictures_of_the_seed(plain, tmp_path, capsys):
    assert command(arithmetic.main, plain, "--count 7 --seed 3 --out", tmp_path / "a.png") == 0
    found, texts = cells(tmp_path / "a.png", 3)
    assert (found.reshape(9, 16, 16, 3)[:7] == plain.sample(7, seed=3)).all()
    assert texts["Software"] == "dcgan.arithmetic" and texts["run"] == plain.name and texts["seed"] == "3"
    assert "7 pictures of seed 3, numbered from 1" in capsys.readouterr().out


def test_z_of_numbers_are_those_that_generate_draws(plain):
    z = picking.z_of(plain.config, 4, [200, 1])
    assert (generate.one_class(plain.G, z, None) == plain.sample(200, seed=4)[[199, 0]]).all()


def test_the_sum_is_that_of_mean_z_and_of_mean_pixels(plain, tmp_path):
    out = tmp_path / "sum.png"
    address = plain.address(7, 2)
    terms = f"--plus 1,4-5 --minus 2,{address} --plus 3"
    assert command(arithmetic.main, plain, f"{terms} --noise 0.5 --out", out) == 0
    z, other = (np.random.default_rng(seed).standard_normal((128, 5)) for seed in (0, 7))
    total = (z[0] + z[3] + z[4]) / 3 - (z[1] + other[1]) / 2 + z[2]
    found, texts = cells(out, 5)
    drawn = generate.one_class(plain.G, total.astype("float32").reshape(1, 1, 1, 5), None)[0]
    assert np.abs(found[5, 1].astype(int) - drawn).max() <= 1
    pictures, theirs = plain.sample(8).astype(float), plain.sample(2, seed=7).astype(float)
    pixels = pictures[[0, 3, 4]].mean(axis=0) - (pictures[1] + theirs[1]) / 2 + pictures[2]
    assert np.abs(found[5, 4] - np.clip(np.round(pixels), 0, 255)).max() <= 1
    assert (found[0, 1] == pictures[3]).all() and (found[1, 1] == theirs[1]).all()
    around = [found[y, x] for y in (4, 5, 6) for x in range(3) if (y, x) != (5, 1)]
    assert all((picture != found[5, 1]).any() for picture in around)
    assert texts["sum"] == f"plus 1,4-5 minus 2,{address} plus 3" and texts["noise"] == "0.5"


def test_without_noise_the_neighbours_are_the_sum(plain, tmp_path):
    assert command(arithmetic.main, plain, "--plus 1 --noise 0 --out", tmp_path / "a.png") == 0
    found, _ = cells(tmp_path / "a.png", 5)
    assert all((found[y, x] == plain.sample(1)[0]).all() for y in (2, 3, 4) for x in range(3))
    assert (found[3, 4] == plain.sample(1)[0]).all()


def test_a_turn_goes_from_one_kind_to_the_other(plain, tmp_path):
    arguments = "--left 1,2 --right 3 --pictures 4-5 --steps 3 --far 2 --out"
    assert command(turn.main, plain, arguments, tmp_path / "a.png") == 0
    found, texts = cells(tmp_path / "a.png", 3)
    z = np.random.default_rng(0).standard_normal((128, 5))
    vector = (z[0] + z[1]) / 2 - z[2]
    for row, number in enumerate((3, 4)):
        for column, t in enumerate((-1, 0, 1)):
            moved = (z[number] + t * vector).astype("float32").reshape(1, 1, 1, 5)
            drawn = generate.one_class(plain.G, moved, None)[0]
            assert np.abs(found[row, column].astype(int) - drawn).max() <= 1
    assert texts["left"] == "1,2" and texts["turned"] == "4-5"


def test_labels(labelled, tmp_path, capsys):
    assert command(arithmetic.main, labelled, "--count 2 --label dog --out", tmp_path / "a.png") == 0
    found, _ = cells(tmp_path / "a.png", 2)
    assert (found[0] == labelled.sample(2, label="dog")).all()
    assert command(turn.main, labelled, "--left 1 --right 2 --label 0 --out", tmp_path / "b.png") == 0
    assert command(arithmetic.main, labelled, "--out", tmp_path / "c.png") == 2
    error = capsys.readouterr().err
    assert "--label: the networks of" in error and "say which, cat, dog, or 0 to 1" in error


def test_captions_of_a_turn(plain, tmp_path, monkeypatch):
    rows = []
    monkeypatch.setattr("dcgan.experiments.command.Sheet.write", lambda self, given, texts: rows.extend(given))
    assert command(turn.main, plain, "--left 1 --right 3 --pictures 4,9 --steps 3 --out", tmp_path / "a.png") == 0
    assert [[text for _, text in row] for row in rows] == [[f"{n}: -0.50", "+0.00", "+0.50"] for n in (4, 9)]


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
def test_misuse(plain, tmp_path, monkeypatch, capsys, main, arguments, said):
    path = folder(plain)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").write_bytes(b"")
    assert main([path, *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["there.png"]
