"""Tables of labels in text files: .csv, .tsv, and .txt as CelebA writes them, as rows of texts with named columns.

    image_id,Male,Smiling      .csv: commas, or semicolons where the first line has those and no comma
    000001.jpg,-1,1            .tsv: tabs

    202599                     list_attr_celeba.txt: how many rows, the names of the columns behind the first one,
    Male Smiling               then names and values between spaces
    000001.jpg -1  1

A file of others is only text here: nothing in it is executed, and its size, its fields and its columns have limits.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from dcgan.config import decoded
from dcgan.data.formats.folder import open_file
from dcgan.errors import UserError

MOST_BYTES, MOST_FIELD, MOST_COLUMNS = 2**28, 10_000, 10_000  # of a file; letters of a field; of a row


class Table(NamedTuple):
    """The rows of a file, and the names of its columns; without a line of names these are "1", "2", ..."""

    path: str
    columns: list[str]
    rows: list[list[str]]


def read(path: str) -> Table:
    """Return the table of a file. Raises UserError, one line, for a file that is none."""
    text = content(path)
    rows = of_spaces(text) if path.lower().endswith(".txt") else of_marks(path, text)
    if not rows:
        raise UserError(f"--labels: {path} holds no rows")
    width = len(rows[0])
    for number, row in enumerate(rows, 1):
        if len(row) != width or width < 2:
            expected = "2 columns or more" if width < 2 else f"{width} as in the first"
            raise UserError(f"--labels: {path}: row {number:,} has {len(row)} columns, expected {expected}")
        if max(map(len, row)) > MOST_FIELD or width > MOST_COLUMNS:
            found = f"{width:,} columns, the longest field of {max(map(len, row)):,} letters"
            raise UserError(f"--labels: {path}: row {number:,} has {found}: it is no table of labels")
    return Table(path, [str(number) for number in range(1, width + 1)], rows)


def content(path: str) -> str:
    """Return the text of a file. Raises UserError where it can't be read, is too large, or is no text."""
    try:
        with open_file(Path(path)) as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UserError(f"--labels: {path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MOST_BYTES:
        raise UserError(f"--labels: {path} has more than {MOST_BYTES:,} bytes: it is no table of labels")
    try:
        text = decoded(data)
    except UnicodeDecodeError:
        raise UserError(f"--labels: {path} is no text in UTF-8: save it in that encoding") from None
    if "\0" in text:
        raise UserError(f"--labels: {path} holds zero bytes: it is no table of labels")
    return text


def of_marks(path: str, text: str) -> list[list[str]]:
    """Return the rows of a .csv or .tsv; lines without anything are left out."""
    first = text.split("\n", 1)[0]
    mark = "\t" if path.lower().endswith(".tsv") else ";" if ";" in first and "," not in first else ","
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=mark))
    except csv.Error as error:
        raise UserError(f"--labels: {path} is no table: {error}") from None
    return [[field.strip() for field in row] for row in rows if any(row)]


def of_spaces(text: str) -> list[list[str]]:
    """Return the rows of a .txt, with a name for its first column where the line of names lacks one.

    A first line that is a number alone is passed over: it counts the rows.
    """
    rows = [line.split() for line in text.split("\n") if line.strip()]
    if rows and len(rows[0]) == 1 and rows[0][0].isdecimal():
        rows = rows[1:]
    if len(rows) > 1 and len(rows[0]) == len(rows[1]) - 1:
        rows[0].insert(0, "file")
    return rows


def with_names(table: Table) -> Table:
    """Return the table with its first row as the names of its columns."""
    return Table(table.path, table.rows[0], table.rows[1:])
