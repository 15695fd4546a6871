"""Large sets of files: trained on while they are decoded, and the same pictures in the same places at any time."""

import os
import shutil
import time
import zipfile

import numpy as np
import pytest

from dcgan.data import Loader
from dcgan.data.storage import decode_ahead
from dcgan.data.storage.growing import GrowingSource
from dcgan.errors import UserError
from large_folder import COUNT, VALUES, finished, values


def test_nothing_is_decoded_before_it_is_asked_for(open_data, decoded):
    source = open_data()
    assert isinstance(source, GrowingSource) and len(source) == COUNT and len(decoded) == 1
    assert source.description.endswith("; 39 of them are decoded while training runs")
    assert values(source, [7, 9, 7]) == [7, 9, 7]
    assert len(decoded) == 3 and source.progress() == {"decoded": "7%"}


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_files_place_is_the_next_pictures_whenever_it_is_found(open_data, seed):
    order = np.random.default_rng(seed).permutation(COUNT)
    source = open_data(**{"cache_dir": f"{os.devnull}/none"} if seed == 0 else {})  # once without a cache
    assert values(source, order) == [VALUES[i] for i in order]
    assert [name for name, _ in source.skipped] == ["a/03.png", "a/04.png", "a/21.png", "b/39.png"]


def test_so_do_the_labels(open_data):
    source = open_data()
    with Loader(source, COUNT, seed=1) as loader:
        batch = next(loader)
    shown = batch.images[:, 0, 0, 0]
    assert (batch.labels == (shown >= 22)).all() and set(shown) == set(VALUES)


def test_processes_decode_ahead_and_what_they_find_damaged_is_listed(open_data, decoded):
    source = finished(open_data())
    assert source.left() == 0 and source.progress() == {}
    assert len(decoded) == 1 and [process.returncode for process in source.helpers.processes] == [0, 0]
    assert [name for name, _ in source.skipped] == ["a/03.png", "a/04.png", "a/21.png", "b/39.png"]
    assert values(source) == VALUES


def test_a_zip(open_data, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, path.relative_to(folder))
    source = finished(open_data(tmp_path / "data.zip"))
    assert source.left() == 0 and values(source) == VALUES


def test_a_part_of_the_files(open_data):
    source = finished(open_data(pattern="b/*", train_size=12), range(12))
    assert source.left() == 0 and values(source, range(12)) == [22, 23, 25, 26, 28, 29, 31, 32, 34, 35, 37, 38]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_closing_ends_the_processes(open_data, folder):
    os.mkfifo(folder / "b/stuck.png")  # whoever reads it waits for ever
    source = open_data()
    source.expect(np.arange(COUNT))
    until = time.monotonic() + 30
    while source.left() > 1 and time.monotonic() < until:
        time.sleep(0.02)
    assert source.left() == 1
    source.close()
    assert source.helpers.processes and all(process.returncode < 0 for process in source.helpers.processes)


def test_a_process_without_its_training_ends(open_data):
    source = open_data()
    decode_ahead.fill(source.job, np.arange(COUNT), 0, 1, wanted=lambda: source.left() > COUNT - 5)
    assert COUNT - 7 < source.left() <= COUNT - 5


def test_data_that_changed_meanwhile_are_left_to_the_training(open_data, folder):
    source = open_data()
    shutil.copy(folder / "a/00.png", folder / "a/new.png")
    decode_ahead.fill(source.job, np.arange(COUNT), 0, 1, wanted=lambda: True)
    assert source.left() == COUNT - 1


def test_not_one_picture(open_data, folder):
    for path in folder.rglob("*.png"):
        path.write_text("damaged")
    with pytest.raises(UserError, match="none of the 40 image files .* could be read; the first, a/00.png"):
        open_data()
