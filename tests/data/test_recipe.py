"""Recipes: boxes, sizes, the table of --recipe, and dcgan.prepare and dcgan.train on every kind of data."""

import gzip

import h5py
import numpy as np
import pytest
from PIL import Image

from dcgan import prepare, train
from dcgan.config import Config
from dcgan.data import open_source, parse_size
from dcgan.data.recipe import RECIPES, Recipe, find
from dcgan.errors import UserError
from dcgan.presets import config_of
from opened import everything, idx_bytes, noise, opened

EXPECTED = {  # image size, crop, channels
    "celeba": ((64, 64), (108, 108), 3),
    "celeba28": ((28, 28), (108, 108), 3),
    "anime96": ((96, 96), None, 3),
    "mnist": ((28, 28), None, 1),
    "lsun": ((64, 64), None, 3),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recipe_sets_size_crop_and_channels(name):
    config = config_of({"recipe": name})
    assert (config.image_size, config.crop, config.channels) == EXPECTED[name]
    assert Config.from_json(config.to_json()) == config


def test_the_option_knows_every_recipe():
    assert set(RECIPES) == set(EXPECTED)
    for name in RECIPES:
        assert Config(recipe=name).recipe == name


def test_preset_then_recipe_then_option():
    assert config_of({"preset": "carpedm20-mnist"}).image_size == (28, 28)
    assert config_of({"preset": "carpedm20-mnist", "recipe": "lsun"}).image_size == (64, 64)
    both = config_of({"preset": "anime96", "recipe": "celeba", "image_size": "48x40", "crop": "100"})
    assert (both.image_size, both.crop, both.channels) == ((48, 40), (100, 100), 3)


def test_unknown_recipe(capsys):
    with pytest.raises(ValueError, match="expected one of celeba, celeba28, anime96, mnist, lsun"):
        find("imagenet")
    assert train.main(["--recipe", "imagenet", "--dry-run"]) == 2
    assert "--recipe: got 'imagenet', expected one of celeba" in capsys.readouterr().err


def test_a_config_written_before_these_options_still_opens():
    assert Config.from_json('{"data": null, "crop": null, "batch_size": 8}').labels == "auto"


def test_celeba_keeps_the_face(tmp_path):
    """Of an aligned 178x218 picture the centred 108x108 square, and nothing of its surroundings."""
    pixels = np.full((218, 178, 3), (0, 0, 255), np.uint8)
    pixels[55:163, 35:143] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "000001.png")
    for name in ("celeba", "celeba28"):
        out = tmp_path / f"{name}.h5"
        assert prepare.main(["--data", str(tmp_path), "--recipe", name, "--out", str(out), "--no-progress"]) == 0
        source = opened(out, EXPECTED[name][0], crop=108)
        assert (everything(source) == (255, 0, 0)).all()


def mnist(folder):
    images, labels = noise(20, 28, 28), np.arange(20, dtype=np.uint8) % 10
    folder.mkdir(exist_ok=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    return images, labels


def test_prepare_packs_labels_and_trains_alike(tmp_path, capsys):
    images, labels = mnist(tmp_path / "mnist")
    out = tmp_path / "digits.h5"
    arguments = ["--data", str(tmp_path / "mnist"), "--recipe", "mnist", "--out", str(out), "--no-progress"]
    assert prepare.main(arguments) == 0
    with h5py.File(out) as file:
        assert (file["images"][..., 0] == images).all() and (file["labels"][:] == labels).all()
        assert [name.decode() for name in file["classes"]] == list("0123456789")
        assert file["images"].dtype == np.uint8 and file["images"].chunks
        assert dict(file.attrs) == {
            "recipe": '{"channels": 1, "crop": null, "image_size": [28, 28]}',
            "fingerprint": opened(tmp_path / "mnist", (28, 28)).fingerprint,
            "count": 20,
            "files": 20,
            "skipped_files": 0,
        }
    assert prepare.main(arguments) == 0 and "finished already" in capsys.readouterr().out
    assert prepare.main([*arguments, "--labels", "none"]) == 2
    assert "holds other images" in capsys.readouterr().err


def test_prepare_takes_a_part(tmp_path):
    images, labels = mnist(tmp_path / "mnist")
    out = tmp_path / "few.h5"
    more = ["--recipe", "mnist", "--train-size", "4", "--out", str(out), "--no-progress"]
    assert prepare.main(["--data", str(tmp_path / "mnist"), *more]) == 0
    source = opened(out, (28, 28))
    assert (everything(source)[..., 0] == images[[0, 5, 10, 15]]).all() and source.labels.tolist() == [0, 5, 0, 5]


def test_training_with_labels_on_idx_files(tmp_path, capsys):
    mnist(tmp_path / "mnist")
    options = "--preset carpedm20-mnist --recipe mnist --width 4 --batch-size 8 --steps 2 --samples 4 --train-size 18"
    place = ["--data", str(tmp_path / "mnist"), "--out", str(tmp_path / "runs"), "--implementation", "reference"]
    assert train.main([*options.split(), *place, "--no-progress"]) == 0
    assert "18 images 28x28x1 of 10 classes from" in capsys.readouterr().out
    assert Config.from_json(next(tmp_path.glob("runs/*/config.json")).read_text()).train_size == 18


@pytest.mark.parametrize("command", [train.main, lambda arguments: prepare.main([*arguments, "--out", "never.h5"])])
def test_mistakes_end_in_one_line_and_status_2(tmp_path, command, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.zeros((3, 9), np.uint8))
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    for data, said in (("a.npy", "has shape (3, 9)"), ("notes.txt", "is of no known kind"), ("nowhere.h5:x", "no such"),
                       ("empty", "no images found")):  # fmt: skip
        assert command(["--data", data]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "empty", "notes.txt"]


@pytest.mark.parametrize(
    "height, width, size", [(1, 3000, (64, 64)), (3000, 1, (4, 64)), (2, 2, (64, 1)), (7, 5, (3, 3))]
)
def test_boxes_lie_within_the_picture(height, width, size):
    for crop in (None, (2, 9)):
        left, top, right, bottom = Recipe(size, crop, 3).box(width, height)
        assert 0 <= left < right <= width and 0 <= top < bottom <= height


@pytest.mark.parametrize("text, size", [("64", (64, 64)), ("48x64", (48, 64)), ("48X64", (48, 64))])
def test_sizes_are_height_x_width(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "64x", "0", "-3", "6.5", "64x64x3", "big"])
def test_other_sizes_are_refused(text):
    with pytest.raises(UserError, match="expected"):
        parse_size(text)


@pytest.mark.parametrize("options", [{"image_size": (0, 4)}, {"image_size": (4, 99999)}, {"crop": 0}, {"channels": 2}])
def test_impossible_recipes_are_refused(tmp_path, options):
    with pytest.raises(UserError, match="expected"):
        open_source(tmp_path, **options)
