""".npz: names of arrays, labels, damage, bombs."""

import io
import struct
import zipfile

import numpy as np
import pytest

from dcgan.data import limits
from opened import NPY_SHAPED, everything, noise, npy_head, opened, refusal

COLOUR, GREY = noise(6, 5, 7, 3), noise(6, 5, 7)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("images, labels", [("images", "labels"), ("x", "y"), ("X", "y"), ("arr_0", "labels")])
def test_npz(tmp_path, save, images, labels):
    save(tmp_path / "a.npz", **{images: COLOUR, labels: np.arange(6)[:, None]})
    source = opened(tmp_path / "a.npz", (5, 7))
    assert (everything(source) == COLOUR).all() and source.labels.tolist() == list(range(6))


@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"),
                                   ("train_images", "train_labels", "test_images", "test_labels")])  # fmt: skip
def test_npz_of_training_and_test_set(tmp_path, names):
    arrays = [COLOUR[:4], np.array([3, 2, 1, 0]), COLOUR[4:], np.array([1, 1])]
    np.savez(tmp_path / "a.npz", **dict(reversed(list(zip(names, arrays, strict=True)))))
    source = opened(tmp_path / "a.npz", (5, 7))
    assert (everything(source) == COLOUR).all() and source.labels.tolist() == [3, 2, 1, 0, 1, 1]


def test_npz_array_by_name(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, cats=COLOUR, dogs=GREY, table=np.zeros((3, 3)))
    text = refusal(path)
    assert "which of them are the images?" in text and "cats (6, 5, 7, 3)" in text and f"--data {path}:NAME" in text
    assert (everything(opened(f"{path}:dogs", (5, 7)))[..., 0] == GREY).all()
    assert "no array of numbers is called 'birds'" in refusal(f"{path}:birds")
    np.savez(path, table=np.zeros((3, 3)))
    assert "none has the shape of images" in refusal(path)


def test_damaged_and_hostile_npz(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, images=np.array([{}], object))
    assert "Python objects" in refusal(path)
    np.savez_compressed(path, images=COLOUR)
    whole = path.read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], whole[:200] + bytes(100) + whole[300:]):
        path.write_bytes(content)
        assert "not a readable .npz" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", npy_head(NPY_SHAPED.format(f"(100, {2**20}, {2**20})")) + b"little")
    assert "damaged" in refusal(path) or "held in memory" in refusal(path)


def test_npz_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "default_memory_limit", lambda: 2**20)
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((2**10, 64, 64), np.uint8))
    assert "4,194,304 bytes, more than the 1,048,576 that may be held in memory" in refusal(tmp_path / "a.npz")


def test_a_npz_member_that_lies_about_its_size(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=np.zeros((64, 8, 8), np.uint8))
    content = bytearray(buffer.getvalue())
    at = content.rindex(b"PK\x01\x02") + 24  # unpacked size in the central directory
    content[at : at + 4] = struct.pack("<I", 2**31)
    (tmp_path / "a.npz").write_bytes(content)
    assert "claims 2,147,483,648 bytes" in refusal(tmp_path / "a.npz")
