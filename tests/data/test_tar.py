"""Pictures in a .tar or .tar.gz: of every dialect, with whatever else lies in it, damaged, or made by attackers."""

import gzip
import io
import random
import tarfile
import time

import numpy as np
import pytest

from dcgan.data import opening
from dcgan.data.formats import tar_files, tar_headers
from dcgan.data.formats.tar_files import TarListing
from dcgan.errors import UserError
from opened import make, open_small, opened, pack_tar, picture, refusal, values

DIALECTS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
ENDINGS = [".tar", ".tar.gz"]


def png(value):
    buffer = io.BytesIO()
    picture(value).save(buffer, "PNG")
    return buffer.getvalue()


def member(name, content=b"", **more):
    """An entry of `written`: its header, with other fields where asked for, and its content."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def written(path, entries, dialect="gnu"):
    """Write headers and contents as they are; return the path."""
    with gzip.open(path, "wb") if path.suffix == ".gz" else open(path, "wb") as file:
        for info, content in entries:
            file.write(info.tobuf(DIALECTS[dialect], "utf-8", "surrogateescape"))
            file.write(content + bytes(-len(content) % 512))
        file.write(bytes(1024))
    return path


@pytest.fixture(params=ENDINGS)
def path(request, tmp_path):
    return tmp_path / f"a{request.param}"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("length", [10, 99, 100, 101, 150, 254, 1000])
def test_long_names(path, dialect, length):
    folder = "/".join(["d" * 30] * (length // 31))
    names = [f"{folder}/{'e' * (length - len(folder) - 6)}{i}.png".lstrip("/") for i in range(3)]
    if dialect == "ustar" and length > 255:
        pytest.skip("ustar has no names so long")
    written(path, [member(name, png(i)) for i, name in enumerate(names)], dialect)
    source = open_small(path)
    assert values(source) == [0, 1, 2]
    assert TarListing(path).names == names


@pytest.mark.parametrize("dialect", DIALECTS)
def test_names_of_any_letters(path, dialect):
    names = ["ä/ü.png", "b\\c.png", "/d.png", "../../e.png", "C:/f.png", "./g.png", "h//i.png", "\udce9/j.png"]
    written(path, [member(name, png(i)) for i, name in enumerate(names)], dialect)
    plain = ["ä/ü.png", "b/c.png", "d.png", "e.png", "f.png", "g.png", "h/i.png", "\udce9/j.png"]
    assert TarListing(path).names == sorted(plain)
    source = open_small(path)
    assert sorted(values(source)) == list(range(8)) and source.skipped == []


def test_links_and_devices_are_skipped(path, tmp_path):
    kinds = {"l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "c": tarfile.CHRTYPE, "b": tarfile.BLKTYPE}
    kinds["p"] = tarfile.FIFOTYPE
    secret = make(tmp_path / "elsewhere", "secret.png") / "secret.png"
    entries = [member(f"{kind}.png", type=number, linkname=str(secret)) for kind, number in kinds.items()]
    entries += [member("folder/", type=tarfile.DIRTYPE), member("old/"), member("odd.png", png(9), type=b"Z")]
    written(path, [*entries, member("z.png", png(5))])
    source = open_small(path)
    assert values(source) == [5]
    reasons = dict(source.skipped)
    assert reasons == {
        "l.png": "a link", "h.png": "a link", "c.png": "a device", "b.png": "a device", "p.png": "a pipe",
        "old": "a folder", "odd.png": "of an unknown kind",
    }  # fmt: skip


def test_of_two_members_with_one_name_the_last_counts(path):
    written(path, [member("a.png", png(1)), member("b.png", png(2)), member("./a.png", png(3))])
    assert values(open_small(path)) == [3, 2]


@pytest.mark.parametrize("dialect", ["gnu", "pax"])
def test_sparse_files_are_skipped(path, dialect):
    if dialect == "gnu":
        content = raw(b"1000", b"S", 1) + bytes(512) + bytes(512)  # the map goes on in a block of its own
    else:
        info, _ = member("hole.png", bytes(512), pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
        content = info.tobuf(tarfile.PAX_FORMAT) + bytes(512)
    behind, last = member("z.png", png(5))
    whole = content + behind.tobuf() + last + bytes(-len(last) % 512 + 1024)
    path.write_bytes(gzip.compress(whole) if path.suffix == ".gz" else whole)
    source, name = open_small(path), "a.png" if dialect == "gnu" else "hole.png"
    assert values(source) == [5] and source.skipped == [(name, "a sparse file")]


def test_what_it_is_packed_with_is_seen_in_its_first_bytes(tmp_path):
    packed = pack_tar(tmp_path / "a.tar.gz", [("a.png", png(7))])
    plain = pack_tar(tmp_path / "b.tar", [("a.png", png(7))])
    packed.rename(tmp_path / "c.tar"), plain.rename(tmp_path / "d.tgz")
    assert values(open_small(tmp_path / "c.tar")) == values(open_small(tmp_path / "d.tgz")) == [7]


def test_the_system_s_own_tar(path, tmp_path):
    """An empty archive, one without its end, and a comment in front, as git archive writes it."""
    written(path, [])
    assert "no images found in" in refusal(path)
    written(path, [member("pax_global_header", b"24 comment=0123456789abc\n", type=b"g"), member("a.png", png(3))])
    assert values(open_small(path)) == [3]
    whole = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    path.write_bytes(gzip.compress(whole[:-1024]) if path.suffix == ".gz" else whole[:-1024])
    assert values(open_small(path)) == [3]


def test_fingerprints(path):
    written(path, [member("a.png", png(1)), member("b.png", png(2))])
    first = TarListing(path)
    written(path, [member("b.png", png(2)), member("a.png", png(1))])
    assert TarListing(path).fingerprint == first.fingerprint
    written(path, [member("c.png", png(2)), member("a.png", png(1))])
    assert TarListing(path).fingerprint != first.fingerprint


@pytest.mark.parametrize("memory", [0, None])
def test_many_pictures(path, tmp_path, monkeypatch, memory):
    """Of a .tar they are decoded while training runs, those of a .tar.gz before; both into the cache."""
    monkeypatch.setattr(opening, "CACHE_FROM", 5)
    count = 300 if memory is None else 20
    written(path, [member(f"{i % 3}/{i:03d}.png", png(i % 200)) for i in range(count)])
    source = open_small(path, cache_dir=tmp_path / "cache", memory_limit=2**20 if memory is None else 0)
    assert source.shape == (count, 8, 8, 3) and source.classes == ["0", "1", "2"]
    expected = [i % 200 for i in sorted(range(count), key=lambda i: (i % 3, i))]
    assert values(source) == expected
    source.close()


# ---- damage ---------------------------------------------------------------------------------------------------------


def test_cut_short_anywhere(tmp_path):
    whole = written(tmp_path / "whole.tar", [member(f"{i}.png", png(i)) for i in range(3)]).read_bytes()
    path, end = tmp_path / "a.tar", len(whole) - 1024
    for length in (1, 100, 511, 513, 600, 1100, end - 1, end - 511):
        path.write_bytes(whole[:length])
        assert f"{path} is not a readable .tar archive" in refusal(path), length
    packed = gzip.compress(whole)
    for length in (5, 60, len(packed) // 2, len(packed) - 9, len(packed) - 1):
        (tmp_path / "a.tar.gz").write_bytes(packed[:length])
        assert "not a readable .tar archive" in refusal(tmp_path / "a.tar.gz"), length


def test_a_wrong_checksum(path):
    info, content = member("a.png", png(1))
    header = bytearray(info.tobuf())
    header[3] ^= 1
    path.write_bytes((gzip.compress if path.suffix == ".gz" else bytes)(bytes(header) + content))
    assert "no header at byte 0" in refusal(path)


def raw(size=b"", kind=b"0", goes_on=0):
    """A header with any bytes as its size; goes_on: whether the map of a sparse file has another block."""
    header = bytearray(tarfile.TarInfo("a.png").tobuf(tarfile.GNU_FORMAT))
    header[156:157], header[124:136], header[482] = kind, size.ljust(12, b"\0"), goes_on
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 256)
    return bytes(header)


HOSTILE = {
    "a negative size": raw(b"\xff" * 12),
    "a size that goes back": raw(b"\xff" * 10 + b"\xfe\0"),
    "an exabyte": raw(b"\x80" + b"\0" * 3 + b"\x10" + b"\0" * 7),
    "a size of letters": raw(b"abc"),
    "a size of signs": raw(b"-1"),
    "a long name of a terabyte": raw(b"\x80" + b"\0" * 5 + b"\1" + b"\0" * 5, b"L"),
    "attributes of a terabyte": raw(b"\x80" + b"\0" * 5 + b"\1" + b"\0" * 5, b"x"),
    "long names without end": (raw(b"1000", b"L") + bytes(512)) * 1000,
    "attributes of digits": raw(b"177777", b"x") + b"1" * 65535 + bytes(1),
    "attributes that are their own length": raw(b"12", b"x") + b"0 path=a\n\0".ljust(512, b"\0"),
    "attributes longer than they are": raw(b"12", b"x") + b"99 path=a\n".ljust(512, b"\0"),
    "a sparse map without end": raw(b"", b"S", 1) + (bytes(504) + b"\1" + bytes(7)) * 5,
    "a size in attributes": raw(b"17", b"x") + b"15 size=-12345\n".ljust(512, b"\0") + raw(b"1"),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers(path, content):
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    start = time.monotonic()
    assert "is not a readable .tar archive" in refusal(path)
    assert time.monotonic() - start < 5


def test_a_member_too_large_is_skipped(path, monkeypatch):
    monkeypatch.setattr(tar_files, "MEMBER_LIMIT", 1000)
    written(path, [member("a.png", png(1)), member("b.png", bytes(2000)), member("c", png(1) + bytes(2000))])
    source = open_small(path)
    assert values(source) == [1]
    sizes = {"b.png": 2000, "c": len(png(1)) + 2000}
    assert dict(source.skipped) == {name: f"{size:,} bytes, more than 1,000" for name, size in sizes.items()}


def test_bombs(tmp_path, monkeypatch):
    """What unpacks to more than the memory may hold, in one member or in many, needed or not."""
    monkeypatch.setattr(tar_files, "default_memory_limit", lambda: 2**20)
    for entries in ([member("a.png", bytes(2**21))], [member(f"{i}.txt", bytes(2**10)) for i in range(2000)]):
        path = written(tmp_path / "a.tar.gz", [member("0.png", png(1)), *entries])
        assert "unpacks to more than the 1,048,576 bytes that may be held in memory: unpack it" in refusal(path)


def test_too_many_members(path, monkeypatch):
    monkeypatch.setattr(tar_headers, "MOST_MEMBERS", 50)
    written(path, [member(f"{i}.txt") for i in range(60)])
    assert "more than 50 members" in refusal(path)


def test_mutated_archives_end_in_a_line_or_in_pictures(tmp_path):
    rng = random.Random(0)
    entries = [member(f"{'long' * 30}/{i}.png", png(i), pax_headers={"comment": "é"}) for i in range(4)]
    whole = b"".join(
        info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)
        for form in DIALECTS.values() if form != tarfile.USTAR_FORMAT
        for info, content in entries
    )  # fmt: skip
    path, refused = tmp_path / "a.tar", 0
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(content))
            content[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        for at in range(0, len(content) - 512, 512) if rng.random() < 0.8 else ():  # headers with right checksums
            if content[at + 257 : at + 262] == b"ustar":
                total = sum(content[at : at + 148]) + sum(content[at + 156 : at + 512]) + 256
                content[at + 148 : at + 156] = b"%06o\0 " % total
        path.write_bytes(content)
        try:
            assert np.isin(opened(path, (8, 8)).shape[0], range(1, 9))
        except UserError as error:
            refused += 1
            assert "\n" not in str(error)
    assert 50 < refused < 390
