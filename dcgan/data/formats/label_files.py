"""--labels FILE[:COLUMN]: the classes of picture files from a table that names each of them.

    --labels labels.csv                        the column called label, class ..., or the only one beside the names
    --labels labels.tsv:breed                  the column of that name
    --labels list_attr_celeba.txt:Smiling      values 1 and -1: the classes "no Smiling" and "Smiling"
    --labels list_attr_celeba.txt:Male,Smiling   two columns, four classes: "no Male and no Smiling" ...

The column of file names is found by looking which one names the pictures. A picture is named by its path, by the end of
its path, or by either without the ending: "cat/1.jpg", "1.jpg" and "1" all mean data/cat/1.jpg.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from dcgan.data.formats import tables
from dcgan.data.formats.labels import MOST_CLASSES, numbered
from dcgan.data.formats.listing import Listing, Selected
from dcgan.data.formats.tables import Table
from dcgan.data.recipe import label_table
from dcgan.errors import UserError
from dcgan.options import QUOTED
from dcgan.streams import shortened

USUAL = ("label", "labels", "class", "class_name", "category", "target", "y")  # names of columns of labels
TRIED = 1000  # rows that are looked at to find the column of names
NAMED = 20  # columns that an error names
NO_LABEL = "no label in {}"


def labelled(listing: Listing, text: str) -> Listing:
    """Return the pictures of a listing that a table gives labels, with these; the others are noted as skipped.

    Raises UserError where the pictures have no names, the table no such column, or no picture a label.
    """
    found = label_table(text)
    assert found is not None  # whoever calls has asked
    names = listing.names
    if names is None:
        raise UserError(f"--labels {text}: goes with picture files, which have names; here are arrays")
    table, column = pictures_of(tables.read(found[0]), names)
    chosen = label_columns(table, column, found[1])
    rows, lost = by_picture(table, column, names)
    rows = [row if row is not None and all(table.rows[row][k] for k in chosen) else None for row in rows]
    if not any(row is not None for row in rows):
        raise UserError(f"--labels: {found[0]} has no value for any picture in {', '.join(names_of(table, chosen))}")
    there = np.array([index for index, row in enumerate(rows) if row is not None], np.int64)
    texts = [[table.rows[row][k] for k in chosen] for row in rows if row is not None]
    labels, classes = as_classes(texts, names_of(table, chosen))
    for index in sorted(set(range(len(names))) - set(there.tolist())):
        listing._skip(names[index], NO_LABEL.format(found[0]))
    listing.labels, listing.classes = np.zeros(len(names), np.int64), classes
    listing.labels[there] = labels
    listing.notes += notes(found[0], len(names) - len(there), lost)
    return listing if len(there) == len(names) else Selected(listing, there)


def notes(path: str, without: int, lost: Sequence[str]) -> tuple[str, ...]:
    """Return what is to be said of pictures without a label, and of labels without a picture."""
    said = [f"{path} has no label for {without:,} of the pictures, which are left out"] if without else []
    if lost:
        said.append(f"{path} names {len(lost):,} files that are not there, the first {shortened(lost[0], QUOTED)}")
    return tuple(said)


def pictures_of(table: Table, names: Sequence[str]) -> tuple[Table, int]:
    """Return the table, with names of its columns where its first row has them, and the column that names pictures.

    Raises UserError where no column does.
    """
    every = {key for name in names for key in keys(name)}
    step = max(1, len(table.rows) // TRIED)
    for rows in (table.rows[::step], table.rows):  # all rows, where pictures are missing for those that were tried
        found = [{row[k] for row in rows if names_one(row[k], every)} for k in range(len(table.columns))]
        column = max(range(len(found)), key=lambda k: len(found[k]))  # the labels 0 and 1 may name 0.png and 1.png
        if found[column]:
            return (table if names_one(table.rows[0][column], every) else tables.with_names(table)), column
    raise UserError(
        f"--labels: {table.path} names none of the {len(names):,} pictures: the first is {names[0]}, "
        f"the table has {', '.join(table.rows[-1][:3])}"
    )


def names_one(text: str, every: set[str]) -> bool:
    """Return whether a text of a table is among the keys of all pictures; folders in front of it do not matter."""
    name = bare(text)
    return name in every or name.rpartition("/")[2] in every


def bare(name: str) -> str:
    """Return a path as a table may write it without what says nothing: ".\\\\a\\\\b.jpg" is "a/b.jpg"."""
    return name.replace("\\", "/").removeprefix("./").strip("/")


def keys(name: str) -> Iterator[str]:
    """Yield what a table may call a picture, the most exact first: its path, shorter ends of it, without its ending.

    Example: "a/b.jpg" gives "a/b.jpg", "b.jpg", "a/b", "b".
    """
    parts = bare(name).split("/")
    ends = ["/".join(parts[i:]) for i in range(len(parts))]
    yield from ends
    yield from (end.rpartition(".")[0] for end in ends if "." in end.rpartition("/")[2])


def by_picture(table: Table, column: int, names: Sequence[str]) -> tuple[list[int | None], list[str]]:
    """Return the row of each picture, None where it has none; and the names in the table that no picture has.

    Names in the table that have more folders than the pictures' are compared by their last part, where that is unique.
    Raises UserError for a name that comes twice, with other values.
    """
    known: dict[str, int] = {}
    for number, row in enumerate(table.rows):
        first = known.setdefault(bare(row[column]), number)
        if table.rows[first] != row:
            raise UserError(f"--labels: {table.path} has two rows for {row[column]}, which say different things")
    lasts: dict[str, int | None] = {}
    for name, number in known.items():
        last = name.rpartition("/")[2]
        lasts[last] = None if last in lasts else number
    rows: list[int | None] = []
    for name in names:
        found = next((known[key] for key in keys(name) if key in known), None)
        rows.append(lasts.get(bare(name).rpartition("/")[2]) if found is None else found)
    used = set(rows)
    return rows, [name for name, number in known.items() if number not in used]


def label_columns(table: Table, pictures: int, wanted: str | None) -> list[int]:
    """Return the columns of the labels. Raises UserError, which names those there are, where there is none such."""
    others = [k for k in range(len(table.columns)) if k != pictures]
    if wanted is None:
        usual = [k for k in others if table.columns[k].casefold() in USUAL]
        chosen = others if len(others) == 1 else usual[:1]
        if not chosen:
            found = f"{len(others)} columns, {table.path}:COLUMN says which of them; {there(table, others)}"
            raise UserError(f"--labels {table.path}: got a table of {found}")
        return chosen
    if wanted in table.columns and table.columns.index(wanted) in others:
        return [table.columns.index(wanted)]
    chosen = []
    for name in wanted.split(","):
        if name.strip() not in table.columns or table.columns.index(name.strip()) not in others:
            raise UserError(f"--labels: {table.path} has no column '{name}' of labels; {there(table, others)}")
        chosen.append(table.columns.index(name.strip()))
    return chosen


def there(table: Table, columns: Sequence[int]) -> str:
    """Return which columns there are, in words."""
    names = names_of(table, columns)
    found = f"{', '.join(itertools.islice(names, NAMED))}{' ...' if len(names) > NAMED else ''}"
    return f"beside the names it has {found or 'none'}"


def names_of(table: Table, columns: Sequence[int]) -> list[str]:
    """Return the names of columns."""
    return [table.columns[k] for k in columns]


def as_classes(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return the class of each row, and the names of the classes; of several columns every combination is a class.

    The values 1 and -1 mean the column's name and "no" with it. Others are names of classes, sorted as folders are.
    Example: rows [["1", "a"], ["-1", "b"]] of the columns Male and set are of the classes 2 and 1 of "no Male and a",
    "no Male and b", "Male and a" and "Male and b". Raises UserError for too many classes.
    """
    labels, classes = np.zeros(len(rows), np.int64), [""]
    for k, column in enumerate(columns):
        texts = [row[k] for row in rows]
        if set(texts) <= {"1", "-1"}:
            numbers, names = np.array([int(text == "1") for text in texts]), [f"no {column}", column]
        else:
            numbers, names = numbered(texts)
        if len(classes) * len(names) > MOST_CLASSES:
            some = ", ".join(names[:3])
            raise UserError(f"--labels: {', '.join(columns)}: more than {MOST_CLASSES:,} classes; the first are {some}")
        labels = labels * len(names) + numbers
        classes = [f"{first} and {name}" if first else name for first in classes for name in names]
    return labels, classes
