"""idx files: MNIST and its kin, whole or torn."""

import gzip
import struct

import numpy as np
import pytest

from dcgan.data import Loader
from opened import everything, idx_bytes, noise, opened, refusal, write_idx

TRAIN, TEST = noise(7, 5, 6), noise(3, 5, 6)
TRAIN_LABELS, TEST_LABELS = np.uint8([0, 1, 2, 3, 4, 0, 1]), np.uint8([9, 8, 7])
NAMES = {"train-images-idx3-ubyte": TRAIN, "train-labels-idx1-ubyte": TRAIN_LABELS}
NAMES |= {"t10k-images-idx3-ubyte": TEST, "t10k-labels-idx1-ubyte": TEST_LABELS}


@pytest.fixture(params=["", ".gz"])
def mnist(tmp_path, request):
    for name, array in NAMES.items():
        write_idx(tmp_path / (name + request.param), array)
    return tmp_path


def test_a_folder_is_training_and_test_set_joined_with_labels(mnist):
    source = opened(mnist, (5, 6))
    assert source.shape == (10, 5, 6, 1)
    assert (everything(source)[..., 0] == np.concatenate([TRAIN, TEST])).all()
    assert source.labels.tolist() == [0, 1, 2, 3, 4, 0, 1, 9, 8, 7]
    assert source.classes == [str(digit) for digit in range(10)]
    assert source.description == f"10 images 5x6x1 of 10 classes from {mnist}"


def test_a_single_file_finds_its_labels(mnist):
    source = opened(next(mnist.glob("t10k-images*")), (5, 6))
    assert (everything(source)[..., 0] == TEST).all() and source.labels.tolist() == [9, 8, 7]


def test_labels_may_be_missing_or_unwanted(mnist):
    assert opened(mnist, (5, 6), labels="none").labels is None
    next(mnist.glob("t10k-labels*")).unlink()
    source = opened(mnist, (5, 6))
    assert len(source) == 10 and source.labels is None and source.classes is None


def test_other_names_and_places(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    write_idx(folder / "train-images.idx3-ubyte", TRAIN)
    write_idx(folder / "train-images.idx3-ubyte.gz", TRAIN)  # the same, still packed: counts once
    write_idx(folder / "train-labels.idx1-ubyte", TRAIN_LABELS)
    source = opened(tmp_path, (5, 6))
    assert len(source) == 7 and source.labels.tolist() == TRAIN_LABELS.tolist()


def test_size_channels_and_crop_are_as_asked(mnist):
    assert opened(mnist, (28, 20), channels=3).shape == (10, 28, 20, 3)
    cropped = everything(opened(mnist, (3, 4), crop=(3, 4)))
    assert (cropped[:7, ..., 0] == TRAIN[:, 1:4, 1:5]).all()


def test_batches_carry_their_labels(mnist):
    source = opened(mnist, (5, 6))
    where = {image.tobytes(): label for image, label in zip(everything(source), source.labels, strict=True)}
    with Loader(source, 4, seed=1) as loader:
        for _ in range(5):
            batch = next(loader)
            assert [where[image.tobytes()] for image in batch.images] == batch.labels.tolist()


def test_fingerprint_follows_content_and_labels(mnist):
    before = opened(mnist, (5, 6)).fingerprint
    assert opened(mnist, (5, 6)).fingerprint == before != opened(mnist, (5, 6), labels="none").fingerprint
    file = next(mnist.glob("train-images*"))
    write_idx(file, TRAIN ^ 1)
    assert opened(mnist, (5, 6)).fingerprint != before


HEAD = struct.pack(">BBBBIII", 0, 0, 8, 3, 7, 5, 6)
DAMAGED = {
    "empty": (b"", "begins with nothing"),
    "magic": (b"\x89PNG" + HEAD[4:], "begins with 89 50 4e 47, expected 00 00 08 03"),
    "floats": (struct.pack(">BBBBIII", 0, 0, 13, 3, 7, 5, 6), "no idx file of unsigned bytes"),
    "labels as images": (idx_bytes(TRAIN_LABELS) + b"\0" * 16, "expected 00 00 08 03"),
    "short head": (HEAD[:9], "no idx file"),
    "cut": (HEAD + TRAIN.tobytes()[:-1], "fewer bytes than the 210 of 7x5x6"),
    "longer": (HEAD + TRAIN.tobytes() + b"!", "more bytes than the 210"),
    "none": (struct.pack(">BBBBIII", 0, 0, 8, 3, 0, 5, 6), "holds no images"),
    "no height": (struct.pack(">BBBBIII", 0, 0, 8, 3, 7, 0, 6), "holds no images"),
    "boast": (struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"!", "claims|fewer bytes"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("content, message", DAMAGED.values(), ids=DAMAGED)
def test_damage_ends_in_one_line(tmp_path, content, message, packed):
    file = tmp_path / ("train-images-idx3-ubyte" + ".gz" * packed)
    file.write_bytes(gzip.compress(content) if packed else content)
    text = refusal(tmp_path)
    assert any(part in text for part in message.split("|")) and file.name in text


def test_damaged_gz(tmp_path):
    file = tmp_path / "train-images-idx3-ubyte.gz"
    content = gzip.compress(idx_bytes(noise(50, 9, 9)))
    for torn in (content[: len(content) // 2], b"no gzip at all, sixteen bytes", content[:40] + b"?" + content[41:]):
        file.write_bytes(torn)
        assert "damaged" in refusal(file)


def test_a_gz_bomb_is_not_unpacked(tmp_path, monkeypatch):
    """A header claims 4 MiB, and as many zeros follow: the claim is believable, the memory is not there."""
    from dcgan.data import limits

    monkeypatch.setattr(limits, "default_memory_limit", lambda: 2**20)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(struct.pack(">BBBBIII", 0, 0, 8, 3, 2**10, 2**6, 2**6) + bytes(2**22), 9))
    assert "4,194,304 bytes, more than the 1,048,576 that may be held in memory" in refusal(file)


def test_labels_that_do_not_fit(mnist):
    file = next(mnist.glob("train-labels*"))
    write_idx(file, TRAIN_LABELS[:-1])
    assert "6 labels for 7 images" in refusal(mnist)


def test_more_than_one_set_in_a_folder(tmp_path):
    for name in ("emnist-letters-train-images-idx3-ubyte", "emnist-digits-train-images-idx3-ubyte"):
        write_idx(tmp_path / name, TRAIN)
    assert "more than one set" in refusal(tmp_path)


def test_halves_of_different_size(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", TRAIN)
    write_idx(tmp_path / "t10k-images-idx3-ubyte", noise(3, 6, 5))
    assert "different shapes, (5, 6) and (6, 5)" in refusal(tmp_path)


@pytest.mark.parametrize("images", ["train-images-idx3-ubyte", "train-images.idx3-ubyte.gz"])
@pytest.mark.parametrize("labels", ["train-labels-idx1-ubyte", "train-labels.idx1-ubyte", "train-labels.idx1-ubyte.gz"])
def test_dots_and_dashes_may_be_mixed(tmp_path, images, labels):
    write_idx(tmp_path / images, noise(6, 5, 6))
    write_idx(tmp_path / labels, np.arange(6, dtype=np.uint8))
    assert opened(tmp_path, (5, 6)).labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_unpacked_files_beside_their_gz_are_one_set(tmp_path):
    for half, count in (("train", 6), ("t10k", 4)):
        array = noise(count, 5, 6)
        write_idx(tmp_path / f"{half}-images-idx3-ubyte.gz", array)
        write_idx(tmp_path / f"{half}-images.idx3-ubyte", array)
    assert len(opened(tmp_path, (5, 6))) == 10


def test_a_file_that_is_packed_or_not_against_its_name(tmp_path):
    array = noise(6, 5, 6)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(idx_bytes(array))  # a browser unpacked it
    assert (everything(opened(tmp_path, (5, 6)))[..., 0] == array).all()


@pytest.mark.parametrize("kind, labels, names", [("letters", [1, 26, 2], "AZB"), ("balanced", [0, 10, 46], "0At")])
def test_emnist_is_turned_upright_and_has_its_letters(tmp_path, kind, labels, names):
    array = noise(3, 5, 6)
    write_idx(tmp_path / f"emnist-{kind}-train-images-idx3-ubyte.gz", array)
    write_idx(tmp_path / f"emnist-{kind}-train-labels-idx1-ubyte.gz", np.array(labels, np.uint8))
    source = opened(tmp_path, (6, 5))
    assert (everything(source)[..., 0] == array.transpose(0, 2, 1)).all()
    assert "".join(source.classes[label] for label in source.labels) == names


def test_labels_beyond_the_letters_have_no_names(tmp_path):
    """A file of another set, or a damaged one: the classes are then called by their numbers."""
    write_idx(tmp_path / "emnist-letters-train-images-idx3-ubyte", noise(3, 5, 6))
    write_idx(tmp_path / "emnist-letters-train-labels-idx1-ubyte", np.array([1, 30, 2], np.uint8))
    source = opened(tmp_path, (6, 5))
    assert source.labels.tolist() == [0, 29, 1] and source.classes == [str(number) for number in range(30)]


@pytest.mark.parametrize("end", ["", ".gz"])
def test_qmnist_s_labels_are_the_first_of_eight_numbers(tmp_path, end):
    write_idx(tmp_path / f"qmnist-test-images-idx3-ubyte{end}", noise(4, 5, 6))
    numbers = np.arange(32).reshape(4, 8)
    content = struct.pack(">BBBBII", 0, 0, 0x0C, 2, 4, 8) + numbers.astype(">i4").tobytes()
    path = tmp_path / f"qmnist-test-labels-idx2-int{end}"
    path.write_bytes(gzip.compress(content) if end else content)
    assert opened(tmp_path, (5, 6)).labels.tolist() == [0, 8, 16, 24]


def test_bits_are_black_and_white(tmp_path):
    array = noise(4, 5, 6) % 2
    write_idx(tmp_path / "train-images-idx3-ubyte", array)
    assert (everything(opened(tmp_path, (5, 6)))[..., 0] == array * 255).all()
