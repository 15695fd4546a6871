"""dcgan.compare: presets on one budget, and finished runs, side by side."""

import json

import numpy as np
import pytest
from PIL import Image

from dcgan import compare, images, train
from dcgan.errors import UserError
from dcgan.run import log
from dcgan.run.folder import RunDir
from running import TINY, words, write_pictures


def run(command, *arguments):
    return command.main(words(arguments))


@pytest.fixture
def data(tmp_path):
    return write_pictures(tmp_path / "data")


def test_compare(tmp_path, data, capsys):
    out = tmp_path / "runs"
    command = (compare, "--presets dcgan64,basicgan --steps 3", *TINY, "--data", data, "--out", out)
    assert run(*command) == 0
    path = out / "compare-dcgan64-basicgan.png"
    assert (printed := capsys.readouterr().out.splitlines())[-1] == f"side by side: {path}"
    assert [line.split()[:3] for line in printed[-4:-2]] == [["dcgan64", "dcgan64", "3"], ["basicgan", "basicgan", "3"]]
    with Image.open(path) as image:
        grid = images.enlarged(np.asarray(Image.open(out / "0001-dcgan64/samples/000003.png")), 8)  # of 38 x 56 pixels
        width = 2 * compare.MARGIN + max(compare.LEAST, grid.shape[1])
        assert image.size == (2 * width, compare.TITLE + grid.shape[0] + compare.LOSSES)
    configs = [json.loads((out / name / "config.json").read_text()) for name in ("0001-dcgan64", "0002-basicgan")]
    for key in ("steps", "batch_size", "image_size", "seed", "data"):
        assert configs[0][key] == configs[1][key]
    assert (configs[0]["lr_schedule"], configs[1]["lr_schedule"]) == ("constant", "step")  # the rest is the preset's


def test_the_picture_shows_grids_over_losses(tmp_path):
    """Red pictures on the left, blue ones on the right."""
    columns = [
        compare.Column(name, np.full((8, 8, 3), colour, "uint8"), [{"step": 1, "loss_d": 1.0, "loss_g": 2.0}] * 2)
        for name, colour in (("left", (255, 0, 0)), ("right", (0, 0, 255)))
    ]
    compare.save_picture(tmp_path / "x.png", columns)
    with Image.open(tmp_path / "x.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    red, blue = (np.argwhere((pixels == colour).all(axis=2)) for colour in ((255, 0, 0), (0, 0, 255)))
    assert len(red) > 5000 and len(blue) > 5000
    assert red[:, 1].max() < blue[:, 1].min() and max(red[:, 0].max(), blue[:, 0].max()) < 0.7 * len(pixels)
    assert len(red) == len(blue) == (8 * (compare.LEAST // 8)) ** 2  # whole pixels, none of them mixed with white


@pytest.fixture
def two_runs(tiny, runs):
    """Finished runs of the same name in two folders, of 3 and of 2 steps."""
    for out, steps in ((runs, 3), (runs / "other", 2)):
        assert run(train, *tiny, f"--steps {steps}", "--out", out) == 0
    return [runs / "0001-dcgan64", runs / "other/0001-dcgan64"]


def test_finished_runs(two_runs, tmp_path, capsys):
    capsys.readouterr()
    assert run(compare, *two_runs, "--out", tmp_path / "pictures") == 0
    path = tmp_path / "pictures/compare-runs-0001-dcgan64-other-0001-dcgan64.png"
    head, first, second, _, said = capsys.readouterr().out.splitlines()
    assert said == f"side by side: {path}" and path.exists()
    assert head.split()[:4] == ["run", "preset", "steps", "seconds"]
    assert first.split()[:3] == ["runs/0001-dcgan64", "dcgan64", "3"]
    assert second.split()[:3] == ["other/0001-dcgan64", "dcgan64", "2"]
    losses = [record["loss_d"] for record in log.read(two_runs[0] / "log.jsonl")]
    assert first.split()[-2] == f"{np.mean(losses):.3f}" and first.split()[4:6] == second.split()[4:6]


def test_the_newest_grid_is_shown(two_runs):
    shown = compare.column("x", RunDir(two_runs[0])).samples
    grids = sorted((two_runs[0] / "samples").glob("0*.png"))
    assert [path.stem for path in grids] == ["000001", "000003"]
    with Image.open(grids[-1]) as image:
        assert (shown == np.asarray(image)).all()


def test_seconds_of_a_resumed_run(tmp_path):
    """40 pictures at 10 a second; then on from step 1, whose pictures and time are counted again."""
    folder = RunDir(tmp_path)
    assert compare.seconds_of(folder, 20) == 0
    lines = [(2, 10.0), (1, 99.0), (3, 20.0), (4, 0.0)]
    text = "".join(json.dumps({"step": step, "images_per_second": speed}) + "\n" for step, speed in lines)
    (tmp_path / "timing.jsonl").write_text(text)
    assert compare.seconds_of(folder, 20) == pytest.approx(4 + 2)


@pytest.mark.parametrize(
    "mistake, message",
    [
        ("", "got one run, "),
        ("0 --steps 3", "--steps: is for presets that are trained now, not for finished runs"),
        ("0 --presets dcgan64", "--presets: is for presets that are trained now"),
        ("nowhere", "nowhere is no run folder: expected config.json in it"),
        ("bare", "bare has no sample grid yet: train it first"),
    ],
)
def test_mistakes_with_runs(two_runs, tmp_path, capsys, mistake, message):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/config.json").write_bytes((two_runs[0] / "config.json").read_bytes())
    capsys.readouterr()
    more = [two_runs[1] if word == "0" else word for word in mistake.split()]
    more = [tmp_path / word if word in ("nowhere", "bare") else word for word in more]
    assert compare.main([str(word) for word in (two_runs[0], *more)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error


def test_what_is_shared_and_what_a_recipe_says():
    a, b = compare.configurations(["anime96", "tf-nw"], {"steps": "5", "recipe": "anime96"})
    assert a.image_size == b.image_size == (96, 96) and a.batch_size == b.batch_size == 64
    assert compare.configurations(["monn28"], {"steps": 5})[0].image_size == (64, 64)
    with pytest.raises(UserError, match="--steps: got none"):
        compare.configurations(["dcgan64"], {})


@pytest.mark.parametrize(
    "mistake, message",
    [
        ("--presets dcgan64,alexnet --steps 3", "--preset: got 'alexnet', expected one of dcgan64"),
        ("--presets dcgan64,anime96 --steps 3", "sides have to be multiples of 24"),
    ],
)
def test_mistakes_are_found_before_the_first_is_trained(tmp_path, monkeypatch, capsys, mistake, message):
    monkeypatch.chdir(tmp_path)
    assert run(compare, mistake) == 2
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())
