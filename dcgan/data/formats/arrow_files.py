"""Files with columns: Parquet and Arrow, as Hugging Face stores data sets, read with the optional package pyarrow.

Both hold rows in groups. A group is read a few rows at a time, so that memory stays bounded whatever its size.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dcgan.errors import UserError
from dcgan.streams import error_text

SUFFIXES = (".parquet", ".arrow")
OLDEST = 15  # of pyarrow; versions before 14.0.1 could be made to run code by an Arrow file
AT_ONCE = 32  # rows of pictures that are read in one go
KEPT = 8  # such pieces that stay in memory: threads that decode are not far from each other


class Columns:
    """The columns of a file by name; `ends` are the numbers of rows up to the end of each of its groups."""

    def __init__(self, path: Path) -> None:
        self.path, self._pieces, self._lock = path, OrderedDict[tuple[str, int, int], Any](), threading.Lock()
        self._walk: tuple[str, int, int, Iterator[Any]] = ("", -1, 0, iter(()))  # column, group, next piece, the pieces
        self.schema, sizes = self._opened()
        self.ends = np.cumsum(sizes, dtype=np.int64)

    def _opened(self) -> tuple[Any, list[int]]:
        """Open the file; return its schema and the rows of each group."""
        raise NotImplementedError

    def pieces(self, group: int, column: str, rows: int) -> Iterator[Any]:
        """Yield a column of a group as Arrow arrays of so many rows, the last one of fewer."""
        raise NotImplementedError

    def values(self, column: str) -> Iterator[Any]:
        """Yield all values of a column as Python objects."""
        for group in range(len(self.ends)):
            for piece in self.pieces(group, column, 2**14):
                piece.validate(full=True)
                yield from piece.to_pylist()

    def value(self, column: str, row: int) -> Any:
        """Return one value as an Arrow scalar. Rows that are asked for in their order are each read once."""
        group = int(np.searchsorted(self.ends, row, side="right"))
        inside = row - (int(self.ends[group - 1]) if group else 0)
        with self._lock:
            return self._piece(column, group, inside // AT_ONCE)[inside % AT_ONCE]

    def _piece(self, column: str, group: int, number: int) -> Any:
        if (column, group, number) not in self._pieces:
            if self._walk[:2] != (column, group) or self._walk[2] > number:
                self._walk = column, group, 0, self.pieces(group, column, AT_ONCE)
            walk = self._walk[3]
            piece = next(itertools.islice(walk, number - self._walk[2], None))
            piece.validate(full=True)  # what a damaged file says may lead out of its memory
            self._walk = column, group, number + 1, walk
            self._pieces[column, group, number] = piece
            if len(self._pieces) > KEPT:
                self._pieces.popitem(last=False)
        return self._pieces[column, group, number]

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0


class ParquetColumns(Columns):
    """The columns of a .parquet file."""

    def _opened(self) -> tuple[Any, list[int]]:
        from pyarrow import parquet

        self.file = parquet.ParquetFile(os.fspath(self.path), pre_buffer=False)
        metadata = self.file.metadata
        return self.file.schema_arrow, [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]

    def pieces(self, group: int, column: str, rows: int) -> Iterator[Any]:
        batches = self.file.iter_batches(rows, row_groups=[group], columns=[column], use_threads=False)
        return (batch.column(0) for batch in batches)


class ArrowColumns(Columns):
    """The columns of an .arrow file, a stream of batches or a file of them, mapped into memory."""

    def _opened(self) -> tuple[Any, list[int]]:
        import pyarrow

        mapped = pyarrow.memory_map(os.fspath(self.path))
        try:
            reader = pyarrow.ipc.open_stream(mapped)
            self.batches = list(reader)
        except pyarrow.ArrowInvalid:
            mapped.seek(0)
            reader = pyarrow.ipc.open_file(mapped)
            self.batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        return reader.schema, [batch.num_rows for batch in self.batches]

    def pieces(self, group: int, column: str, rows: int) -> Iterator[Any]:
        array = self.batches[group].column(column)
        return (array.slice(start, rows) for start in range(0, len(array), rows))


def opened(path: Path) -> Columns:
    """Return the columns of a file. Raises UserError where it is not readable, or pyarrow is not there."""
    require_pyarrow(path)
    import pyarrow

    try:
        return (ParquetColumns if path.suffix.lower() == ".parquet" else ArrowColumns)(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        kind = "Parquet" if path.suffix.lower() == ".parquet" else "Arrow"
        raise UserError(f"{path} is not a readable {kind} file ({error_text(error)}): download it again") from None


def require_pyarrow(path: Path) -> None:
    """Raise UserError where the package pyarrow is missing, or is too old."""
    try:
        import pyarrow
    except ImportError:
        raise UserError(f"{path}: reading it takes the package pyarrow, pip install pyarrow") from None
    if int(pyarrow.__version__.split(".")[0]) < OLDEST:
        raise UserError(f"{path}: reading it takes pyarrow {OLDEST} or newer, here is {pyarrow.__version__}")
