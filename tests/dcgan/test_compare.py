"""dcgan.compare: presets on one budget, and finished runs, side by side."""

import json

import numpy as np
import pytest
from PIL import Image

from dcgan import compare
from dcgan.errors import UserError
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
    assert capsys.readouterr().out.splitlines()[-1] == f"side by side: {path}"
    with Image.open(path) as image:
        assert image.size == (1000, 800)
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


def test_what_is_shared_and_what_a_recipe_says():
    a, b = compare.configurations(["anime96", "tf-nw"], {"steps": "5", "recipe": "anime96"})
    assert a.image_size == b.image_size == (96, 96) and a.batch_size == b.batch_size == 64
    assert compare.configurations(["monn28"], {"steps": 5})[0].image_size == (64, 64)
    with pytest.raises(UserError, match="--steps: got none"):
        compare.configurations(["dcgan64"], {})


@pytest.mark.parametrize(
    "mistake, message",
    [
        ("--presets dcgan64,resnet --steps 3", "--preset: got 'resnet', expected one of dcgan64"),
        ("--presets dcgan64,anime96 --steps 3", "sides have to be multiples of 24"),
    ],
)
def test_mistakes_are_found_before_the_first_is_trained(tmp_path, monkeypatch, capsys, mistake, message):
    monkeypatch.chdir(tmp_path)
    assert run(compare, mistake) == 2
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())
