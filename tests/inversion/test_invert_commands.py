"""dcgan.invert and dcgan.complete as commands: the files that they leave, labels, and misuse in one line."""

import json

import numpy as np
import pytest
from PIL import Image

import dcgan
from dcgan import complete, invert
from dcgan.data.recipe import Recipe
from dcgan.inversion import masks
from running import words, write_pictures

SMALL = {"width": 4, "image_size": 16, "z_dim": 5, "batch_size": 8, "samples": 6, "steps": 3, "device": "cpu"}
PLACE = "--device cpu --implementation reference"
SHORT = f"--steps 6 --starts 2 {PLACE}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures of two classes, a run that is told them and one that is not."""
    place = tmp_path_factory.mktemp("place")
    (place / "pets").mkdir()
    for name in ("cat", "dog"):
        write_pictures(place / "pets" / name, 4)
    for preset in ("dcgan64", "carpedm20-mnist"):
        dcgan.train(data=place / "pets", preset=preset, out=place / preset, implementation="reference", **SMALL)
    Image.new("RGB", (40, 30), "red").save(place / "red.png")
    (place / "broken.png").write_bytes((place / "red.png").read_bytes()[:50])
    return place


def run_of(place, preset="dcgan64"):
    return place / preset / f"0001-{preset}"


def run(module, *arguments):
    return module.main(words(arguments))


def found(out):
    return json.loads((out / "found.json").read_text()), np.load(out / "z.npy")


def test_invert_leaves_its_files(place, tmp_path, capsys):
    pictures = [place / "red.png", place / "pets/cat/00.png"]
    assert run(invert, run_of(place), *pictures, SHORT, "--seed 3 --scale 2 --out", tmp_path) == 0
    said = capsys.readouterr().out
    told, z = found(tmp_path)
    assert said.startswith("2 pictures, mean PSNR ") and z.shape == (2, 5) and z.dtype == np.float32
    assert told["run"] == "0001-dcgan64" and told["steps"] == 6 and told["seed"] == 3
    assert [each["file"] for each in told["pictures"]] == list(map(str, pictures))
    drawn = dcgan.load(run_of(place), device="cpu").generator(z)
    real = np.asarray(Image.open(pictures[1]))
    psnr = 10 * np.log10(255**2 / ((np.rint((drawn[1] + 1) * 127.5) - real) ** 2).mean())
    assert told["pictures"][1]["psnr"] == pytest.approx(psnr, abs=0.05)
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(tmp_path / "convergence.gif") as gif:
        assert sheet.info["Software"] == "dcgan.invert" and sheet.info["run"] == "0001-dcgan64"
        assert sheet.size[1] >= 2 * 16 and gif.n_frames > 1


def test_invert_tries_each_class_or_takes_one(place, tmp_path, capsys):
    picture = place / "pets/dog/01.png"
    where = run_of(place, "carpedm20-mnist")
    assert run(invert, where, picture, SHORT, "--out", tmp_path / "each") == 0
    assert found(tmp_path / "each")[0]["pictures"][0]["label"] in ("cat", "dog")
    for label in ("cat", "1"):
        assert run(invert, where, picture, SHORT, "--out", tmp_path / label, "--label", label) == 0
        assert found(tmp_path / label)[0]["pictures"][0]["label"] == {"cat": "cat", "1": "dog"}[label]
    assert run(invert, where, picture, SHORT, "--out", tmp_path / "bird", "--label bird") == 2
    assert "--label: got 'bird', expected cat, dog" in capsys.readouterr().err


@pytest.mark.parametrize("mask", ["centre", "random"])
def test_complete_changes_the_hole_alone(place, tmp_path, mask):
    picture = place / "pets/cat/02.png"
    assert run(complete, run_of(place), picture, SHORT, "--mask", mask, "--out", tmp_path) == 0
    with Image.open(tmp_path / "01-02.png") as image, Image.open(picture) as original:
        filled, before = np.asarray(image), np.asarray(original)
    missing = masks.hole(mask, Recipe((16, 16)), 0)
    assert (filled[~missing] == before[~missing]).all() and (filled[missing] != before[missing]).any()
    told, z = found(tmp_path)
    assert z.shape == (1, 5) and told["prior"] == complete.PRIOR and (tmp_path / "sheet.png").exists()


def test_complete_with_a_class(place, tmp_path):
    where, picture = run_of(place, "carpedm20-mnist"), place / "pets/dog/01.png"
    assert run(complete, where, picture, SHORT, "--mask box --label dog --out", tmp_path) == 0
    assert found(tmp_path)[0]["pictures"][0]["label"] == "dog"


@pytest.mark.parametrize("module", [invert, complete])
@pytest.mark.parametrize(
    "arguments, message",
    [
        ("nowhere.png", "nowhere.png: No such file or directory"),
        ("pets", "pets is a folder, expected picture files, such as"),
        ("broken.png", "cannot read"),
        ("dcgan64/0001-dcgan64/log.jsonl", "log.jsonl is not a picture of a known format"),
        ("red.png --steps 0", "--steps: got '0'"),
        ("red.png --starts x", "--starts: got 'x'"),
        ("red.png --label 1", "--label: the networks of dcgan64 are not told labels"),
        ("red.png --weights best", "--weights: got 'best', expected one of ema, raw"),
        ("red.png --steps 1 --out a.png", "--out: got 'a.png', expected a folder"),
    ],
)
def test_misuse_is_one_line(place, tmp_path, monkeypatch, capsys, module, arguments, message):
    monkeypatch.chdir(place)
    more = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
    assert module.main([str(run_of(place)), *arguments.split(), *more, *PLACE.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert not (tmp_path / "out").exists()


def test_results_are_not_lost(place, tmp_path, capsys):
    given = (run_of(place), place / "red.png", SHORT, "--out", tmp_path)
    assert run(invert, *given) == 0 and run(invert, *given) == 2
    assert "already holds" in capsys.readouterr().err
    assert run(invert, *given, "--overwrite") == 0


def test_quick_is_quick(place, tmp_path, monkeypatch):
    monkeypatch.setenv("DCGAN_QUICK", "1")
    assert run(invert, run_of(place), place / "red.png", PLACE, "--out", tmp_path) == 0
    assert found(tmp_path)[0]["steps"] == 2
