"""Pictures and labels in columns: .parquet and .arrow files, and what may be wrong with them."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dcgan import prepare
from dcgan.data import open_source
from dcgan.data.formats import arrow_files
from dcgan.errors import UserError
from opened import everything, opened, refusal

pa = pytest.importorskip("pyarrow", reason="reads Parquet and Arrow files: pip install pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
COUNT = 70


def png(value):
    buffer = io.BytesIO()
    Image.new("L", (8, 8), value).save(buffer, "PNG")
    return buffer.getvalue()


def told(**features):
    """What the package datasets writes into a schema."""
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


FEATURES = told(image={"_type": "Image"}, label={"_type": "ClassLabel", "names": ["cat", "dog", "emu"]})


def made(count=COUNT, first=0, features=FEATURES, **columns):
    pictures = [{"bytes": png(first + i), "path": f"{i}.png"} for i in range(count)]
    columns = {"image": pictures, "label": [i % 2 for i in range(count)]} | columns
    return pa.table(columns).replace_schema_metadata(features)


def written(path, table, rows=33, **options):
    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=rows, **options)
    else:
        kind = pa.ipc.new_file if options.get("as_file") else pa.ipc.new_stream
        with pa.OSFile(str(path), "wb") as file, kind(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)
    return path


def values(source):
    return everything(source)[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    "name, options", [("a.parquet", {}), ("a.parquet", {"compression": "zstd"}), ("a.arrow", {}),
                      ("a.arrow", {"as_file": True}), ("a.PARQUET", {})]
)  # fmt: skip
def test_pictures_and_labels(tmp_path, name, options):
    path = tmp_path / name
    written(path.with_suffix(path.suffix.lower()), made(), **options).rename(path)
    for more in ({}, {"memory_limit": 0, "cache_dir": tmp_path / "cache"}):  # in memory, and by way of a packed file
        source = opened(path, (8, 8), **more)
        assert values(source) == list(range(COUNT)) and source.labels.tolist() == [0, 1] * (COUNT // 2)
        assert source.classes == ["cat", "dog", "emu"] and not source.skipped


@pytest.mark.parametrize("folder", ["", "data"])
def test_a_folder_of_shards(tmp_path, folder):
    """The training set alone, in the order of its files."""
    place = tmp_path / "set" / folder
    place.mkdir(parents=True)
    (tmp_path / "set" / "README.md").write_text("cats")
    for number, name in enumerate(["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"]):
        written(place / f"{name}.parquet", made(40, 40 * number))
    source = opened(tmp_path / "set", (8, 8))
    assert values(source) == list(range(80)) and source.labels.tolist() == [0, 1] * 40
    (tmp_path / "set" / "other.arrow").write_bytes(b"")  # of another kind: not mixed
    assert len(opened(tmp_path / "set", (8, 8))) == 80 if folder == "" else True


def test_pictures_beside_such_files_are_pictures(tmp_path):
    (tmp_path / "a.png").write_bytes(png(3))
    written(tmp_path / "a.parquet", made())
    assert values(opened(tmp_path, (8, 8))) == [3]


@pytest.mark.parametrize(
    "table, labels, names",
    [
        (lambda: made(features=None), [0, 1], ["0", "1"]),
        (lambda: made(features=None, label=["cat", "dog"] * 35), [0, 1], ["cat", "dog"]),
        (lambda: pa.table({"x": [1] * COUNT, "jpeg": [png(i) for i in range(COUNT)]}), None, None),
        (lambda: made(features={b"huggingface": b"{"}), [0, 1], ["0", "1"]),
        (lambda: made(features={b"huggingface": b'{"info": [1]}'}), [0, 1], ["0", "1"]),
        (lambda: made(features={b"huggingface": b"[" * 100_000}), [0, 1], ["0", "1"]),
    ],
)
def test_without_what_hugging_face_says(tmp_path, table, labels, names):
    source = opened(written(tmp_path / "a.parquet", table()), (8, 8))
    assert values(source) == list(range(COUNT)) and source.classes == names
    assert (None if source.labels is None else source.labels[:2].tolist()) == labels


def test_a_named_column(tmp_path):
    path = written(tmp_path / "a.parquet", made(breed=["b", "a"] * 35))
    source = opened(path, (8, 8), labels=":breed")
    assert source.classes == ["a", "b"] and source.labels[:2].tolist() == [1, 0]
    assert opened(path, (8, 8), labels="none").labels is None
    assert "has no column 'bred' of labels; there are label, breed" in refusal(path, labels=":bred")
    assert "has no column 'image' of labels" in refusal(path, labels=":image")


def test_prepare_keeps_the_names(tmp_path):
    path, out = written(tmp_path / "a.arrow", made()), tmp_path / "out.h5"
    assert prepare.main(["--data", str(path), "--out", str(out), "--image-size", "8", "--no-progress"]) == 0
    source = open_source(out, None, progress=False)
    assert source.classes == ["cat", "dog", "emu"] and values(source) == list(range(COUNT))


def test_rows_in_any_order(tmp_path):
    columns = arrow_files.opened(written(tmp_path / "a.parquet", made()))
    for row in np.random.default_rng(0).permutation(COUNT).tolist():
        assert columns.value("image", row)["bytes"].as_py() == png(row)


def test_damaged_and_missing_pictures_are_skipped(tmp_path):
    pictures = [{"bytes": png(1), "path": None}, {"bytes": None, "path": "b.png"}, None, {"bytes": b"x", "path": ""}]
    source = opened(written(tmp_path / "a.parquet", made(4, image=pictures)), (8, 8))
    assert values(source) == [1] and source.labels.tolist() == [0]
    assert [reason for _, reason in source.skipped] == [
        *["no picture, only a path or nothing"] * 2, "not a picture of a known format"
    ]  # fmt: skip
    assert source.skipped[0][0] == "a.parquet row 1"


@pytest.mark.parametrize("kind", [".parquet", ".arrow"])
@pytest.mark.parametrize(
    "table, line",
    [
        (lambda: made(2).slice(0, 0), "holds no rows"),
        (lambda: pa.table({"label": [1, 2]}), "has no column of picture files as bytes; there are label (int64)"),
        (lambda: made(label=[None, 1] * 35), "35 of 70 rows of "),
        (lambda: made(label=[-1, 1] * 35), "35 of 70 rows of "),
        (lambda: made(label=[7, 1] * 35, features=None, other=[{"a": 1}] * COUNT), ""),
        (lambda: made(label=[{"a": 1}] * COUNT), "labels are object"),
        (lambda: made(label=[[1], [2, 3]] * 35), "a.p"),
    ],
)
def test_bad_tables(tmp_path, table, line, kind):
    path = written(tmp_path / f"a{kind}", table())
    if not line:
        assert opened(path, (8, 8)).labels.max() == 7
        return
    refused = refusal(path)
    assert (line if line != "a.p" else path.name) in refused and "\n" not in refused


@pytest.mark.parametrize("name, content", [("a.parquet", b""), ("a.parquet", b"PAR1"), ("a.parquet", b"PAR1" * 99),
                                           ("a.arrow", b""), ("a.arrow", b"ARROW1\0\0" * 99)])  # fmt: skip
def test_no_such_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    refused = refusal(tmp_path / name)
    assert "download it again" in refused or "is damaged" in refused or "holds no rows" in refused


@pytest.mark.parametrize("kind", [".parquet", ".arrow"])
def test_changed_bytes_end_in_pictures_or_one_line(tmp_path, kind):
    """Never in a crash of this process, nor in anything but a UserError."""
    content, rng = written(tmp_path / f"a{kind}", made(9)).read_bytes(), np.random.default_rng(0)
    for _ in range(25):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            changed[place] = rng.integers(0, 256)
        (tmp_path / f"b{kind}").write_bytes(bytes(changed))
        try:
            everything(opened(tmp_path / f"b{kind}", (8, 8)))
        except UserError as error:
            assert "\n" not in str(error)


def test_a_bomb_ends_the_helper_and_not_us(tmp_path):
    """A column that unpacks to 400 MB is more than the 100 MB that the helper may take here."""
    table = pa.table({"image": pa.array([bytes(2**22)] * 100, pa.binary())})
    path = written(tmp_path / "a.parquet", table, rows=100, compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 2**20
    program = (
        "import sys; from dcgan.data.formats import checked_files as c;"
        "c.default_memory_limit = lambda: int(sys.argv[2]);"
        "c.look_at_columns(sys.argv[1], ''); print('read')"
    )
    for limit, ending in ((100 * 2**20, (1, b"")), (2**31, (0, b"read\n"))):
        done = subprocess.run([sys.executable, "-c", program, path, str(limit)], stdout=subprocess.PIPE, timeout=60)
        assert (done.returncode, done.stdout) == ending


def test_many_rows_in_no_bytes_are_refused(tmp_path):
    path = written(tmp_path / "a.parquet", pa.table({"image": pa.nulls(2**22, pa.binary())}), rows=2**23)
    assert "claims 4,194,304 rows in" in refusal(path)


def test_without_pyarrow_a_line_says_what_to_install(tmp_path, monkeypatch):
    path = written(tmp_path / "a.parquet", made(2))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "a.parquet: reading it takes the package pyarrow, pip install pyarrow" in refusal(path)
