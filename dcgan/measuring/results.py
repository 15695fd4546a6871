"""RUN/measure.json: a list of everything that was ever measured of a run, each with all that it depends on."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dcgan.errors import UserError
from gpunet.files import write_atomically

NAME = "measure.json"
# The 0.975 quantile of Student's t for 1, 2, 3 ... degrees of freedom: an interval of 95 % from so few seeds.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
MOST_SEEDS = len(STUDENT) + 1
# Within which the numbers lie; those that are not named have no ends.
WHOLE = {
    "frechet": (0, math.inf), "precision": (0, 1), "recall": (0, 1), "density": (0, math.inf), "coverage": (0, 1),
}  # fmt: skip


def read(folder: Path) -> list[Any]:
    """Return the results of a run folder, [] where there are none. UserError: the file is damaged."""
    path = folder / NAME
    try:
        found = json.loads(path.read_bytes()) if path.exists() else []
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): move it away, then measure again") from error
    if not isinstance(found, list):
        raise UserError(f"{path}: got a {type(found).__name__}, expected a list of results: move it away")
    return found


def append(folder: Path, result: dict[str, Any]) -> Path:
    """Add a result to a run folder's file, atomically; return the file's path."""
    path = folder / NAME
    write_atomically(path, (json.dumps([*read(folder), result], indent=2) + "\n").encode())
    return path


def wide(seeds: int) -> str:
    """Return a warning where so many seeds give no interval that is of use, else "".

    t / sqrt(K) is 9.0 for two seeds, 2.5 for three and 1.2 for five.
    """
    return "the interval of two draws is too wide to be of use: take --seeds 3 or more" if seeds == 2 else ""


def interval(values: Sequence[float], name: str = "") -> dict[str, Any]:
    """Return {"mean", "low", "high", "each"}: the mean over seeds and its interval of 95 %, none for one seed.

    low, high = mean -+ t s / sqrt(K) for K seeds with the standard deviation s, where t is Student's. Of a named number
    they are cut to where it can lie. Example: a precision of 0.61 -+ 0.99 reaches from 0 to 1, not from -0.38 to 1.60.
    """
    count, mean = len(values), math.fsum(values) / len(values)
    found: dict[str, Any] = {"mean": mean, "each": list(values)}
    if count > 1:
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
        reach = STUDENT[count - 2] * deviation / math.sqrt(count)
        least, most = WHOLE.get(name, (-math.inf, math.inf))
        found |= {"low": min(mean, max(mean - reach, least)), "high": max(mean, min(mean + reach, most))}
    return found
