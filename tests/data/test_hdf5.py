"""HDF5 files: our own, a named data set of any, and what hostile and damaged ones try."""

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


@pytest.mark.parametrize("labels", [LABELS[:-1], LABELS / 2, LABELS - 1, LABELS * 10**8, [[1, 1]] * 9])
def test_labels_that_do_not_fit(path, labels):
    assert "--labels none" in refusal(write_hdf5(path, images=IMAGES, labels=labels), (6, 4))
    assert len(opened(path, (6, 4), labels="none")) == 9


def test_links_out_of_the_file_are_not_followed(tmp_path, path):
    secret = write_hdf5(tmp_path / "secret.h5", images=IMAGES, group__images=IMAGES)
    with h5py.File(path, "w") as file:
        file["images"] = h5py.ExternalLink(secret, "/images")
        file["group"] = h5py.ExternalLink(secret, "/group")
        file["soft"] = h5py.SoftLink("/images")
    assert "link (ExternalLink)" in refusal(path, (6, 4))
    assert "link (ExternalLink)" in refusal(f"{path}:group/images", (6, 4))
    assert "link (SoftLink)" in refusal(f"{path}:soft", (6, 4))
    with h5py.File(path, "w") as file:
        file["images"] = IMAGES
        for name in ("labels", "skipped", "classes"):
            file[name] = h5py.ExternalLink(secret, "/images")
    assert "link (ExternalLink)" in refusal(path, (6, 4))
    assert len(opened(path, (6, 4), labels="none")) == 9


def test_data_kept_in_other_files_is_not_read(tmp_path, path):
    raw = tmp_path / "raw"
    raw.write_bytes(IMAGES.tobytes())
    with h5py.File(path, "w") as file:
        file.create_dataset("images", IMAGES.shape, np.uint8, external=[(str(raw), 0, IMAGES.nbytes)])
        layout = h5py.VirtualLayout(IMAGES.shape, np.uint8)
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "images", IMAGES.shape)
        file.create_virtual_dataset("virtual", layout)
    assert "keeps its data in other files" in refusal(path, (6, 4))
    assert "keeps its data in other files" in refusal(f"{path}:virtual", (6, 4))


def test_sizes_that_the_file_cannot_hold(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (10**6, 512, 512, 3), np.uint8, chunks=(1, 512, 512, 3))
        file.create_dataset("wide", (4, 2**17, 2**17), np.uint8, chunks=(1, 2**16, 2**15))
        file["wide"].id.write_direct_chunk((0, 0, 0), b"x" * 10**6)
    for name in ("images", "wide"):
        assert "claims" in refusal(f"{path}:{name}")
    assert "claims 786,432,000,000 bytes of data but holds 0" in refusal(path)


def test_chunks_that_do_not_fit_into_memory(path, monkeypatch):
    from dcgan.data.formats import hdf5

    monkeypatch.setattr(hdf5, "default_memory_limit", lambda: 100)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=IMAGES, chunks=IMAGES.shape)
    assert "do not fit into memory" in refusal(path, (6, 4))


def test_an_unknown_filter(path):
    with h5py.File(path, "w") as file:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk(IMAGES.shape)
        layout.set_filter(31999, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple(IMAGES.shape)
        data = h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, layout)
        data.write_direct_chunk((0, 0, 0, 0), IMAGES.tobytes())
    assert "compressed with" in refusal(path, (6, 4)) and "31999" in refusal(path, (6, 4))


def test_damaged_chunks(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=IMAGES, chunks=(3, 6, 4, 3), compression="gzip")
        file["images"].id.write_direct_chunk((3, 0, 0, 0), b"this is not deflate data" * 8)
    assert "the file is damaged" in refusal(path, (6, 4))
    source = opened(f"{path}:images", (6, 4))
    assert len(source) == 6 and [name for name, _ in source.skipped] == [f"a.h5 image {i}" for i in (3, 4, 5)]


@pytest.mark.parametrize("skipped", [np.zeros((2, 2)), h5py.Empty("f"), [["a", "b", "c"]]])
def test_a_list_of_skipped_files_that_is_none(path, skipped):
    write_hdf5(path, images=IMAGES, skipped=skipped)
    assert "skipped" in refusal(path, (6, 4))
