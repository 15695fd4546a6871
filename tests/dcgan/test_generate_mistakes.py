"""dcgan.generate --mode: options that do not go together end in one clear line, exit status 2, and no file."""

import shutil

import pytest

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
    """A run without labels and one with two."""
    place = tmp_path_factory.mktemp("mistakes")
    for label in ("0", "1"):
        shutil.copytree(write_pictures(place / label), place / "data" / label)
    with backend.use(backend.implementation()):
        for preset in ("dcgan64", "carpedm20-mnist"):
            options = ["--preset", preset, "--data", place / "data", "--out", place / "runs"]
            assert run_train(*TINY, "--steps 1", *options) == 0
    return place / "runs"


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
