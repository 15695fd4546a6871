"""CIFAR-10 in its binary and Python version, in folders and archives, some made by attackers."""

import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image

from dcgan.data.formats import cifar
from dcgan.data.formats.cifar import CLASSES, TRAINING
from opened import everything, noise, opened, pack_tar, refusal

COUNT = 4  # images per batch

IMAGES = noise(6 * COUNT, 32, 32, 3)

LABELS = (np.arange(6 * COUNT) * 7 % 10).astype(np.uint8)

PLANES = IMAGES.transpose(0, 3, 1, 2).reshape(-1, 3072)

BATCHES = [*TRAINING, "test_batch"]


def rows(number):
    return slice(number * COUNT, (number + 1) * COUNT)


def binary(number):
    return np.concatenate([LABELS[rows(number), None], PLANES[rows(number)]], axis=1).tobytes()


def python2(number):
    """A batch as Python 2's cPickle wrote it, opcode by opcode."""
    content = PLANES[rows(number)].tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x04cnumpy\nndarray\nq\x05K\x00\x85q\x06U\x01bq\x07\x87q\x08Rq\x09"
        b"(K\x01K" + bytes([COUNT]) + b"M\x00\x0c\x86q\ncnumpy\ndtype\nq\x0bU\x02u1q\x0cK\x00K\x01\x87q\rRq\x0e"
        b"(K\x03U\x01|q\x0fNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x10b\x89"
        b"T" + struct.pack("<I", len(content)) + content + b"tq\x11b"
    )
    labels = b"]q\x12(" + b"".join(b"K" + bytes([label]) for label in LABELS[rows(number)]) + b"e"
    names = b"]q\x13(U\x05a.pngU\x05b.pnge"
    return b"\x80\x02}q\x01(U\x04dataq\x02" + array + b"U\x06labelsq\x03" + labels + b"U\tfilenames" + names + b"u."


def python3(number, protocol):
    return pickle.dumps({"data": PLANES[rows(number)], "labels": LABELS[rows(number)].tolist()}, protocol)


WRITERS = {"binary": binary, "python 2": python2, "python 3, 2": lambda n: python3(n, 2), "3": lambda n: python3(n, 4)}


@pytest.fixture(params=WRITERS)
def batches(request):
    suffix = ".bin" if request.param == "binary" else ""
    return {name + suffix: WRITERS[request.param](number) for number, name in enumerate(BATCHES)}


def write(folder, batches):
    folder.mkdir(exist_ok=True)
    for name, content in batches.items():
        (folder / name).write_bytes(content)
    return folder


def require_training_set(source):
    assert (everything(source) == IMAGES[: 5 * COUNT]).all()
    assert (source.labels == LABELS[: 5 * COUNT]).all() and source.classes == CLASSES


def test_folder(tmp_path, batches):
    require_training_set(opened(write(tmp_path / "data", batches), (32, 32)))


def test_folder_around_the_folder(tmp_path, batches):
    write(tmp_path / "cifar-10-batches-py", batches)
    require_training_set(opened(tmp_path, (32, 32)))


@pytest.mark.parametrize("name", ["cifar.tar.gz", "cifar.tgz", "cifar.tar"])
def test_archive_in_any_order_and_nothing_is_unpacked(tmp_path, batches, name):
    members = [("cifar-10/readme.html", b"hello"), *((f"cifar-10/{name}", batches[name]) for name in reversed(batches))]
    path = pack_tar(tmp_path / name, members)
    require_training_set(opened(path, (32, 32)))
    assert list(tmp_path.iterdir()) == [path]


def test_single_batch(tmp_path, batches):
    folder = write(tmp_path / "data", batches)
    source = opened(next(folder.glob("test_batch*")), (32, 32))
    assert (everything(source) == IMAGES[5 * COUNT :]).all() and len(source.labels) == COUNT


def test_a_missing_batch_is_named(tmp_path, batches):
    folder = write(tmp_path / "data", batches)
    next(folder.glob("data_batch_3*")).unlink()
    assert "data_batch_3 is not" in refusal(folder)
    assert "data_batch_3 is not" in refusal(
        pack_tar(tmp_path / "a.tar", [(f.name, f.read_bytes()) for f in folder.iterdir()])
    )


@pytest.mark.parametrize(
    "content, message",
    [(b"", "truncated"), (binary(0)[:-1], "truncated"), (b"\x0a" + bytes(3072), "a label is 10, expected 0 to 9")],
)
def test_damaged_binary_batch(tmp_path, content, message):
    (tmp_path / "test_batch.bin").write_bytes(content)
    assert message in refusal(tmp_path / "test_batch.bin")


RECORD = b"\x01" + noise(3072).tobytes()  # one record


def test_path_tricks_write_nothing_and_links_are_not_followed(tmp_path):
    path = tmp_path / "deep" / "cifar.tar"
    path.parent.mkdir()
    pack_tar(path, [(f"../../{name}.bin", RECORD) for name in TRAINING[:4]])
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("data_batch_5.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert "data_batch_5 is not" in refusal(path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["cifar.tar", "deep"]


def test_archives_that_are_bombs(tmp_path, monkeypatch):
    path = pack_tar(tmp_path / "a.tar.gz", [("junk", bytes(2**21)), *((f"{name}.bin", RECORD) for name in TRAINING)])
    monkeypatch.setattr(cifar, "TOTAL_LIMIT", 2**20)
    assert "unpacks to more than 1,048,576 bytes" in refusal(path)
    info = tarfile.TarInfo("data_batch_1")
    info.size = 2**40
    (tmp_path / "c.tar").write_bytes(info.tobuf())
    assert "claims 1,099,511,627,776 bytes" in refusal(tmp_path / "c.tar")


def test_a_batch_that_comes_twice(tmp_path):
    path = pack_tar(tmp_path / "b.tar", [("data_batch_1", RECORD), ("x/data_batch_1", RECORD)])
    assert "comes twice" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b broken gzip"])
def test_damaged_archives(tmp_path, content):
    for name in ("a.tar", "a.tar.gz"):
        (tmp_path / name).write_bytes(content)
        assert "tar" in refusal(tmp_path / name)


def test_a_torn_archive(tmp_path):
    path = pack_tar(tmp_path / "a.tar.gz", [(f"{name}.bin", RECORD) for name in TRAINING])
    whole = path.read_bytes()
    for torn in (whole[: len(whole) // 2], whole[:-9], whole[:60] + b"?" + whole[61:]):
        path.write_bytes(torn)
        assert "not a readable .tar archive" in refusal(path)


def test_an_archive_of_pictures_is_told_apart(tmp_path):
    """Also where one of the pictures has the name of a batch."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    members = [("readme.html", b"hello"), ("cat.png", buffer.getvalue()), ("data_batch_1", buffer.getvalue())]
    assert len(opened(pack_tar(tmp_path / "a.tgz", members), (8, 8))) == 2
    assert "are not" in refusal(pack_tar(tmp_path / "b.tgz", members[::-1]))  # found before the first picture
