"""CIFAR-10's .tar.gz as attackers would make it: path tricks, links, bombs, damage. Nothing is unpacked to the disk."""

import tarfile

import pytest

from dcgan.data.formats import cifar
from dcgan.data.formats.cifar import TRAINING
from opened import noise, pack_tar, refusal

BATCH = b"\x01" + noise(3072).tobytes()  # one record


def test_path_tricks_write_nothing_and_links_are_not_followed(tmp_path):
    path = tmp_path / "deep" / "cifar.tar"
    path.parent.mkdir()
    pack_tar(path, [(f"../../{name}.bin", BATCH) for name in TRAINING[:4]])
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("data_batch_5.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert "data_batch_5 is not" in refusal(path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["cifar.tar", "deep"]


def test_bombs(tmp_path, monkeypatch):
    path = pack_tar(tmp_path / "a.tar.gz", [("junk", bytes(2**21)), *((f"{name}.bin", BATCH) for name in TRAINING)])
    monkeypatch.setattr(cifar, "TOTAL_LIMIT", 2**20)
    assert "unpacks to more than 1,048,576 bytes" in refusal(path)
    info = tarfile.TarInfo("data_batch_1")
    info.size = 2**40
    (tmp_path / "c.tar").write_bytes(info.tobuf())
    assert "claims 1,099,511,627,776 bytes" in refusal(tmp_path / "c.tar")


def test_a_batch_that_comes_twice(tmp_path):
    assert "comes twice" in refusal(pack_tar(tmp_path / "b.tar", [("data_batch_1", BATCH), ("x/data_batch_1", BATCH)]))


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b broken gzip"])
def test_damage(tmp_path, content):
    for name in ("a.tar", "a.tar.gz"):
        (tmp_path / name).write_bytes(content)
        assert "tar" in refusal(tmp_path / name)


def test_a_torn_archive(tmp_path):
    path = pack_tar(tmp_path / "a.tar.gz", [(f"{name}.bin", BATCH) for name in TRAINING])
    whole = path.read_bytes()
    for torn in (whole[: len(whole) // 2], whole[:-9], whole[:60] + b"?" + whole[61:]):
        path.write_bytes(torn)
        assert "not a readable .tar archive" in refusal(path)


def test_an_archive_of_pictures_is_told_apart(tmp_path):
    assert "pictures go into a folder or a .zip" in refusal(pack_tar(tmp_path / "a.tgz", [("cat.png", b"picture")]))
