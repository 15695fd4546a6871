"""Pictures in a column: Hugging Face's data sets as .parquet or .arrow files, with labels in another column.

The column of pictures holds picture files as bytes, or a struct {bytes, path} of them, as the feature Image of the
package datasets is stored. What the file says of its features, the text "huggingface" of its schema, names the column
and the classes of labels; otherwise the columns' names and types do.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dcgan.data.formats import arrow_files
from dcgan.data.formats.arrow_files import Columns
from dcgan.data.formats.checker import check
from dcgan.data.formats.class_numbers import class_numbers
from dcgan.data.formats.listing import Listing, digest
from dcgan.errors import UserError
from dcgan.streams import error_text

PICTURES = ("image", "img", "picture", "photo", "jpg", "png", "bytes")  # usual names of the column of pictures
USUAL = ("label", "labels", "class", "category", "target", "fine_label", "y")  # and of that of labels
PICTURE_LIMIT = 256 * 2**20  # bytes of one picture file
END = 2**16  # bytes at the end of a file, which say where everything in it is: hashed into the fingerprint


class ColumnListing(Listing):
    """The pictures of a column of one file or of several, which follow one another, in the order of their rows."""

    quick = True  # a cache would gain little: rows are read in their order, many at once

    def __init__(self, files: Sequence[Path]) -> None:
        self.skipped = []
        arrow_files.require_pyarrow(files[0])
        for file in files:
            check("columns", file)
        self.parts = [arrow_files.opened(file) for file in files]
        self.column = picture_column(self.parts[0])
        if other := next((part for part in self.parts if self.column not in part.schema.names), None):
            raise UserError(f"{other.path} has no column '{self.column}', as {files[0]} has: give one data set")
        self.ends = np.cumsum([len(part) for part in self.parts])
        if len(self) == 0:
            raise UserError(f"{files[0]} holds no rows")
        for part in self.parts:
            require_rows(part)
        said = [(file.name, file.stat().st_size, end_of(file)) for file in files]
        self.fingerprint = digest([self.column, *said])
        self.version = digest([self.fingerprint, *(file.stat().st_mtime_ns for file in files)])

    def _place(self, index: int) -> tuple[Columns, int]:
        part = int(np.searchsorted(self.ends, index, side="right"))
        return self.parts[part], index - (int(self.ends[part - 1]) if part else 0)

    def name(self, index: int) -> str:
        part, row = self._place(index)
        return f"{part.path.name} row {row}"

    def open(self, index: int) -> BinaryIO:
        part, row = self._place(index)
        value: Any = part.value(self.column, row)
        if is_struct(part, self.column):
            value = value["bytes"] if value.is_valid else value
        if not value.is_valid:
            raise ValueError("no picture, only a path or nothing")
        if value.as_buffer().size > PICTURE_LIMIT:
            raise ValueError(f"{value.as_buffer().size:,} bytes, more than {PICTURE_LIMIT:,}")
        return io.BytesIO(value.as_py())

    def own_labels(self, column: str | None = None) -> tuple[np.ndarray, list[str]] | None:
        first = self.parts[0]
        chosen = column or label_column_of(first, self.column)
        if chosen is None:
            return None
        for part in self.parts:
            if chosen not in part.schema.names or chosen == self.column:
                there = ", ".join(name for name in part.schema.names if name != self.column) or "none"
                raise UserError(f"--labels: {part.path} has no column '{chosen}' of labels; there are {there}")
            check("columns", part.path, chosen)
        values = [value for part in self.parts for value in values_of(part, chosen)]
        names = features(first).get(chosen, {}).get("names")
        missing = sum(value is None or (names is not None and value == -1) for value in values)
        if missing:
            raise UserError(f"--labels: {missing:,} of {len(self):,} rows of {first.path} have no {chosen}: pass it by "
                            "with --labels none, or take another split of the data")  # fmt: skip
        known = [str(name) for name in names] if isinstance(names, list) else None
        plain = not any(isinstance(value, list | dict) for value in values)
        return class_numbers(np.array(values, None if plain else object), len(self), f"{first.path}, {chosen}", known)

    def __len__(self) -> int:
        return int(self.ends[-1])


def features(columns: Columns) -> dict[str, Any]:
    """Return what the file says of its columns: {"label": {"_type": "ClassLabel", "names": [...]}}; {} for nothing."""
    try:
        said = json.loads((columns.schema.metadata or {}).get(b"huggingface", b"null"))
        found = said["info"]["features"]
        return {name: feature for name, feature in found.items() if isinstance(feature, dict)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def picture_column(columns: Columns) -> str:
    """Return the name of the column of pictures. Raises UserError, which names those there are, where there is none."""
    able = [name for name in columns.schema.names if holds_bytes(columns, name)]
    said = [name for name, feature in features(columns).items() if feature.get("_type") == "Image" and name in able]
    usual = [name for name in PICTURES if name in able]
    found = [*said, *usual, *able]
    if not found:
        there = ", ".join(f"{field.name} ({field.type})" for field in list(columns.schema)[:20])
        raise UserError(f"{columns.path} has no column of picture files as bytes; there are {there}")
    return found[0]


def label_column_of(columns: Columns, pictures: str) -> str | None:
    """Return the name of the column of labels, None where there seems to be none."""
    names = [name for name in columns.schema.names if name != pictures]
    said = [name for name, each in features(columns).items() if each.get("_type") == "ClassLabel" and name in names]
    return next(iter([*said, *(name for name in USUAL if name in names)]), None)


def holds_bytes(columns: Columns, name: str) -> bool:
    """Whether a column holds bytes, or a struct with bytes in it."""
    from pyarrow import types

    if columns.schema.names.count(name) > 1:
        return False
    kind = columns.schema.field(name).type
    if types.is_struct(kind):
        if kind.get_field_index("bytes") < 0:
            return False
        kind = kind.field("bytes").type
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def is_struct(columns: Columns, name: str) -> bool:
    """Whether the values of a column are structs."""
    from pyarrow import types

    return bool(types.is_struct(columns.schema.field(name).type))


def require_rows(columns: Columns) -> None:
    """Raise UserError where a file claims more rows than it has bytes."""
    size = columns.path.stat().st_size
    if len(columns) > size:
        raise UserError(f"{columns.path} claims {len(columns):,} rows in {size:,} bytes: damaged, or not what it says")


def values_of(columns: Columns, name: str) -> list[Any]:
    """Return all values of a column. Raises UserError where they can't be read."""
    import pyarrow

    try:
        return list(columns.values(name))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{columns.path}: its column {name} can't be read: {error_text(error)}") from None


def end_of(file: Path) -> str:
    """Return a hash of the end of a file."""
    with open(file, "rb") as opened:
        opened.seek(max(0, file.stat().st_size - END))
        return digest([opened.read().hex()])


def files_of(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the files with columns among the names of a folder: of the training set, where their names tell it."""
    found = sorted(name for name in names if name.lower().endswith(arrow_files.SUFFIXES))
    training = [name for name in found if name.lower().startswith("train")]
    kind = (training or found)[0].rpartition(".")[2] if found else ""
    return [folder / name for name in training or found if name.endswith(kind)]
