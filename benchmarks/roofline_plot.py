"""Plot the operations that benchmarks.ops measured, FLOP/s over FLOP per byte, under the limits of the machine.

    python -m benchmarks.ops --json ops.json
    python -m benchmarks.roofline_plot ops.json --out roofline.png

The limits are two lines that the same run measured: the memory's bandwidth times FLOP per byte, cut off at the rate of
sgemm in one line and at the rate of plain FMA in the other. FLOPs are those of the direct form of a convolution;
Winograd convolutions do fewer and may lie above the lines.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure.machine import described
from gpunet.files import write_atomically

KINDS = {  # how a name begins: (what the legend calls it, colour)
    "conv-k4": ("4x4 convolutions", "#0072B2"),
    "conv-k5": ("5x5 convolutions", "#56B4E9"),
    "batchnorm": ("batch norm", "#009E73"),
    "": ("Adam, pictures from bytes", "#CC79A7"),
}
LEAST = 1e-4  # GFLOP; smaller operations, such as the loss of a batch, cost the time of a call and are not drawn
NEAR = 1.2  # operations whose FLOP per byte differ by a smaller factor share a name


def save_plot(path: Path, found: dict[str, Any]) -> None:
    """Write a PNG with a mark per operation: ours filled, PyTorch's fastest way hollow.

    Raises KeyError where `found` has no peaks of the machine.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.5), layout="constrained")
    axes = figure.subplots()
    rows = [row for row in found["rows"] if "ours_gflops" in row and row["gflop"] > LEAST]
    draw_roof(axes, found["machine"], [intensity(row) for row in rows])
    for kind, (label, colour) in KINDS.items():
        mine = [row for row in rows if next(k for k in KINDS if row["workload"].startswith(k)) == kind]
        across = [intensity(row) for row in mine]
        style = {"linestyle": "none", "marker": "o", "color": colour}
        axes.plot(across, [row["ours_gflops"] for row in mine], label=f"{label}, ours", **style)
        theirs = [row.get("best_gflops", float("nan")) for row in mine]
        axes.plot(across, theirs, fillstyle="none", label=f"{label}, PyTorch", **style)
    axes.set(xscale="log", yscale="log", xlabel="FLOP per byte moved (direct form)", ylabel="GFLOP/s (direct form)")
    axes.set_title(f"The operations of a step of dcgan64, {described(found['machine'])}", fontsize=13)
    name_layers(axes, rows)
    finish(axes)
    figure.legend(loc="outside lower center", ncols=4, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getbuffer())


def intensity(row: dict[str, Any]) -> float:
    """Return FLOP per byte of an operation."""
    return row["gflop"] / row["mbytes"] * 1e3


def finish(axes: Any) -> None:
    """Write plain numbers on the axes; draw the grid."""
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3, which="both")


def name_layers(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Write the layers of the 4x4 convolutions below their marks, from the bottom up; make room for it."""
    layers: list[tuple[float, set[str]]] = []
    for row in sorted((row for row in rows if row["workload"].startswith("conv-k4")), key=intensity):
        name = " to ".join(row["workload"].split("-")[2:4])
        if layers and intensity(row) < NEAR * layers[-1][0]:
            layers[-1][1].add(name)
        else:
            layers.append((intensity(row), {name}))
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom / 30, top)
    for across, names in layers:
        axes.text(across, bottom / 20, "\n".join(sorted(names)), rotation=90, ha="center", va="bottom", fontsize=9)


def draw_roof(axes: Any, machine: dict[str, Any], intensities: list[float]) -> None:
    """Draw the two limits over the range of intensities (FLOP per byte)."""
    ends = [min(intensities) / 2, max(intensities) * 2]
    for key, label, style in (("sgemm_gflops", "limit of sgemm", "-"), ("fma_gflops", "limit of FMA", "--")):
        corner = machine[key] / machine["memory_gbs"]
        xs = [ends[0], *([corner] if ends[0] < corner < ends[1] else []), ends[1]]
        axes.plot(xs, [min(x * machine["memory_gbs"], machine[key]) for x in xs], f"k{style}", linewidth=1, label=label)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 2 for a file without the figures that the plot needs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline_plot", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="file that benchmarks.ops --json wrote")
    parser.add_argument(
        "--out", type=Path, default=Path("roofline.png"), metavar="FILE.png", help="default roofline.png"
    )
    options = parser.parse_args(arguments)
    try:
        save_plot(options.out, json.loads(options.file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as error:
        print(f"benchmarks.roofline_plot: {error!r}: expected a file of benchmarks.ops on the CPU", file=sys.stderr)
        return 2
    print(f"plot: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
