"""Standard output and error that never end a training: closed, without a reader, or of an encoding of few letters.

`one_line`, `shortened` and `error_text` make a text fit for them, whatever it holds and however long it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

GONE = (errno.EPIPE, errno.EIO, errno.EBADF)  # whoever read the output has ended, or its terminal was closed
GAP = " ... "  # in place of what is left out of a text
MOST_WORDS = 200  # letters of a library's error that are quoted in a line of ours


def one_line(text: str) -> str:
    """The text on one line, printable and encodable whatever bytes a file name or a decoder put into it."""
    text = " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shortened(text: str, most: int) -> str:
    """The text, its middle left out where it has more than `most` letters: "aaaaaaa ... zzz" of at most 15."""
    if len(text) <= most:
        return text
    end = most // 5
    return f"{text[: most - end - len(GAP)]}{GAP}{text[-end:]}"


def error_text(error: Exception) -> str:
    """What an error says, on one short line; the name of its class where it says nothing."""
    return shortened(one_line(str(error)), MOST_WORDS) or type(error).__name__


class Lenient:
    """A text stream that writes to nowhere once its reader is gone; all else is the stream's."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        self._try(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        self._try(self.stream.flush)

    def _try(self, do: Any, *arguments: Any) -> None:
        try:
            do(*arguments)
        except OSError as error:
            if error.errno not in GONE:
                raise
            with contextlib.suppress(OSError, ValueError):  # what waits in the buffer goes there, too
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)


@contextlib.contextmanager
def lenient() -> Iterator[None]:
    """Within the block sys.stdout and sys.stderr are streams that take any text and fail at none.

    A letter that the encoding lacks is written as its number: "\\xe9".
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_lenient(stream) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _lenient(stream: Any) -> Any:
    if stream is None:  # Python's stream of a descriptor that was closed before the start
        return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return Lenient(stream)
