"""open_source: finding the files, their order, the channels, and one clear line where nothing can be opened."""

import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from dcgan.data import open_source, require_batch
from dcgan.data.formats.folder import FolderListing, ZipListing
from dcgan.errors import UserError


def picture(value, size=(8, 8)):
    return Image.new("RGB", size, (value, value // 2, 7))


def make(folder, *names):
    """Save pictures of values 0, 1, 2, ... under these names."""
    for value, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(value).save(folder / name, format="PNG")
    return folder


def values(source):
    return source.batch(np.arange(len(source)))[:, 0, 0, 0].tolist()


def open_small(path, **options):
    return open_source(path, (8, 8), progress=False, **options)


def test_files_come_sorted_by_path_whatever_their_depth_and_case(tmp_path):
    make(tmp_path, "b/2.png", "b/10.JPG", "a/z.bmp", "Z.Png", "c.gif", "a/deep/er/x.webp")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "a" / ".hidden.png").write_bytes(b"left by a file manager")
    assert FolderListing(tmp_path).names == ["Z.Png", "a/deep/er/x.webp", "a/z.bmp", "b/10.JPG", "b/2.png", "c.gif"]
    assert values(open_small(tmp_path)) == [3, 5, 2, 1, 0, 4]


def test_links_are_followed_but_never_in_circles(tmp_path):
    outside = make(tmp_path / "outside", "1.png", "2.png")
    data = make(tmp_path / "data", "0.png")
    (data / "folder").symlink_to(outside)
    (data / "single.png").symlink_to(outside / "1.png")
    (data / "round").symlink_to(data)
    (outside / "back").symlink_to(data)
    (data / "broken.png").symlink_to(tmp_path / "nowhere.png")
    assert FolderListing(data).names == ["0.png", "broken.png", "folder/1.png", "folder/2.png", "single.png"]
    source = open_small(data)
    assert len(source) == 4
    assert source.skipped == [("broken.png", f"[Errno 2] No such file or directory: '{data}/broken.png'")]


def test_zip_equals_folder_and_is_not_unpacked(tmp_path):
    names = ["img/b.png", "img/a.PNG", "c.png"]
    make(tmp_path / "folder", *names)
    with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.write(tmp_path / "folder" / name, name)
        archive.mkdir("empty.png")
        archive.writestr("__MACOSX/img/._b.png", "resource fork")
        archive.writestr("img/._b.png", "resource fork")
        archive.writestr("readme.txt", "hello")
    before = sorted(os.listdir(tmp_path))
    from_zip, from_folder = open_small(tmp_path / "data.zip"), open_small(tmp_path / "folder")
    assert from_zip.skipped == [] and values(from_zip) == values(from_folder) == [2, 1, 0]
    assert sorted(os.listdir(tmp_path)) == before
    assert ZipListing(tmp_path / "data.zip").names == ["c.png", "img/a.PNG", "img/b.png"]


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
