"""HDF5 files: our own, and a named data set of any."""

import h5py
import numpy as np
import pytest

from dcgan import prepare
from opened import everything, noise, opened, refusal, write_hdf5

IMAGES, LABELS = noise(9, 6, 4, 3), np.array([0, 2, 1, 1, 0, 2, 2, 2, 0])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


@pytest.mark.parametrize("train_size", [None, 4])
@pytest.mark.parametrize("memory_limit", [0, None])
def test_images_and_labels(path, memory_limit, train_size):
    write_hdf5(path, images=IMAGES, labels=LABELS, classes=["cat", "dog", "owl"])
    source = opened(path, (6, 4), memory_limit=memory_limit, train_size=train_size)
    rows = np.arange(9) if train_size is None else [0, 2, 4, 6]
    assert (everything(source) == IMAGES[rows]).all() and source.labels.tolist() == LABELS[rows].tolist()
    assert source.classes == ["cat", "dog", "owl"] and source.batch([2, 0]).shape == (2, 6, 4, 3)
    assert opened(path, (6, 4), labels="none").labels is None
    source.close()


def test_what_was_prepared_opens_with_the_same_labels(tmp_path, path):
    write_hdf5(path, train__x=IMAGES, train__y=LABELS)
    named, out = f"{path}:train/x", tmp_path / "out.h5"
    assert prepare.main(["--data", named, "--image-size", "6x4", "--out", str(out), "--no-progress"]) == 0
    packed, direct = opened(out, (6, 4)), opened(named, (6, 4))
    assert (everything(packed) == IMAGES).all() and (everything(direct) == IMAGES).all()
    assert packed.labels.tolist() == direct.labels.tolist() == LABELS.tolist()
    assert packed.classes == direct.classes == ["0", "1", "2"] and packed.fingerprint == direct.fingerprint
    assert "of 3 classes" in packed.description


def test_named_data_sets_of_any_layout_and_type(path):
    write_hdf5(path, group__floats=(IMAGES / 255).astype("f4"), planes=IMAGES.transpose(0, 3, 1, 2))
    with h5py.File(path, "a") as file:
        file.create_dataset("packed", data=IMAGES, chunks=(2, 6, 4, 3), compression="gzip", shuffle=True)
    for name in ("group/floats", "/group/floats", "planes", "packed"):
        assert (everything(opened(f"{path}:{name}", (6, 4))) == IMAGES).all()
    assert opened(f"{path}:planes", (12, 12), channels=1).shape == (9, 12, 12, 1)


def test_a_name_that_is_not_there_and_a_file_without_images(path):
    write_hdf5(path, deep__pixels=IMAGES, table=np.zeros(3))
    for text in (refusal(f"{path}:pixels"), refusal(path), refusal(f"{path}:deep")):
        assert "deep/pixels uint8 (9, 6, 4, 3)" in text and "table float64 (3,)" in text
    assert "FILE.h5:NAME" in refusal(path)


@pytest.mark.parametrize(
    "images, found",
    [
        (IMAGES[..., 0], "uint8 (9, 6, 4)"),
        (IMAGES[..., :2], "uint8 (9, 6, 4, 2)"),
        (IMAGES[:0], "uint8 (0, 6, 4, 3)"),
        (IMAGES / 255, "float64 (9, 6, 4, 3)"),
        (7, "int64 ()"),
    ],
)
def test_wrong_shapes_and_types(path, images, found):
    assert f"found {found}" in refusal(write_hdf5(path, images=images))


@pytest.mark.parametrize("labels", [LABELS[:-1], LABELS / 2, LABELS - 1, LABELS * 10**8, [[0, 1]] * 9])
def test_labels_that_do_not_fit(path, labels):
    assert "--labels none" in refusal(write_hdf5(path, images=IMAGES, labels=labels), (6, 4))
    assert len(opened(path, (6, 4), labels="none")) == 9
