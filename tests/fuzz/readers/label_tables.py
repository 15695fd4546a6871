"""Tables of labels beside pictures, and pictures in the columns of Parquet and Arrow files."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from random import Random

from tests.fuzz.changes import damaged, some_text
from tests.fuzz.readers import pictures
from tests.fuzz.task import Task

TABLES = {
    "a.csv": "file,label,Smiling\na.png,cat,1\nb.png,dog,-1\nc.png,cat,1\n",
    "a.tsv": "label\tpath\tSmiling\ncat\tdata/a.png\t1\ndog\tdata/b.png\t-1\n",
    "a.txt": "3\nSmiling label\na.png 1 2\nb.png -1 2\nc.png -1 3\n",
}


def make_table(random: Random, place: Path) -> Task:
    """Three sound pictures, and a mutated table of their labels."""
    (place / "data").mkdir()
    for name in "abc":
        pictures.save_sound(place / "data" / f"{name}.png")
    name = random.choice(list(TABLES))
    data = TABLES[name].encode(random.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")))
    (place / name).write_bytes(damaged(random, data) if random.random() < 0.9 else random.randbytes(99))
    columns = ("", ":label", ":Smiling", ":label,Smiling", f":{some_text(random)}".replace("\0", "") or ":x")
    labels = name + random.choice(columns)
    return Task("open", ["data"], {"image_size": pictures.SIZE, "channels": 3, "labels": labels})


@functools.cache
def sound(kind: str, packed: bool) -> bytes:
    """Return a file of some pictures with their labels, in two groups of rows."""
    import pyarrow
    from pyarrow import parquet

    images = [{"bytes": pictures.sound(number % 6), "path": f"{number}.png"} for number in range(5)]
    table = pyarrow.table({"image": images, "label": [0, 1, 0, 1, 0], "name": list("abcab")})
    table = table.replace_schema_metadata({"huggingface": '{"info": {"features": {"label": {"names": ["a", "b"]}}}}'})
    buffer = io.BytesIO()
    if kind == "parquet":
        parquet.write_table(table, buffer, row_group_size=3, compression="zstd" if packed else "none")
    else:
        options = pyarrow.ipc.IpcWriteOptions(compression="zstd" if packed else None)
        make = pyarrow.ipc.new_stream if kind == "arrow" else pyarrow.ipc.new_file
        with make(buffer, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=3)
    return buffer.getvalue()


def make_columns(random: Random, place: Path) -> Task:
    """A mutated file, alone or in a folder."""
    kind = random.choice(("parquet", "arrow", "arrow file"))
    name = f"a.{kind.partition(' ')[0]}"
    folder = place / random.choice(("set", "set/data"))
    folder.mkdir(parents=True)
    (folder / name).write_bytes(damaged(random, sound(kind, random.random() < 0.3)))
    path = random.choice(("set", str((folder / name).relative_to(place))))
    labels = random.choice(("auto", "auto", "none", ":name", ":label", ":image"))
    return Task("open", [path], {"image_size": pictures.SIZE, "labels": labels})
