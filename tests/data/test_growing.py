"""Large sets of files: decoded while training runs, the same pictures in the same places at any time, and kept."""

import io
import os
import shutil
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from dcgan.data import Loader
from dcgan.data.storage import decode_ahead, growing, store
from dcgan.data.storage.growing import GrowingSource
from dcgan.errors import UserError
from large_folder import BAD, COUNT, VALUES, finished, values


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


def test_closing_ends_the_processes(open_data, folder):
    content = io.BytesIO()
    Image.effect_noise((2500, 2500), 50).save(content, "png", compress_level=1)  # takes a while to decode
    for path in folder.rglob("*.png"):  # forty
        path.write_bytes(content.getvalue())
    source = open_data()
    source.expect(np.arange(COUNT))
    until = time.monotonic() + 120  # the helpers get a core only where nobody else wants it
    while source.left() > COUNT - 4 and time.monotonic() < until:
        time.sleep(0.002)
    assert 0 < source.left() <= COUNT - 4
    source.close()
    assert source.helpers.processes and all(process.returncode < 0 for process in source.helpers.processes)


def test_a_process_without_its_training_ends(open_data):
    source = open_data()
    decode_ahead.fill(source.job, np.arange(COUNT), 0, 1, needed=lambda: source.left() > COUNT - 5)
    assert COUNT - 7 < source.left() <= COUNT - 5


def test_data_that_changed_meanwhile_are_left_to_the_training(open_data, folder):
    source = open_data()
    shutil.copy(folder / "a/00.png", folder / "a/new.png")
    decode_ahead.fill(source.job, np.arange(COUNT), 0, 1, needed=lambda: True)
    assert source.left() == COUNT - 1


def test_not_one_picture(open_data, folder):
    for path in folder.rglob("*.png"):
        path.write_text("damaged")
    with pytest.raises(UserError, match="none of the 40 image files .* could be read; the first, a/00.png"):
        open_data()


def test_from_the_cache_only_damaged_files_are_read_again(open_data, decoded, monkeypatch):
    first = finished(open_data())
    first.close()
    monkeypatch.setattr(growing, "AT_ONCE", 256)
    decoded.clear()
    second = open_data()
    assert len(decoded) == len(BAD)
    assert second.description.endswith("(4 skipped)") and second.fingerprint == first.fingerprint
    assert values(second) == VALUES and len(decoded) == len(BAD)
    assert values(first) == VALUES and second.skipped == first.skipped


def test_an_interrupted_first_pass_goes_on_where_it_was(open_data, decoded):
    values(open_data(), range(22, 32))  # and dies without closing
    decoded.clear()
    source = open_data()
    assert source.left() == COUNT - 11 and values(source, range(22, 34)) == list(range(22, 34))
    assert len(decoded) == 2


def test_after_a_power_cut_only_what_was_on_the_disk_counts(open_data, monkeypatch):
    source = open_data()
    values(source, range(22, 32))
    source.store.save()
    values(source, range(32, 36))
    monkeypatch.setattr(store, "boot_id", lambda: b"x" * 36)
    again = open_data()
    assert np.flatnonzero(again.store.there()).tolist() == [0, *range(22, 32)]


def test_a_changed_folder_has_another_cache(open_data, folder, tmp_path):
    finished(open_data()).close()
    Image.new("L", (6, 6), 200).save(folder / "a/03.png")
    assert values(open_data())[:6] == [0, 1, 2, 200, 5, 5]
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"torn", None])
def test_a_torn_cache_is_begun_anew(open_data, tmp_path, content):
    open_data().close()
    (cached,) = (tmp_path / "cache").iterdir()
    torn = cached.read_bytes()[:2500] if content is None else content
    cached.unlink()
    cached.write_bytes(torn)
    assert values(open_data()) == VALUES


def test_two_at_once_share_a_cache(open_data, decoded):
    one, other = open_data(), open_data()
    assert values(one, range(22, 30)) == list(range(22, 30))
    decoded.clear()
    assert values(other, range(22, 30)) == list(range(22, 30)) and decoded == []
