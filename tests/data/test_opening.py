"""open_source: a short way to the data, its channels and description, one clear line where nothing can be opened."""

import sys
import threading
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from dcgan.data import opening, require_batch
from dcgan.errors import UserError
from opened import make, open_small, picture, values


def test_a_plain_folder_takes_a_walk_of_ten_files(tmp_path):
    """Of dcgan/data, the files whose functions run while a folder of pictures is opened, threads included."""
    home, met = Path(opening.__file__).parent, set()

    def note(frame, event, _):
        file = Path(frame.f_code.co_filename)
        if event == "call" and home in file.parents:
            met.add(file.relative_to(home).as_posix())

    make(tmp_path, *[f"{i}.png" for i in range(40)])
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        source = open_small(tmp_path)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert len(source) == 40 and {"opening.py", "formats/recognise.py", "formats/decode.py"} <= met
    assert len(met) <= 10, sorted(met)


def test_channels_are_as_in_the_data_unless_given(tmp_path):
    grey, mixed = tmp_path / "grey", tmp_path / "mixed"
    for folder in (grey, mixed):
        folder.mkdir()
        for i in range(5):
            Image.new("L", (8, 8), 50 * i).save(folder / f"{i}.png")
    Image.new("RGB", (8, 8), (10, 200, 30)).save(mixed / "colour.png")
    assert open_small(grey).channels == 1
    assert open_small(grey, channels=3).batch([1])[0, 0, 0].tolist() == [50, 50, 50]
    assert open_small(mixed).channels == 3
    assert open_small(mixed, channels=1).batch([5]).item(0) == round(0.299 * 10 + 0.587 * 200 + 0.114 * 30)


def test_the_number_of_threads_changes_nothing(tmp_path):
    make(tmp_path, *[f"{i:03d}.png" for i in range(150)])
    one, many = open_small(tmp_path, workers=1), open_small(tmp_path, workers=7)
    assert values(one) == values(many) == list(range(150))


def test_description_and_fingerprint(tmp_path):
    make(tmp_path, "a.png", "b.png")
    (tmp_path / "c.png").write_text("text")
    source = open_small(tmp_path)
    assert source.description == f"2 images 8x8x3 from {tmp_path} (1 skipped)"
    assert source.fingerprint == open_small(tmp_path).fingerprint
    assert source.fingerprint != open_small(tmp_path, crop=6).fingerprint
    picture(9, (9, 9)).resize((30, 30)).save(tmp_path / "c.png")
    assert source.fingerprint != open_small(tmp_path).fingerprint


def refusal(path, **options):
    """The one line that opening ends in."""
    with pytest.raises(UserError) as error:
        open_small(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_one_clear_line_where_nothing_can_be_opened(tmp_path):
    assert "no such file or folder" in refusal(tmp_path / "nothing")
    assert "no such file or folder" in refusal("")
    assert ".jpg, .jpeg, .png, .bmp, .gif, .webp" in refusal(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    assert "is of no known kind: expected a folder" in refusal(tmp_path / "a.txt")
    (tmp_path / "a.zip").write_text("not a zip")
    assert "not a readable .zip" in refusal(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    assert "no images found" in refusal(tmp_path / "b.zip")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("x")
    assert "none of the 1 image files" in refusal(tmp_path / "bad")


def test_fewer_images_than_one_batch(tmp_path):
    source = open_small(make(tmp_path, "a.png", "b.png", "c.png"))
    require_batch(source, 3)
    with pytest.raises(UserError, match="3 images.*fewer images than one batch of 4.*at most 3"):
        require_batch(source, 4)
    with pytest.raises(UserError, match="batch size 0"):
        require_batch(source, 0)
