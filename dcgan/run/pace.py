"""Pace: says how long a run will take, from the speed of its own first steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

LEAST = 0.5  # seconds that a measured stretch lasts: a checkpoint may cut it short
LONG = 60.0  # seconds of the rest that make it worth a word
UNITS = (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0))


class Pace:
    """Takes note of the log's timings and says once what the steps that are left will take.

    The first stretch is left out: caches are cold, a CUDA graph is recorded, and there may be kernels to compile.
    """

    def __init__(self, step: int, last_step: int, batch_size: int, say: Callable[[str], None]) -> None:
        self.step, self.last_step, self.batch_size, self.say = step, last_step, batch_size, say
        self.stretches = 0

    def __call__(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Take note of new records."""
        for record in records:
            if record.get("images_per_second"):
                self._stretch(record["step"], self.batch_size / record["images_per_second"])

    def _stretch(self, step: int, seconds: float) -> None:
        """Take note of steps up to this one that took so many seconds each."""
        lasted, self.step = (step - self.step) * seconds, step
        left = (self.last_step - step) * seconds
        self.stretches += lasted >= LEAST
        if self.stretches == 2 and left >= LONG:
            self.say(f"{seconds:.2g} s a step: the {self.last_step - step:,} steps left take about {in_words(left)}")
        self.stretches += self.stretches == 2


def in_words(seconds: float) -> str:
    """Return a length of time with its two largest units.

    >>> in_words(9000), in_words(61), in_words(200000)
    ('2 hours 30 minutes', '1 minute', '2 days 7 hours')
    """
    parts: list[str] = []
    rest = seconds + 30  # rounded to minutes
    for unit, length in UNITS:
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append(f"{count:.0f} {unit}{'s' * (count != 1)}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 ")) or "less than a minute"
