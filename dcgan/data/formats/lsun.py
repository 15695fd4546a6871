"""LSUN's LMDB folders: keys and picture files, read with the optional package lmdb."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import BinaryIO

from dcgan.data.formats.checker import check
from dcgan.data.formats.listing import Listing, digest
from dcgan.errors import UserError

DATA = "data.mdb"  # a folder with this file is an LMDB
PICTURE_LIMIT = 256 * 2**20  # bytes of one picture file
# A meta page says how large the file is. It holds a header of 16 bytes, a magic number, version, address, map size,
# two tables (the first begins with the page size), last page, transaction. There are two; the newer one is valid.
META = struct.Struct("<16x II QQ I44x 48x QQ")
MAGIC = 0xBEEFC0DE


class LmdbListing(Listing):
    """The values of an LMDB, each a picture file, in the order of their keys."""

    def __init__(self, path: Path):
        try:
            import lmdb
        except ImportError:
            raise UserError(f"{path} is an LMDB: reading it takes the package lmdb, pip install lmdb") from None
        data = path / DATA
        require_complete(data)
        check("lmdb", path)
        self.path, self.skipped = path, []
        try:
            self.file = lmdb.open(os.fspath(path), readonly=True, lock=False, readahead=False, max_spare_txns=64)
            with self.file.begin() as transaction, transaction.cursor() as cursor:
                self.keys = list(cursor.iternext(keys=True, values=False))
        except lmdb.Error as error:
            raise UserError(f"{path} is not a readable LMDB ({error}): download it again") from None
        if not self.keys:
            raise UserError(f"{path} is an empty LMDB: it holds no images")
        ends = [key.hex() for key in (self.keys[0], self.keys[-1])]
        self.fingerprint = digest([len(self.keys), *ends, data.stat().st_size])
        self.version = digest([self.fingerprint, data.stat().st_mtime_ns])

    def name(self, index: int) -> str:
        return self.keys[index].decode("ascii", "backslashreplace")

    def open(self, index: int) -> BinaryIO:
        with self.file.begin(buffers=True) as transaction:
            value = transaction.get(self.keys[index])
            if value is None or len(value) > PICTURE_LIMIT:
                raise ValueError("no value" if value is None else f"{len(value):,} bytes, more than {PICTURE_LIMIT:,}")
            return io.BytesIO(value)

    def close(self) -> None:
        self.file.close()

    def __len__(self) -> int:
        return len(self.keys)


def require_complete(data: Path) -> None:
    """Raise UserError where the file is shorter than it says: LMDB would map it and crash on the missing pages."""
    with open(data, "rb") as file:
        first = file.read(META.size)
        size = META.unpack(first)[4] if len(first) == META.size else 0  # of a page
        if 512 <= size <= 2**16:
            file.seek(size)
            metas = [META.unpack(page) for page in (first, file.read(META.size)) if len(page) == META.size]
            newest = max(metas, key=lambda meta: meta[6])
            if all(meta[0] == MAGIC for meta in metas) and (newest[5] + 1) * size <= data.stat().st_size:
                return
    raise UserError(f"{data} is no LMDB of this machine's kind, or is cut short: download it again")
