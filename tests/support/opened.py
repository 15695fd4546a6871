"""What the tests of data formats share: pictures and files to write, opening them, and the one line of a refusal."""

import gzip
import io
import struct
import tarfile

import h5py
import numpy as np
import pytest
from PIL import Image

from dcgan.data import open_source
from dcgan.errors import UserError

RNG = np.random.default_rng(0)


def opened(path, size, **options):
    """The source of a path, without a progress bar."""
    return open_source(path, size, progress=False, **options)


def everything(source):
    """All images of a source, (N, H, W, C)."""
    return source.batch(np.arange(len(source)))


def refusal(path, size=(8, 8), **options):
    """The text that opening ends in: of one line, whatever came."""
    with pytest.raises(UserError) as error:
        opened(path, size, **options)
    text = str(error.value)
    assert "\n" not in text and len(text) < 600
    return text


def open_small(path, **options):
    """The source of a path, its images 8x8."""
    return opened(path, (8, 8), **options)


def only_skipped(folder, name):
    """Open a folder that also holds a sound picture; check that just `name` was left out; return the reason."""
    source = open_small(folder)
    assert [skipped for skipped, _ in source.skipped] == [name]
    assert len(source) >= 1
    return source.skipped[0][1]


def values(source):
    """The first number of every image."""
    return everything(source)[:, 0, 0, 0].tolist()


def picture(value, size=(8, 8)):
    """A picture of one colour, whose first number is the value."""
    return Image.new("RGB", size, (value, value // 2, 7))


def make(folder, *names):
    """Save pictures of values 0, 1, 2, ... under these names; return the folder."""
    for value, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(value).save(folder / name, format="PNG")
    return folder


def png_bytes(tmp_path):
    """The content of a sound PNG."""
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "whole.png")
    return (tmp_path / "whole.png").read_bytes()


def noise(*shape):
    """Random uint8."""
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def idx_bytes(array):
    """An array of bytes as an idx file, by the format's description."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(path, array):
    """An idx file, packed where it is to end in .gz."""
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


NPY_SHAPED = "{{'descr': '|u1', 'fortran_order': False, 'shape': {}}}\n"


def npy_head(text, version=(1, 0)):
    """The head of a .npy file, by the format's description."""
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(text)) + text.encode()


def write_hdf5(path, **data):
    """Write data sets to an HDF5 file, `group__name` into a group; return the path."""
    with h5py.File(path, "w") as file:
        for name, value in data.items():
            file[name.replace("__", "/")] = value
    return path


def pack_tar(path, members):
    """Write (name, content) pairs to a .tar or a .tar.gz; return the path."""
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path
