"""Weights in a .npz file of NumPy: an array for each of G's and D's, and the texts, each as an array of one text."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dcgan.errors import UserError
from dcgan.streams import error_text
from gpunet.files import write_atomically

TEXT = "text."  # begins the name of an array that is a text


def write(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> None:
    """Write arrays and texts by name, atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays, **{TEXT + name: np.array(text) for name, text in texts.items()})
    write_atomically(path, buffer.getbuffer())


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and the texts of a file. Raises UserError for another file, and for one that is compressed."""
    try:
        with zipfile.ZipFile(path) as file:
            if any(info.compress_type != zipfile.ZIP_STORED for info in file.infolist()):
                raise ValueError("it is compressed: write it with numpy.savez")
            if sum(info.file_size for info in file.infolist()) > path.stat().st_size:
                raise ValueError("it claims to be larger than it is")
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (ValueError, LookupError, OSError, EOFError, zipfile.BadZipFile, SyntaxError, MemoryError) as error:
        raise UserError(f"{path} is no .npz file that can be read ({error_text(error)})") from error
    texts = {name.removeprefix(TEXT): str(array) for name, array in found.items() if name.startswith(TEXT)}
    return {name: array for name, array in found.items() if not name.startswith(TEXT)}, texts
