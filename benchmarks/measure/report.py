"""The rows of step and ops: print each when it is measured, then print all as a table and write the JSON file."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from typing import Any

from benchmarks.measure.text_table import table
from benchmarks.measure.timing import Timed
from dcgan import quick
from gpunet.files import write_atomically

HEAD = ("workload", "ours ms", "spread", "rival ms", "spread", "fastest way", "ratio", "verified")


def results(found: dict[str, Timed], gflop: float) -> dict[str, Any]:
    """Return the part of a row about times: milliseconds, GFLOP/s, the fastest rival and our ratio to it."""
    ours = found["ours"]
    rivals = {name: timed for name, timed in found.items() if name != "ours"}
    row: dict[str, Any] = {"ours_ms": ours.median, "ours_spread": [ours.least, ours.most]}
    row |= {"rivals": {name: timed.median for name, timed in rivals.items()}}
    row |= {"rivals_spread": {name: [timed.least, timed.most] for name, timed in rivals.items()}}
    row |= {"ours_gflops": gflop / ours.median * 1e3}
    if rivals:
        best = min(rivals, key=lambda name: rivals[name].median)
        row |= {"best": best, "ratio": ours.median / rivals[best].median}
        row |= {"best_gflops": gflop / rivals[best].median * 1e3}
    return row


def say(row: dict[str, Any]) -> dict[str, Any]:
    """Print one row to stderr at once, with the rivals that were skipped; return the row."""
    print("  ".join(map(str, cells(row))), file=sys.stderr, flush=True)
    for name, reason in row.get("skipped", {}).items():
        print(f"    {name} skipped: {reason}", file=sys.stderr, flush=True)
    return row


def cells(row: dict[str, Any]) -> list[Any]:
    """Return a row's cells, one per name in HEAD; those about times are blank where it was not timed."""
    verified = "yes" if row["verified"] else f"NO: {row.get('failed') or row['errors'] or 'nothing to compare with'}"
    if "ours_ms" not in row:
        return [row["workload"], *[""] * 6, verified]
    ours = [row["workload"], ms(row["ours_ms"]), spread(row["ours_spread"])]
    if "best" not in row:
        return [*ours, *[""] * 4, verified]
    best = row["best"]
    theirs = [ms(row["rivals"][best]), spread(row["rivals_spread"][best]), best, f"{row['ratio']:.2f}"]
    return [*ours, *theirs, verified]


def ms(value: float) -> str:
    """Return milliseconds with at least three digits.

    >>> ms(1234.5), ms(12.34), ms(0.1234)
    ('1234', '12.3', '0.123')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def spread(pair: list[float]) -> str:
    """Return the text of a least and a largest time: "12.3-14.1"."""
    return f"{ms(pair[0])}-{ms(pair[1])}"


def failed(workload: str, error: Exception) -> dict[str, Any]:
    """Return the row of a workload that raised an error: out of memory, for one. The other rows stay."""
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return {"workload": workload, "verified": False, "errors": {}, "failed": text}


def keep(name: str, found: dict[str, Any], options: argparse.Namespace) -> None:
    """Write what was measured so far to the file of --json: a later row may end the process."""
    found |= {"quick": quick.notice()} if quick.notice() else {}
    found["command"] = shlex.join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]])
    if options.json:
        write_atomically(options.json, (json.dumps(found, indent=1) + "\n").encode())


def finish(name: str, found: dict[str, Any], options: argparse.Namespace) -> int:
    """Print the table and write the file of --json; return the exit status: 1 where a row was not verified."""
    print(table(HEAD, [cells(row) for row in found["rows"]], options.markdown))
    for title in ("processes", "generation"):
        for side, values in found.get(title, {}).items():
            print(f"{side}: {values}")
    keep(name, found, options)
    return 0 if all(row["verified"] for row in found["rows"]) else 1
