"""Measure how a step's time and peak memory grow with batch, width and picture size, or its time with ranks.

    python -m benchmarks.scaling --out scaling.png --json scaling.json      sizes: a table, and a plot
    python -m benchmarks.scaling --ranks 1 2 4 --json ranks.json            ranks (benchmarks/over_ranks.py): a table

Each point of each side is a new process, and the processes run one after the other, the sides in turn, some rounds
long. The time of a process is the median over the steps after the first; that of the fastest round counts, since other
programs only make steps slower. The points show growth. For a close comparison of the sides run benchmarks.step, where
they alternate in one process.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import over_ranks
from benchmarks.measure.machine import described, machine, versions
from benchmarks.measure.text_table import table
from benchmarks.measure.workloads import Workload
from benchmarks.processes import once
from benchmarks.rivals.names import Rival
from dcgan import cli, quick
from dcgan.errors import UserError
from dcgan.options import integer, named, number
from gpunet.files import write_atomically

AXES = {  # the size that grows: (its values, the name of the workload at a value)
    "batch": ((16, 32, 64, 128), "dcgan64-nf{width}-b{value}"),
    "width": ((16, 32, 64, 128), "dcgan64-nf{value}-b{batch}"),
    "picture size": ((32, 64, 128), "dcgan64-nf{half}-b{batch}-s{value}"),
}
LABELS = {"batch": "batch (pictures)", "width": "width (filters)", "picture size": "picture size (pixels of a side)"}
SIDES = {"ours": (None, "#0072B2"), "PyTorch": (Rival("frozen+fused+channels_last"), "#D55E00")}
WORKLOAD = "dcgan64-nf32-b64"  # of --ranks
HEAD = ("what grows", "", "side", "step ms", "peak MB")


def points(scale: float, steps: int, rounds: int) -> list[dict[str, Any]]:
    """Measure every point; scale < 1 makes widths and batches smaller, for a quick try."""
    width, batch, found = max(1, round(64 * scale)), max(2, round(32 * scale)), []
    for axis, (values, name) in AXES.items():
        for value in values:
            scaled = value if axis == "picture size" else max(2, round(value * scale))
            workload = Workload.named(name.format(value=scaled, width=width, half=max(1, width // 2), batch=batch))
            for side, (ms, peak) in measured(workload, steps, rounds).items():
                row = {"axis": axis, "value": scaled, "side": side, "ms": ms, "peak_mb": peak}
                print(row, file=sys.stderr, flush=True)
                found.append(row | {"workload": workload.name})
    return found


def measured(workload: Workload, steps: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the milliseconds of a step and the peak megabytes of each side, of its fastest round."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        for side, (rival, _) in SIDES.items():
            result = once(workload, rival, steps)
            now = 1e3 * statistics.median(result["seconds"][1:]), result["peak_mb"]
            best[side] = min(best.get(side, now), now)
    return best


def save_plot(path: Path, found: list[dict[str, Any]], where: str) -> None:
    """Write a PNG with a column for each size that grows: time above, memory below; where: the machine, in words."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7.5), layout="constrained")
    figure.suptitle(f"How a step of dcgan64 grows, on {where}; all axes are logarithmic", fontsize=13)
    grid = figure.subplots(2, len(AXES), squeeze=False, sharex="col")
    for column, axis in enumerate(AXES):
        rows = [row for row in found if row["axis"] == axis]
        for line, (key, label) in enumerate((("ms", "time of a step (ms)"), ("peak_mb", "peak memory (MB)"))):
            draw(grid[line][column], rows, key)
            grid[line][column].set_ylabel(label)
        grid[0][column].set_title(fixed(axis, rows[0]["workload"]), fontsize=11)
        grid[1][column].set_xlabel(LABELS[axis])
    grid[0][0].legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getbuffer())


def draw(axes: Any, rows: list[dict[str, Any]], key: str) -> None:
    """Draw a curve for each side over the values of a size, with plain numbers on both axes."""
    for side, (_, colour) in SIDES.items():
        mine = [row for row in rows if row["side"] == side]
        axes.plot([row["value"] for row in mine], [row[key] for row in mine], "o-", color=colour, label=side)
    axes.set(xscale="log", yscale="log")
    values = sorted({row["value"] for row in rows})
    axes.set_xticks(values, map(str, values))
    low, high = axes.get_ylim()
    ticks = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
    axes.set_yticks(inside := [tick for tick in ticks if low <= tick <= high], [f"{tick:,}" for tick in inside])
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def fixed(axis: str, name: str) -> str:
    """Return the sizes of a workload that do not grow along an axis: "batch 32, pictures of 64x64"."""
    workload = Workload.named(name)
    side = workload.config.image_size[0]
    sizes = {"batch": f"batch {workload.batch}", "width": f"{workload.width} filters"}
    sizes["picture size"] = f"pictures of {side}x{side}"
    return ", ".join(text for other, text in sizes.items() if other != axis)


@cli.guarded
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__.partition("\n")[0])
    help = "numbers of ranks that share a batch, instead of sizes that grow"
    parser.add_argument("--ranks", type=int, nargs="+", metavar="N", help=help)
    help = f"workload of --ranks ({WORKLOAD})"
    parser.add_argument("--workload", metavar="NAME", help=help)
    parser.add_argument("--steps", type=int, default=6, metavar="N", help="number of steps of each process (default 6)")
    parser.add_argument(
        "--rounds", type=int, default=2, metavar="N", help="processes of each side and point (default 2)"
    )
    parser.add_argument("--scale", type=float, metavar="X", help="factor of widths and batches (1)")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="file to draw the plot in")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file")
    options = checked(parser.parse_args(arguments))
    if options.ranks:
        return of_ranks(options)
    if importlib.util.find_spec("torch") is None:
        print("benchmarks.scaling compares with PyTorch: pip install 'gpunet[torch]'", file=sys.stderr)
        return 2
    quick.cap(options, steps=2, rounds=1, scale=1 / 32)
    found, where = points(options.scale, options.steps, options.rounds), machine()
    rows = [[row["axis"], row["value"], row["side"], row["ms"], row["peak_mb"]] for row in found]
    print(table(HEAD, rows, options.markdown))
    if options.out:
        save_plot(options.out, found, described(where))
    if options.json:
        content = {"rows": found, "machine": where, "versions": versions()}
        write_atomically(options.json, (json.dumps(content, indent=1) + "\n").encode())
    return 0


def checked(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options with their defaults. Raises UserError for a number or a path that cannot be.

    Of the sizes a process takes two steps or more, since the first one does not count.
    """
    if options.ranks and (options.out or options.scale is not None):
        raise UserError("--out and --scale belong to sizes, not to --ranks")
    if options.workload and not options.ranks:
        raise UserError("--workload belongs to --ranks, not to sizes")
    options.workload, options.scale = options.workload or WORKLOAD, 1.0 if options.scale is None else options.scale
    named("--steps", integer(1 if options.ranks else 2), options.steps)
    named("--rounds", integer(1), options.rounds)
    named("--scale", number("(0, inf)"), options.scale)
    for name, path in (("--json", options.json), ("--out", options.out)):
        if path and (path.is_dir() or not path.parent.is_dir()):
            raise UserError(f"{name}: got {path}, expected a file in a folder that is there")
    return options


def of_ranks(options: argparse.Namespace) -> int:
    """Measure steps on several ranks; return the exit status."""
    quick.cap(options, steps=1, rounds=1)
    try:
        workload = Workload.named(options.workload)
        require_ranks(options.ranks, workload)
        found = over_ranks.measured(options.ranks, workload, options.steps, options.rounds)
    except (ValueError, RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"benchmarks.scaling: {error}", file=sys.stderr)
        return 2
    where = machine()
    print(f"{workload.name}, one thread per rank, on {where['cpu']}, {where['cores']} cores")
    print(table(over_ranks.HEAD, [over_ranks.cells(row) for row in found], options.markdown))
    if options.json:
        content = {"workload": workload.name, "rows": found, "machine": where, "versions": versions()}
        write_atomically(options.json, (json.dumps(content, indent=1) + "\n").encode())
    return 0


def require_ranks(counts: list[int], workload: Workload) -> None:
    """Raise ValueError where a batch cannot be shared out among so many ranks, or nothing can start them."""
    for ranks in counts:
        if ranks < 1 or workload.batch % ranks:
            raise ValueError(f"got --ranks {ranks}, expected a divisor of the batch of {workload.batch}")
    if importlib.util.find_spec("mpi4py") is None or not over_ranks.mpirun():
        raise ValueError("--ranks starts processes by MPI: pip install 'gpunet[mpi]'")


if __name__ == "__main__":
    sys.exit(main())
