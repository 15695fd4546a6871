""".npy and .npz files: layouts, number types, names of arrays, labels, damage, bombs."""

import io
import struct
import zipfile

import numpy as np
import pytest

from dcgan.data import limits
from opened import NPY_SHAPED, everything, noise, npy_head, opened, refusal

COLOUR, GREY = noise(6, 5, 7, 3), noise(6, 5, 7)


def write(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    "array, expected",
    [
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR),
        (np.asfortranarray(COLOUR), COLOUR),
        (GREY, GREY[..., None]),
        (GREY[..., None], GREY[..., None]),
        (GREY[:, None], GREY[..., None]),
        (COLOUR.astype(np.int64), COLOUR),
        (COLOUR.astype(">u2"), COLOUR),
        (GREY > 99, 255 * (GREY > 99)[..., None]),
        (COLOUR / 255, COLOUR),
        ((COLOUR / 255).astype(np.float32), COLOUR),
        (COLOUR / 127.5 - 1, COLOUR),
        ((COLOUR / 127.5 - 1).astype(np.float32).transpose(0, 3, 1, 2), COLOUR),
    ],
)
def test_layouts_and_number_types(tmp_path, array, expected):
    source = opened(write(tmp_path / "a.npy", array), (5, 7))
    assert source.channels == expected.shape[3]
    assert (everything(source) == expected).all()


def test_floats_are_scaled_by_all_values_not_by_the_first(tmp_path, monkeypatch):
    """A dark first block in [0, 1] must not hide the negative values of a later one."""
    from dcgan.data.formats import arrays

    monkeypatch.setattr(arrays, "BLOCK_BYTES", 64)
    array = np.full((9, 4, 4), 0.5)
    array[7, 1, 2] = -1
    images = everything(opened(write(tmp_path / "a.npy", array), (4, 4)))
    assert images[0].min() == images[0].max() == 191 and images[7, 1, 2, 0] == 0  # round half even of 1.5 * 127.5


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros((4, 784), np.uint8), "expected images as (N, H, W)"),
        (np.zeros((5, 8, 3), np.uint8), "one image (H, W, C), or 5 of (H, W)?"),
        (np.zeros((5, 3, 8, 3), np.uint8), "both axis 1 and axis 3 could be the channels"),
        (np.zeros((5, 8, 8, 4), np.uint8), "neither axis 1 nor axis 3"),
        (np.zeros((5, 8, 8, 3, 1), np.uint8), "expected images as"),
        (np.zeros((0, 8, 8), np.uint8), "no images"),
        (np.zeros((3, 0, 8), np.uint8), "no images"),
        (np.full((2, 8, 8), 256), "values from 256 to 256: expected from 0 to 255"),
        (np.full((2, 8, 8), -1), "expected from 0 to 255"),
        (np.full((2, 8, 8), 1.5), "values from 1.5 to 1.5: expected in [0, 1] or [-1, 1]"),
        (np.full((2, 8, 8), np.nan), "from nan to nan"),
        (np.array([0, 0, np.inf, 0]).reshape(1, 2, 2), "from 0 to inf"),
        (np.zeros((2, 8, 8), complex), "holds complex128"),
        (np.zeros((2, 8, 8), "S3"), "holds |S3"),
        (np.zeros((2, 8, 8), [("a", "u1")]), "expected uint8"),
        (np.array([[["a"]]], object), "not a readable .npy file of numbers"),
    ],
)
def test_what_is_no_set_of_images(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    assert message in refusal(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        npy_head(NPY_SHAPED.format("(9, 8, 8)")) + b"short",
        npy_head(NPY_SHAPED.format(f"({2**40}, {2**40}, 8)")),
        npy_head(NPY_SHAPED.format("(-1, 8, 8)")) + bytes(64),
        npy_head(NPY_SHAPED.format("(1, 8, 'x')")) + bytes(64),
        npy_head("(" * 9000),
        npy_head("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1, 1)}\n") + b"cos\nsystem\n",
        npy_head("__import__('os').system('true')"),
        npy_head(NPY_SHAPED.format("(1, 8, 8)"), (9, 9)) + bytes(64),
    ],
    ids=range(10),
)
def test_damaged_npy(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    assert "a.npy is not a readable .npy file of numbers" in refusal(tmp_path / "a.npy")


@pytest.mark.skipif(np.finfo(np.longdouble).nmant != 63, reason="no 80-bit floating point here")
def test_bits_that_are_no_number(tmp_path):
    """Floating point of 80 bits has a 1 as bit 63 of every number of usual size. Here it is 0."""
    bits = (1).to_bytes(8, "little") + (0x3FFF).to_bytes(8, "little")
    write(tmp_path / "a.npy", np.frombuffer(bits * 128, np.longdouble).reshape(2, 8, 8))
    assert "from nan to nan" in refusal(tmp_path / "a.npy")
    write(tmp_path / "a.npy", GREY)
    write(tmp_path / "a_labels.npy", np.frombuffer(bits * len(GREY), np.longdouble))
    assert "--labels none goes without" in refusal(tmp_path / "a.npy")


def test_labels_beside_a_npy(tmp_path):
    write(tmp_path / "a.npy", GREY)
    write(tmp_path / "a_labels.npy", np.array([2, 0, 1, 1, 0, 2]))
    source = opened(tmp_path / "a.npy", (5, 7))
    assert source.labels.tolist() == [2, 0, 1, 1, 0, 2] and source.classes == ["0", "1", "2"]
    for wrong in (np.arange(5), np.full(6, 0.5), np.array([-1] * 6), np.array([10**9] * 6)):
        write(tmp_path / "a_labels.npy", wrong)
        assert "labels" in refusal(tmp_path / "a.npy")
        assert opened(tmp_path / "a.npy", (5, 7), labels="none").labels is None


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


def test_a_hair_outside_the_range_is_rounding(tmp_path):
    shares = np.linspace(0, 1, 4 * 8 * 8).reshape(4, 8, 8)
    for dtype, low, high in (("f8", -1e-9, 1 + 1e-9), ("f4", -1e-7, 1.0000001), ("f2", -1e-3, 1.001)):
        array = shares.astype(dtype)
        array[0, 0, :2] = low, high
        np.save(tmp_path / "a.npy", array)
        images = everything(opened(tmp_path / "a.npy", (8, 8)))[..., 0]
        assert abs(images - array.astype(float) * 255).max() <= 1 and images[0, 0, :2].tolist() == [0, 255]
    array = shares * 2 - 1
    array[0, 0, :2] = -1.0000001, 1.0000001
    np.save(tmp_path / "a.npy", array)
    assert everything(opened(tmp_path / "a.npy", (8, 8)))[0, 0, :2, 0].tolist() == [0, 255]
    np.save(tmp_path / "a.npy", shares - 0.1)
    assert everything(opened(tmp_path / "a.npy", (8, 8)))[0, 0, 0, 0] == 115  # -0.1 is no rounding: [-1, 1]
    np.save(tmp_path / "a.npy", shares * 1.01)
    assert "expected in [0, 1]" in refusal(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", ["u1", "i8", "i1"])
def test_zeros_and_ones_are_black_and_white(tmp_path, dtype):
    array = np.zeros((5, 8, 8), dtype)
    array[4, 1, 1] = 1
    np.save(tmp_path / "a.npy", array)
    source = opened(tmp_path / "a.npy", (8, 8))
    assert (everything(source)[..., 0] == array.astype("u1") * 255).all()
    assert source.description.endswith("0 and 1, are taken as black and white")
    np.save(tmp_path / "a.npy", array * 2)
    assert everything(opened(tmp_path / "a.npy", (8, 8))).max() == 2


def test_kmnist_s_files_side_by_side(tmp_path):
    for half, count in (("train", 6), ("test", 4)):
        np.savez(tmp_path / f"kmnist-{half}-imgs.npz", noise(count, 28, 28))
        np.savez(tmp_path / f"kmnist-{half}-labels.npz", np.arange(count, dtype=np.uint8))
    assert opened(tmp_path / "kmnist-test-imgs.npz", (28, 28)).labels.tolist() == [0, 1, 2, 3]
    both = opened(tmp_path, (28, 28))
    assert both.shape == (10, 28, 28, 1) and both.labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]
    (tmp_path / "kmnist-test-labels.npz").unlink()
    assert opened(tmp_path / "kmnist-test-imgs.npz", (28, 28)).labels is None


@pytest.mark.parametrize("shape", [f"({2**40}, {2**40}, 8)", f"({2**63 - 1}, 8, 8)", "(-1, 8, 8)", "(9, 8, 8)"])
def test_a_claim_is_refused_before_it_is_mapped(tmp_path, shape):
    """Mapping it would multiply the lengths in 64 bits, which warns or wraps around."""
    path = tmp_path / "a.npy"
    path.write_bytes(npy_head(NPY_SHAPED.format(shape)) + bytes(64))
    assert f"its header claims uint8 {shape}" in refusal(path)


@pytest.mark.filterwarnings("always")
def test_a_header_brings_no_warning(tmp_path, recwarn):
    """An unknown escape in a text, of which Python's reader of expressions warns."""
    head = r"{'descr': '\d', 'fortran_order': False, 'shape': (1, 8, 8)}" + "\n"
    (tmp_path / "a.npy").write_bytes(npy_head(head) + bytes(64))
    assert "not a readable .npy file" in refusal(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "a.npy", "images.npy")
    assert "not a readable .npz file" in refusal(tmp_path / "a.npz")
    assert not recwarn.list
