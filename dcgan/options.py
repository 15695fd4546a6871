"""The kinds of option: each turns what the user wrote, text or value, into a checked value or says what it expected.

Picture sizes are written "64" or "64x48", height x width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any, NoReturn

from dcgan.errors import UserError

Kind = Callable[[Any], Any]
Size = tuple[int, int]  # of a picture: (height, width)


def option(default: Any, kind: Kind, help: str, metavar: str = "N") -> Any:
    """Declare an option: its default (None: left open), its kind and its help."""
    return field(default=default, metadata={"kind": kind, "help": help, "metavar": metavar})


def option_name(field_name: str) -> str:
    """Return an option as it is typed: image_size is --image-size."""
    return "--" + field_name.replace("_", "-")


def integer(least: int, most: int | None = None) -> Kind:
    """A whole number from `least` to `most`."""
    expected = f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"

    def read(value: Any) -> int:
        try:
            number = int(str(value))
        except ValueError:
            _refuse(value, expected)
        return number if number >= least and (most is None or number <= most) else _refuse(value, expected)

    return read


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


def choice(*names: str) -> Kind:
    """One of these words."""
    return lambda value: str(value) if str(value) in names else _refuse(value, "one of " + ", ".join(names))


def flag(value: Any) -> bool:
    """True or false."""
    return value if isinstance(value, bool) else _refuse(value, "true or false")


def text(value: Any) -> str:
    """Any text that is not empty."""
    return str(value) if str(value) else _refuse(value, "a name or a path")


def size(value: Any) -> Size:
    """(height, width) from "64", "64x48" or a pair."""
    return parse_size("x".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def parse_size(text: str) -> Size:
    """Return (H, W) of "64" or "64x48", height x width. Raises UserError for anything else."""
    parts = text.lower().split("x")
    if len(parts) in (1, 2) and all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        return int(parts[0]), int(parts[-1])
    raise UserError(f"size {text!r}: expected a number of pixels such as 64, or height x width such as 64x48")


def size_text(size: Size) -> str:
    """Return a size as it is written: (64, 48) is "64x48"."""
    return f"{size[0]}x{size[1]}"


def ratio(value: Any) -> tuple[int, int]:
    """(n, m) from "n:m" or a pair, both at least 1."""
    parts = [str(part) for part in (value if isinstance(value, list | tuple) else str(value).split(":"))]
    if len(parts) == 2 and all(part.isdecimal() and int(part) for part in parts):
        return int(parts[0]), int(parts[1])
    return _refuse(value, "two whole numbers of at least 1, such as 1:1 or 5:1")


def cadence(value: Any) -> int | str:
    """A repetition: "200" every 200 steps, "10ep" at the end of every tenth epoch, "1,5,20ep" of these epochs."""
    numbers, per_epoch = str(value).removesuffix("ep").split(","), str(value).endswith("ep")
    if not all(number.isdecimal() and int(number) for number in numbers) or (len(numbers) > 1 and not per_epoch):
        _refuse(value, "a number of steps such as 200, or epochs such as 1ep, 10ep or 1,5,20ep")
    return str(value) if per_epoch else int(numbers[0])


def named(name: str, kind: Kind, value: Any) -> Any:
    """Return the checked value; the UserError of one that does not fit begins with the option's name."""
    try:
        return kind(value)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _refuse(value: Any, expected: str) -> NoReturn:
    raise UserError(f"got '{value}', expected {expected}")
