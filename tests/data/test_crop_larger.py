"""--crop-larger: a crop for the pictures that are at least as large, as four presets have one; what is said of it."""

import json

import numpy as np
import pytest
from PIL import Image

from dcgan import prepare, presets
from dcgan.config import Config
from dcgan.data import open_source
from dcgan.data.recipe import Choice, Recipe, Wanted
from dcgan.data.storage import decode_ahead
from dcgan.errors import UserError
from dcgan.images import grid
from dcgan.session import open_data
from dcgan.train import main
from opened import everything

RED, BLUE = (255, 0, 0), (0, 0, 255)
CUT = "cut to their centre of 8x8, as the preset's own code does (--crop-larger none: not cut)"
WHOLE = "smaller than 8x8, to which the preset's own code cuts, so they stay whole"
CELEBA = "of 178x218 pixels, as CelebA's are: --recipe celeba cuts the faces out"


def framed(height, width, centre=8):
    """A blue picture with a red square of `centre` pixels in the middle, as uint8 (H, W, 3)."""
    pixels = np.full((height, width, 3), BLUE, np.uint8)
    top, left = (height - centre) // 2, (width - centre) // 2
    pixels[top : top + centre, left : left + centre] = RED
    return pixels


@pytest.fixture
def folder(tmp_path):
    """A function that writes pictures of these sizes (height, width) into a folder and returns its path."""

    def write(*sizes, suffix="png"):
        path = tmp_path / "pictures"
        path.mkdir()
        for number, size in enumerate(sizes):
            Image.fromarray(framed(*size)).save(path / f"{number}.{suffix}")
        return path

    return write


@pytest.mark.parametrize(
    "size, crop, larger, expected",
    [
        ((218, 178), None, (108, 108), (108, 108)),
        ((108, 108), None, (108, 108), (108, 108)),
        ((107, 300), None, (108, 108), None),  # one side is smaller
        ((300, 107), None, (108, 108), None),
        ((48, 64), None, (40, 64), (40, 64)),
        ((48, 64), None, (64, 40), None),
        ((218, 178), (20, 30), (108, 108), (20, 30)),  # the user's crop wins
        ((9, 9), (20, 30), (108, 108), (20, 30)),
        ((218, 178), None, None, None),
    ],
)
def test_what_is_done_to_a_picture(size, crop, larger, expected):
    height, width = size
    settled = Recipe((64, 64), crop, 3, larger).for_picture(width, height)
    assert settled.crop == expected and settled.crop_larger is None


def test_larger_pictures_are_cut_and_smaller_stay_whole(folder):
    path = folder((20, 16), (6, 6), (8, 8))
    source = open_source(path, (4, 4), progress=False, crop_larger=(8, 8))
    pictures = everything(source)
    assert (pictures[[0, 2]] == RED).all() and CUT in source.description
    whole = everything(open_source(path, (4, 4), progress=False))
    assert (pictures[1] == whole[1]).all() and (pictures[0] != whole[0]).any()
    hard = everything(open_source(path, (4, 4), 8, progress=False, crop_larger=(2, 2)))
    assert (hard == everything(open_source(path, (4, 4), 8, progress=False))).all()


def test_arrays_are_cut_as_files_are(tmp_path):
    np.save(tmp_path / "a.npy", np.stack([framed(20, 16)] * 3))
    source = open_source(tmp_path / "a.npy", (4, 4), progress=False, crop_larger=(8, 8))
    assert (everything(source) == RED).all() and source.description.endswith(CUT)
    source = open_source(tmp_path / "a.npy", (4, 4), progress=False, crop_larger=(99, 8))
    assert (everything(source) == everything(open_source(tmp_path / "a.npy", (4, 4), progress=False))).all()


@pytest.mark.parametrize(
    "sizes, options, said",
    [
        ([(20, 16), (20, 16)], {"crop_larger": (8, 8)}, CUT),
        ([(20, 16), (7, 9)], {"crop_larger": (8, 8)}, CUT),
        ([(7, 20), (7, 9)], {"crop_larger": (8, 8)}, WHOLE),
        ([(218, 178)], {}, CELEBA),
        ([(218, 178)], {"image_size": (218, 178)}, None),  # that is what was asked for
        ([(218, 178), (200, 178)], {}, None),
        ([(218, 178)], {"crop": (100, 100)}, None),
        ([(178, 218)], {}, None),
        ([(20, 16)], {"crop": (4, 4), "crop_larger": (8, 8)}, None),
    ],
)
def test_it_is_said_once(folder, sizes, options, said):
    source = open_source(folder(*sizes), **{"image_size": (4, 4), **options}, progress=False)
    assert sum(source.description.count(text) for text in (CUT, WHOLE, CELEBA)) == (said is not None)
    assert said is None or source.description.endswith(said)


def test_a_picture_on_its_side_is_measured_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees
    Image.fromarray(framed(178, 218)).save(tmp_path / "a.jpg", exif=exif)
    assert open_source(tmp_path, (4, 4), progress=False).description.endswith(CELEBA)


def test_damaged_pictures_say_nothing(folder):
    path = folder((218, 178), (218, 178))
    (path / "0.png").write_bytes((path / "0.png").read_bytes()[:30])
    assert open_source(path, (4, 4), progress=False).description.endswith(CELEBA)


def test_packed_and_growing_data_know_it(folder, monkeypatch, tmp_path):
    """A cache file tells a cut from a whole picture; the helpers that decode ahead get the same recipe."""
    path, cache = folder((20, 16), (6, 6)), tmp_path / "cache"
    options = {"image_size": (4, 4), "progress": False, "cache_dir": cache, "memory_limit": 10}
    cut, whole = (everything(open_source(path, crop_larger=larger, **options)) for larger in ((8, 8), None))
    assert len(list(cache.iterdir())) == 2 and (cut[0] == RED).all() and (whole[0] != RED).any()
    for larger in ((8, 8), None):
        wanted = Wanted("data", Choice(labels="none"), Recipe((4, 4), None, 3, larger))
        job = decode_ahead.Job(wanted, "1", tmp_path / "store")
        assert decode_ahead.Job.from_json(job.to_json().encode()) == job
        assert ("crop_larger" in json.loads(wanted.recipe.to_json())) == (larger is not None)


def test_prepare_names_the_recipe_too(folder, tmp_path, capsys):
    arguments = ["--data", str(folder((218, 178))), "--out", str(tmp_path / "a.h5"), "--no-progress"]
    assert prepare.main(arguments) == 0
    assert CELEBA in capsys.readouterr().out


@pytest.mark.parametrize("name", presets.PRESETS)
def test_four_presets_cut_as_their_codes_do(name):
    expected = (108, 108) if name in ("mydcgan", "tf-nw", "basicgan", "monn28") else None
    config = presets.config_of({"preset": name})
    assert (config.crop, config.crop_larger) == (None, expected)
    assert Config.from_json(config.to_json()) == config


@pytest.mark.parametrize("option", [{"recipe": "lsun"}, {"recipe": "celeba"}, {"crop_larger": "none"}])
def test_a_recipe_or_none_replaces_a_presets_crop(option):
    assert presets.config_of({"preset": "mydcgan", **option}).crop_larger is None


def test_a_bad_size_is_refused():
    with pytest.raises(UserError, match="--crop-larger: size 'x'"):
        Config(crop_larger="x")


def test_drawn_faces_stay_whole():
    batches = [
        open_data(presets.config_of({"preset": "mydcgan", "image_size": 16, **more}), False).batch(np.arange(4))
        for more in ({}, {"crop_larger": "none"})
    ]
    assert (batches[0] == batches[1]).all()


@pytest.mark.parametrize("more, cut", [([], True), (["--crop-larger", "none"], False), (["--crop", "120"], False)])
def test_mydcgan_on_a_folder(folder, tmp_path, capsys, more, cut):
    """Faces of 178x218 whose middle 108x108 pixels are red: the grid of real pictures is red where they are cut."""
    path = folder(*[(218, 178)] * 4)
    for file in path.iterdir():
        Image.fromarray(framed(218, 178, 108)).save(file)
    options = "--preset mydcgan --image-size 16 --width 2 --batch-size 4 --steps 1 --samples 1 --device cpu"
    options += f" --no-progress --implementation reference --data {path} --out {tmp_path}"
    assert main([*options.split(), *more]) == 0
    printed = capsys.readouterr().out
    assert printed.count("cut to their centre of 108x108") == cut and printed.count(CELEBA) == ("none" in more)
    (real,) = tmp_path.glob("*/samples/real.png")
    with Image.open(real) as image:
        assert (np.asarray(image) == grid(np.full((1, 16, 16, 3), RED, np.uint8))).all() == cut
