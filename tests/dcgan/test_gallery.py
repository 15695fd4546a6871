"""dcgan.gallery: a picture per preset, all trained equally long."""

import tempfile

import pytest
from PIL import Image

from dcgan import gallery, presets
from running import words, write_pictures

TEMPORARY = f"{tempfile.gettempdir()}/tmp"  # how the names of temporary folders begin
TINY = "--width 2 --z-dim 3 --batch-size 4 --steps 1 --device cpu --implementation reference --no-progress"


def run(*arguments):
    return gallery.main(words(arguments))


@pytest.fixture
def data(tmp_path):
    return write_pictures(tmp_path / "data")


def test_gallery(tmp_path, data, capsys):
    names, out = "--presets dcgan64,carpedm20-mnist,monn28 --image-size 24", tmp_path / "pictures"
    assert run(names, TINY, "--data", data, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "carpedm20-mnist: left out, because it needs --labelled" in printed
    assert f"picture: {out}/monn28.png (1 steps, " in printed
    assert "| `dcgan64` | 1 | 4 | 24x24x3 | " in printed and "| `monn28` | 1 | 4 | 24x24x3 | " in printed
    assert not [word for word in ("run folder", "samples:", TEMPORARY) if word in printed.replace(str(tmp_path), "")]
    assert sorted(path.name for path in out.iterdir()) == ["dcgan64.png", "monn28.png"]
    with Image.open(out / "monn28.png") as image:
        assert image.size == (3 * (2 + 6 * 26), 3 * (2 + 6 * 26))  # 36 pictures of 24x24 in rows of six, three times
        assert image.text["preset"] == "monn28" and image.text["steps"] == "1" and image.text["seconds"].isdecimal()


def test_presets_with_labels_draw_a_class_per_column(tmp_path, data):
    for label in range(10):
        write_pictures(tmp_path / f"digits{label}", 1)
    (tmp_path / "digits").mkdir()
    for label in range(10):
        (tmp_path / f"digits{label}").rename(tmp_path / "digits" / str(label))
    where = ["--labelled", tmp_path / "digits", "--out", tmp_path / "out"]
    assert run("--presets carpedm20-mnist --image-size 28", TINY, *where) == 0
    with Image.open(tmp_path / "out/carpedm20-mnist.png") as image:
        assert image.size == (2 * (2 + 10 * 30), 2 * (2 + 10 * 30)) and image.mode == "L"


def test_all_presets_have_the_same_steps_and_batches():
    configs = [gallery.configuration(name, {}) for name in presets.PRESETS]
    assert {(config.steps, config.batch_size) for config in configs} == {(1000, 64)}
    assert {config.preset: config.image_size for config in configs}["anime96"] == (96, 96)  # the rest is the preset's


def test_mistakes_are_found_before_the_first_is_trained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("--presets dcgan64,alexnet --steps 3") == 2
    assert run("--presets dcgan64,anime96 --steps 3 --image-size 64") == 2
    assert "sides have to be multiples of 24" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_help_names_only_options_that_are_used(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    printed = capsys.readouterr().out
    for unused in ("--tensorboard", "--keep", "--sample-every", "run folders", "--real-grids", "--samples "):
        assert unused not in printed
