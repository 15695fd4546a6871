"""The headers of a .tar, read one after another, without ever going back.

A .tar is a row of blocks of 512 bytes. Each member has a header block, and behind it its content, filled up with zeros
to whole blocks; two blocks of zeros end the archive. What a header cannot say, such as a long name, stands in a member
of its own in front of it: of kind L (GNU tar) or x (pax). (https://www.gnu.org/software/tar/manual/html_node/Standard.html)
Python's tarfile is not used: a hostile archive makes it read headers of any size, or go round in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

BLOCK = 512
MOST_MEMBERS = 2_000_000
HEADER_LIMIT = 2**17  # bytes of what stands in front of one member: long names, attributes
FILES = (b"0", b"\0", b"7")  # kinds of ordinary files
KINDS = {b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file"}
FOLDER, LONG_NAME, LONG_LINK, PAX, PAX_OF_ALL = b"5", b"L", b"K", b"x", b"g"


class Stream(Protocol):
    """What a .tar is read from, from its beginning on."""

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer at the end."""

    def skip(self, count: int) -> None:
        """Pass over `count` bytes. Raises EOFError where there are fewer."""

    def tell(self) -> int:
        """Return how many bytes were read and skipped."""


class Member(NamedTuple):
    """A member of a .tar: its name as it stands there, why it is no ordinary file (""), its size and time of change.

    Its content begins at byte `start`.
    """

    name: str
    reason: str
    size: int
    time: int
    start: int


def members(stream: Stream) -> Iterator[Member]:
    """Yield all members but folders. The content of one may be read from the stream before the next is asked for.

    Raises ValueError where there is no header, EOFError where the archive is cut short.
    """
    more: dict[str, str] = {}  # what stood in front of a header
    room, found = HEADER_LIMIT, 0
    while header := read_header(stream):
        kind, size = header[156:157], number(header[124:136])
        if kind in (LONG_NAME, LONG_LINK, PAX, PAX_OF_ALL):
            room -= padded(size) + BLOCK
            if room < 0:
                raise ValueError(f"more than {HEADER_LIMIT:,} bytes in front of a member")
            content = exactly(stream, padded(size))[:size]
            more |= texts(kind, content)
            continue
        member = described(header, more, stream)
        found += 1
        if found > MOST_MEMBERS:
            raise ValueError(f"more than {MOST_MEMBERS:,} members")
        if kind != FOLDER:
            yield member
        stream.skip(member.start + padded(member.size) - stream.tell())
        more, room = {}, HEADER_LIMIT


def read_header(stream: Stream) -> bytes:
    """Return the next header; b"" at the end. Raises ValueError where the block's checksum is not that of a header."""
    at, block = stream.tell(), stream.read(BLOCK)
    if not block.strip(b"\0"):  # a block of zeros, or the end of the file
        return b""
    if len(block) < BLOCK:
        raise EOFError("it is cut short")
    if number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise ValueError(f"no header at byte {at:,}")
    return block


def described(header: bytes, more: dict[str, str], stream: Stream) -> Member:
    """Return the member of a header, with what stood in front of it, whose content begins here."""
    kind = header[156:157]
    name = more.get("path") or text(header[:100])
    if "path" not in more and header[257:263] == b"ustar\0" and (prefix := text(header[345:500])):
        name = f"{prefix}/{name}"
    size = number(header[124:136])
    if kind == b"S":  # the map of a sparse file may go on in more blocks; each says whether another follows
        goes_on = header[482]
        while goes_on:
            goes_on = exactly(stream, BLOCK)[504]
    reason = "" if kind in FILES else KINDS.get(kind, "of an unknown kind")
    if any(key.startswith("GNU.sparse") for key in more):
        reason = KINDS[b"S"]
    if "size" in more:
        size = int(more["size"]) if more["size"].isdecimal() and len(more["size"]) < 20 else -1
    if size < 0:
        raise ValueError(f"a member of {size:,} bytes")
    if kind in (b"1", b"2", b"3", b"4", FOLDER, b"6"):  # these have no content, whatever size is given
        size = 0
    if name.endswith("/"):  # older programs have no kind for a folder
        reason = reason or "a folder"
    return Member(name, reason, size, number(header[136:148]), stream.tell())


def texts(kind: bytes, content: bytes) -> dict[str, str]:
    """Return what a member of kind L or x says of the next: {"path": ..., "size": ...}."""
    if kind == LONG_NAME:
        return {"path": text(content)}
    found: dict[str, str] = {}
    while kind == PAX and content.strip(b"\0"):  # records such as "19 path=cats/1.png\n", their own length in front
        length, _, rest = content.partition(b" ")
        if not (length.isdigit() and len(length) < 8 and len(length) + 1 < int(length) <= len(content)):
            raise ValueError("a damaged header")
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        found[text(key)] = text(value)
        content = content[int(length) :]
    return found


def number(field: bytes) -> int:
    """Return a number of a header: octal digits, or after a first byte of 0x80 (0xff: negative) its bytes."""
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big", signed=field[0] == 0xFF)
    digits = field.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        raise ValueError("a damaged header") from None


def text(field: bytes) -> str:
    """Return the text of a field, which ends at its first zero byte; bytes that are no UTF-8 stay recognisable."""
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def padded(size: int) -> int:
    """Return a size rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def exactly(stream: Stream, count: int) -> bytes:
    """Return the next `count` bytes. Raises EOFError where there are fewer."""
    content = stream.read(count)
    if len(content) < count:
        raise EOFError("it is cut short")
    return content
