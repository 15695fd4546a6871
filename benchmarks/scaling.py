"""Measure how a step's time and peak memory grow with batch, width and picture size; print a table and draw a plot.

    python -m benchmarks.scaling --out scaling.png --json scaling.json

Each point of each side is a new process, and the processes run one after the other; the time is the median over the
steps after the first. The points show growth. For a close comparison of the sides run benchmarks.step, where they
alternate in one process.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure.machine import machine, versions
from benchmarks.measure.text_table import table
from benchmarks.measure.workloads import Workload
from benchmarks.processes import once
from benchmarks.rivals.names import Rival
from gpunet.files import write_atomically

AXES = {  # the size that grows: (its values, the name of the workload at a value)
    "batch": ((16, 32, 64, 128), "dcgan64-nf{width}-b{value}"),
    "width": ((16, 32, 64, 128), "dcgan64-nf{value}-b{batch}"),
    "picture size": ((32, 64, 128), "dcgan64-nf{half}-b{batch}-s{value}"),
}
SIDES = {"ours": (None, "#0072B2"), "PyTorch": (Rival("frozen+fused+channels_last"), "#D55E00")}
HEAD = ("what grows", "", "side", "step ms", "peak MB")


def points(scale: float, steps: int) -> list[dict[str, Any]]:
    """Measure every point; scale < 1 makes widths and batches smaller, for a quick try."""
    width, batch, found = max(1, round(64 * scale)), max(2, round(32 * scale)), []
    for axis, (values, name) in AXES.items():
        for value in values:
            scaled = value if axis == "picture size" else max(2, round(value * scale))
            workload = Workload.named(name.format(value=scaled, width=width, half=max(1, width // 2), batch=batch))
            for side, (rival, _) in SIDES.items():
                result = once(workload, rival, steps)
                ms = 1e3 * statistics.median(result["seconds"][1:])
                row = {"axis": axis, "value": scaled, "side": side, "ms": ms, "peak_mb": result["peak_mb"]}
                print(row, file=sys.stderr, flush=True)
                found.append(row | {"workload": workload.name})
    return found


def save_plot(path: Path, found: list[dict[str, Any]]) -> None:
    """Write a PNG with a column for each size that grows: time above, memory below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    grid = figure.subplots(2, len(AXES), squeeze=False)
    for column, axis in enumerate(AXES):
        for line, (key, label) in enumerate((("ms", "ms per step"), ("peak_mb", "peak MB"))):
            axes = grid[line][column]
            for side, (_, colour) in SIDES.items():
                mine = [row for row in found if row["axis"] == axis and row["side"] == side]
                axes.plot([row["value"] for row in mine], [row[key] for row in mine], "o-", color=colour, label=side)
            axes.set(xscale="log", yscale="log", xlabel=axis, ylabel=label)
            values = sorted({row["value"] for row in found if row["axis"] == axis})
            axes.set_xticks(values, map(str, values))
            axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
            axes.grid(alpha=0.3)
    grid[0][0].legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getbuffer())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=6, metavar="N", help="number of steps of each process (default 6)")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="factor of widths and batches")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="file to draw the plot in")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("torch") is None:
        print("benchmarks.scaling compares with PyTorch: pip install 'gpunet[torch]'", file=sys.stderr)
        return 2
    found = points(options.scale, max(2, options.steps))
    rows = [[row["axis"], row["value"], row["side"], row["ms"], row["peak_mb"]] for row in found]
    print(table(HEAD, rows, options.markdown))
    if options.out:
        save_plot(options.out, found)
    if options.json:
        content = {"rows": found, "machine": machine(), "versions": versions()}
        write_atomically(options.json, (json.dumps(content, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
