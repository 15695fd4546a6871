"""Folders and .zip files of pictures: which files, in which order, and archives made by attackers."""

import os
import struct
import zipfile

import pytest

from dcgan.data import open_source
from dcgan.data.formats.archives import ZipListing
from dcgan.data.formats.folder import FolderListing
from opened import make, only_skipped, open_small, png_bytes, values


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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path):
    (make(tmp_path, "sound.png") / "locked").mkdir(mode=0)
    assert "Permission denied" in only_skipped(tmp_path, "locked/")


@pytest.fixture
def archive(tmp_path):
    """Write a .zip of a sound picture and these members; return its path."""

    def write(**members):
        with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("sound.png", png_bytes(tmp_path))
            for name, data in members.items():
                file.writestr(name, data)
        return tmp_path / "data.zip"

    return write


def test_member_names_that_point_elsewhere_are_only_names(archive, tmp_path):
    data = png_bytes(tmp_path)
    path = archive(**{"../../outside.png": data, "/absolute.png": data, "C:\\windows.png": data})
    before = sorted(os.walk(tmp_path.parent))
    source = open_source(path, (8, 8), progress=False)
    assert len(source) == 4 and source.skipped == []
    assert sorted(os.walk(tmp_path.parent)) == before


def test_a_member_too_large_unpacked(archive, monkeypatch):
    monkeypatch.setattr("dcgan.data.formats.archives.MEMBER_LIMIT", 100_000)
    assert (
        only_skipped(archive(**{"bomb.png": bytes(1_000_000)}), "bomb.png")
        == "claims 1,000,000 bytes unpacked, more than 100,000"
    )


def test_a_member_that_is_larger_than_it_claims(archive):
    path = archive(**{"liar.png": bytes(1_000_000)})
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10)))
    assert "CRC" in only_skipped(path, "liar.png")


def test_an_encrypted_member(archive):
    path = archive(**{"secret.png": b"x"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the second entry's flags, in both headers
        at = data.index(signature, data.index(signature) + 1)
        data[at + offset] |= 1
    path.write_bytes(data)
    assert only_skipped(path, "secret.png") == "encrypted in the .zip"


def test_a_zip_cut_short(archive):
    (path := archive()).write_bytes(archive().read_bytes()[:-30])
    with pytest.raises(ValueError, match="not a readable .zip"):
        open_source(path, (8, 8))
