"""The kinds of option: each turns what the user wrote, text or value, into a checked value or says what it expected.

Picture sizes are written "64" or "64x48", height x width.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from dcgan.errors import UserError
from dcgan.streams import shortened

LARGEST = 2**31 - 1  # of whole numbers, where no smaller one is named
LONGEST = 65_535  # pixels of a side, as in a JPEG
QUOTED = 100  # letters of what the user wrote that are quoted
NEAR = 0.6  # how much of two words must be equal, from 0 to 1, so that one may be meant by the other (difflib.ratio)
Kind = Callable[[Any], Any]
Size = tuple[int, int]  # of a picture: (height, width)


def option(default: Any, kind: Kind, help: str, metavar: str = "N") -> Any:
    """Declare an option: its default (None: left open), its kind and its help."""
    return field(default=default, metadata={"kind": kind, "help": help, "metavar": metavar})


def option_name(field_name: str) -> str:
    """Return an option as it is typed: image_size is --image-size."""
    return "--" + field_name.replace("_", "-")


def integer(least: int, most: int = LARGEST) -> Kind:
    """A whole number from `least` to `most`."""
    few = f"a whole number of at least {least}" if most >= LARGEST else f"a whole number from {least} to {most}"

    def read(value: Any) -> int:
        try:
            number = int(str(value))
        except ValueError:  # no number, or one of thousands of digits
            _refuse(value, few)
        if number < least or (number > most and most < LARGEST):
            _refuse(value, few)
        return number if number <= most else _refuse(value, f"{few} and at most {most}")

    return read


def channels(value: Any) -> int:
    """The channels of a picture: 1 or 3."""
    return int(value) if str(value) in ("1", "3") else _refuse(value, "1 (grey) or 3 (RGB)")


def number(interval: str) -> Kind:
    """A number in an interval written as "(0, 1]": round brackets leave the end out."""
    low, high = (float(end) for end in interval[1:-1].split(","))

    def read(value: Any) -> float:
        try:
            number = float(str(value))
        except ValueError:
            _refuse(value, f"a number in {interval}")
        ends = (number == low and interval[0] == "[") or (number == high and interval[-1] == "]")
        return number if low < number < high or ends else _refuse(value, f"a number in {interval}")

    return read


@dataclass(frozen=True)
class Word:
    """The kind of an option that takes one of these words.

    alone: what the option without a word, or true, means; also: whether another text is taken, too, which is `other`.
    """

    names: tuple[str, ...]
    alone: str = ""
    also: Callable[[str], Any] = lambda text: False
    other: str = ""

    def __call__(self, value: Any) -> str:
        """Return the word. Raises UserError, which names the nearest word, for any other value."""
        if value is True and self.alone:
            return self.alone
        if str(value) in self.names or ("\0" not in str(value) and self.also(str(value))):
            return str(value)
        expected = ", ".join(self.names) + (f", or {self.other}" if self.other else "")
        return _refuse(value, f"one of {expected}{meant(str(value), self.names)}")


def choice(*names: str, alone: str = "") -> Word:
    """One of these words."""
    return Word(names, alone)


def meant(typed: str, names: Iterable[str]) -> str:
    """Return ": did you mean dcgan64?" for a word that is nearly one of the names, "" for any other word."""
    known = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(typed[:QUOTED].casefold(), known, 1, NEAR)
    return f": did you mean {known[found[0]]}?" if found else ""


def some_of(*names: str) -> Kind:
    """Some of these words, as in "color,cutout"; they are returned in the order of the names, each once."""

    def read(value: Any) -> str:
        given = [word.strip() for word in str(value).split(",")]
        wrong = [word for word in given if word not in names]
        if wrong:
            _refuse(value, f"some of {','.join(names)}, with commas between them{meant(wrong[0], names)}")
        return ",".join(name for name in names if name in given)

    return read


def flag(value: Any) -> bool:
    """True or false."""
    return value if isinstance(value, bool) else _refuse(value, "true or false")


def text(value: Any) -> str:
    """Any text that is not empty."""
    return str(value) if str(value) and "\0" not in str(value) else _refuse(value, "a name or a path")


def size(value: Any) -> Size:
    """(height, width) from "64", "64x48" or a pair."""
    return parse_size("x".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def parse_size(text: str) -> Size:
    """Return (H, W) of "64" or "64x48", height x width. Raises UserError for anything else, as above LONGEST."""
    parts = text.lower().split("x")
    if len(parts) in (1, 2) and all(_is_count(part.strip(), LONGEST) for part in parts):
        return int(parts[0]), int(parts[-1])
    size = shortened(text, QUOTED)
    raise UserError(f"size {size!r}: expected a number of pixels such as 64, or height x width such as 64x48")


def size_text(size: Size) -> str:
    """Return a size as it is written: (64, 48) is "64x48"."""
    return f"{size[0]}x{size[1]}"


def ratio(value: Any) -> tuple[int, int]:
    """(n, m) from "n:m" or a pair, both at least 1."""
    parts = [str(part) for part in (value if isinstance(value, list | tuple) else str(value).split(":"))]
    if len(parts) == 2 and all(map(_is_count, parts)):
        return int(parts[0]), int(parts[1])
    return _refuse(value, "two whole numbers of at least 1, such as 1:1 or 5:1")


def cadence(value: Any) -> int | str:
    """A repetition: "200" every 200 steps, "10ep" at the end of every tenth epoch, "1,5,20ep" of these epochs."""
    numbers, per_epoch = str(value).removesuffix("ep").split(","), str(value).endswith("ep")
    if not all(map(_is_count, numbers)) or (len(numbers) > 1 and not per_epoch):
        _refuse(value, "a number of steps such as 200, or epochs such as 1ep, 10ep or 1,5,20ep")
    return str(value) if per_epoch else int(numbers[0])


def due(cadence: int | str | None, step: int, finished: int | None) -> bool:
    """Return whether a thing is due after a step; finished: the epochs done if the step ended one, else None.

    cadence: None, never; 200, every 200 steps; "10ep", at the end of every tenth epoch; "1,5,20ep", at that of these.
    """
    if isinstance(cadence, int):
        return step % cadence == 0
    if cadence is None or finished is None:
        return False
    epochs = [int(number) for number in cadence.removesuffix("ep").split(",")]
    return finished in epochs if len(epochs) > 1 else finished % epochs[0] == 0


def named(name: str, kind: Kind, value: Any) -> Any:
    """Return the checked value; the UserError of one that does not fit begins with the option's name."""
    try:
        return kind(value)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _refuse(value: Any, expected: str) -> NoReturn:
    raise UserError(f"got '{shortened(str(value), QUOTED)}', expected {expected}")


def _is_count(text: str, most: int = LARGEST) -> bool:
    """Return whether a text is a whole number from 1 to `most`."""
    return text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most
