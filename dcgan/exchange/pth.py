"""PyTorch's .pth files of a state dict, written and read without PyTorch; reading runs no code.

    netG.pth, a zip file, nothing in it compressed:
      archive/data.pkl       a pickle: {"main.0.weight": a tensor of storage "0", shape (100, 512, 4, 4), ...}
      archive/data/0         the numbers of storage "0", one after another
      archive/byteorder      little
      archive/version        3

A pickle may call anything. The reader (dcgan.data.formats.safe_pickle) knows the calls with which PyTorch writes
tensors, and refuses all others; torch.load does the same with weights_only=True.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dcgan.data.formats import safe_pickle
from dcgan.data.formats.safe_pickle import Name, expect
from dcgan.errors import UserError
from dcgan.streams import error_text
from gpunet.files import write_atomically

STORAGES = {  # names of PyTorch's types of storage, and the dtype of their bytes
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip
NAMES = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "int64": "LongStorage"}
DICTIONARY = Name("collections", "OrderedDict")
TENSOR, PARAMETER = Name("torch._utils", "_rebuild_tensor_v2"), Name("torch._utils", "_rebuild_parameter")
DAY = (1980, 1, 1, 0, 0, 0)  # of the files in the zip: the same weights are then the same bytes


def write(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name as a state dict that torch.load reads, atomically."""
    held = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in {
            "data.pkl": _pickle(held),
            "byteorder": b"little",
            **{
                f"data/{i}": array.astype(array.dtype.newbyteorder("<")).tobytes()
                for i, array in enumerate(held.values())
            },
            "version": b"3\n",
        }.items():
            file.writestr(zipfile.ZipInfo(f"archive/{name}", DAY), content)
    write_atomically(path, buffer.getbuffer())


def _pickle(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the pickle of {name: tensor}, in protocol 2, as the opcodes that pickletools.dis shows."""
    empty = b"ccollections\nOrderedDict\n)R"  # OrderedDict(): GLOBAL, EMPTY_TUPLE, REDUCE
    program = b"\x80\x02" + empty + b"("  # PROTO 2, the dictionary, MARK
    for number, (name, array) in enumerate(arrays.items()):
        kind = NAMES[str(array.dtype)].encode()
        storage = b"(" + _text("storage") + b"ctorch\n" + kind + b"\n" + _text(str(number)) + _text("cpu")
        storage += _integer(array.size) + b"tQ"  # TUPLE; BINPERSID: the storage that this tuple names
        strides = [step // array.itemsize for step in array.strides]
        tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _integer(0)
        tensor += _tuple(array.shape) + _tuple(strides) + b"\x89" + empty + b"tR"  # requires_grad is False; no hooks
        program += _text(name) + tensor
    return program + b"u."  # SETITEMS, STOP


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _integer(number: int) -> bytes:
    return b"J" + struct.pack("<i", number) if number < 2**31 else b"\x8a\x08" + struct.pack("<q", number)


def _tuple(numbers: Any) -> bytes:
    return b"(" + b"".join(map(_integer, numbers)) + b"t"


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict by name, as arrays; bfloat16 as float32.

    A file that holds a dictionary of state dicts ({"netG": {...}, "epoch": 5}) gives names such as "netG.main.0.weight"
    for the tensors in it. Raises UserError for anything else; nothing of the file is executed.
    """
    try:
        with zipfile.ZipFile(path) as file:
            return _named(_Tensors(file, path.stat().st_size).load())
    except zipfile.BadZipFile:
        why = "is no .pth file of PyTorch 1.6 or newer, or damaged: write it anew with torch.save"
        raise UserError(f"{path} {why}") from None
    except (ValueError, LookupError, OSError, RuntimeError, NotImplementedError, struct.error) as error:
        raise UserError(f"{path} holds no state dict that can be read ({error_text(error)})") from error


def _named(value: Any, prefix: str = "", depth: int = 0) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, entry in expect(dict, value).items():
        if isinstance(entry, np.ndarray):
            found[f"{prefix}{name}"] = entry
        elif isinstance(entry, dict) and depth < 3:
            found |= _named(entry, f"{prefix}{name}.", depth + 1)
    return found


class _Tensors(safe_pickle.Machine):
    """The stack machine that also knows storages and tensors."""

    def __init__(self, file: zipfile.ZipFile, size: int) -> None:
        super().__init__()
        self.file, self.left = file, size  # left: bytes that storages may still take, at most those of the file
        pickles = [name for name in file.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("it holds no data.pkl")
        self.folder = pickles[0].removesuffix("data.pkl")
        self.storages: dict[tuple[str, str], np.ndarray] = {}

    def load(self) -> Any:
        """Return what the pickle describes."""
        if self.folder + "byteorder" in self.file.namelist() and self._content("byteorder") != b"little":
            raise ValueError("its numbers are not little-endian")
        return safe_pickle.load(self._content("data.pkl"), self)

    def _content(self, name: str) -> bytes:
        info = self.file.getinfo(self.folder + name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > self.left:
            raise ValueError(f"{name} is compressed or larger than the file")
        self.left -= info.file_size
        return self.file.read(info)

    def do_binpersid(self, _: None) -> None:
        """A storage: ("storage", its type, its name, its device, how many numbers)."""
        kind, of, name, _device, count = expect(tuple, self.stack.pop())
        if kind != "storage" or expect(Name, of).module != "torch" or of.name not in STORAGES:
            raise ValueError(f"an unknown storage {kind!r:.40}")
        dtype = STORAGES[of.name]
        if (of.name, expect(str, name)) not in self.storages:
            self.storages[of.name, name] = np.frombuffer(self._content(f"data/{name}"), dtype)
        numbers = self.storages[of.name, name]
        if len(numbers) != count:
            raise ValueError(f"storage {name:.40} has {len(numbers)} numbers, expected {count}")
        if of.name == "BFloat16Storage":  # the upper halves of float32
            numbers = (numbers.astype("<u4") << 16).view("<f4")
        self.stack.append(numbers)

    def meaning(self, callee: Name, arguments: tuple) -> Any:
        """A dictionary, a tensor or a parameter; no other call."""
        if callee == DICTIONARY and not arguments:
            return {}
        if callee == TENSOR and len(arguments) >= 4:
            return _tensor(*arguments[:4])
        if callee == PARAMETER and arguments:
            return expect(np.ndarray, arguments[0])
        return super().meaning(callee, arguments)

    def do_build(self, argument: None) -> None:
        """Ignore the attribute `_metadata` that PyTorch adds to a state dict."""
        if isinstance(self.stack[-2], dict) and isinstance(self.stack[-1], dict):
            self.stack.pop()
        else:
            super().do_build(argument)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> np.ndarray:
    """Return a copy of the numbers of a tensor. Raises ValueError where they are not in its storage."""
    numbers, lengths = expect(np.ndarray, storage), (offset, *expect(tuple, shape), *expect(tuple, strides))
    if any(type(length) is not int or length < 0 for length in lengths) or len(shape) != len(strides):
        raise ValueError("damaged pickle: a tensor of another shape than its strides")
    last = offset + sum((length - 1) * step for length, step in zip(shape, strides, strict=True))
    spread = any(step == 0 and length > 1 for length, step in zip(shape, strides, strict=True))
    if 0 in shape:
        return np.empty(shape if max(shape) < 2**31 else 0, numbers.dtype)
    if last >= len(numbers) or spread or np.prod(shape, dtype=float) > len(numbers):
        raise ValueError("damaged pickle: a tensor beyond its storage")
    bytes_apart = [step * numbers.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, bytes_apart).copy()
