"""Files in the safetensors format: a header in JSON, then the numbers.

    8 bytes   the length of the header, little-endian
    header    {"__metadata__": {"key": "text"}, "G.0.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    numbers   of all arrays, at the places that data_offsets name: from, to, in bytes behind the header

The format is huggingface/safetensors' (README.md, "Format"). Nothing in it can be executed.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dcgan.errors import UserError
from dcgan.streams import error_text
from gpunet.files import write_atomically

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U8": "u1", "BOOL": "?",
}  # fmt: skip
NAMES = {np.dtype(code).name: name for name, code in DTYPES.items() if name != "BF16"}
LONGEST = 100_000_000  # bytes of a header, as the format's own reader has it


def write(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write arrays and texts by name, atomically."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    content, at = [], 0
    for name, array in arrays.items():
        part = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(part)],
        }
        content.append(part)
        at += len(part)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8 bytes
    write_atomically(path, struct.pack("<Q", len(text)) + text + b"".join(content))


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and the texts of a file; bfloat16 as float32. Raises UserError for a file of another kind."""
    try:
        data = path.read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        if not 2 <= length <= min(LONGEST, len(data) - 8):
            raise ValueError("its header is longer than the file")
        header = json.loads(data[8 : 8 + length])
        metadata = header.pop("__metadata__", {})
        numbers = memoryview(data)[8 + length :]
        arrays = {name: _array(numbers, **entry) for name, entry in header.items()}
        return arrays, {key: text for key, text in metadata.items() if isinstance(text, str)}
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError, struct.error) as error:
        raise UserError(f"{path} is no safetensors file that can be read ({error_text(error)})") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _array(numbers: memoryview, dtype: str, shape: list[int], data_offsets: list[int]) -> np.ndarray:
    begin, end = data_offsets
    code = np.dtype(DTYPES[dtype])
    counts = [length for length in (*shape, begin, end) if type(length) is int and length >= 0]
    if len(counts) != len(shape) + 2 or not begin <= end <= len(numbers):
        raise ValueError("an array beyond the end of the file")
    if math.prod(shape) * code.itemsize != end - begin:
        raise ValueError(f"an array of shape {shape} in {end - begin} bytes")
    array = np.frombuffer(numbers[begin:end], code).reshape(shape)
    return (array.astype("<u4") << 16).view("<f4") if dtype == "BF16" else array.copy()
