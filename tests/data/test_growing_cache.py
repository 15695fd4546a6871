"""What is decoded while training runs goes to a cache: the next run, or another one now, decodes only what it lacks."""

import numpy as np
import pytest
from PIL import Image

from dcgan.data.storage import growing, store
from large_folder import BAD, COUNT, VALUES, finished, values


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
