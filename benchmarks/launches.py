"""Print the launches of a training step by kind and the bytes of their arrays, fused and unfused; needs no GPU.

    python -m benchmarks.launches                          dcgan64, 64 filters, batches of 64, in bf16 and tf32
    python -m benchmarks.launches --precision fp16 --batch 128
    python -m benchmarks.launches --write docs/speed.md    the tables of that page

The launch code of a GPU runs, the kernels do not (benchmarks/static/dry_run.py). Bytes are those of all arrays that a
launch is given, each once. Unfused means that every operation is a launch of its own (gpunet.backend.choices.fusing).

The last table is a model of one GPU, from its published peaks, and no measurement: how long its tensor cores at their
peak rate would take for all products, and its memory at its peak bandwidth for all bytes; and a gap for each launch.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.predictions import GAP, KERNELS
from benchmarks.measure.text_table import show, table
from benchmarks.measure.work import training_step
from benchmarks.static.dry_run import Launch, launches_of_a_step
from benchmarks.static.gpu_limits import limit
from benchmarks.static.gpus import GPUS
from gpunet.backend import PRECISIONS

KINDS = {  # what is launched -> the names of its kernels; the first that fits counts
    "convolution, forward": r"conv2d_forward",
    "convolution, input gradient": r"conv2d_input_grad",
    "convolution, weight gradient": r"conv2d_weight_grad",
    "batch norm: statistics": r"statistics|combine|finish",
    "batch norm: normalise": r"normalise",
    "batch norm: sums of the backward pass": r"backward_reduce|backward_finish",
    "batch norm: gradient": r"backward_apply",
    "activations by themselves": r"relu",
    "pictures: from bytes, as cells, tanh": r"cells|pictures|images|im2col\.|fold|tanh|join",
    "D's answers, losses": r"losses\.|logits|inner_product|answers",
    "Adam, rounded weights, average": r"adam|average|round_factors|loss_scale|gradient_norm",
    "other": r"",
}
GPU = next(gpu for gpu in GPUS if gpu.name == "H100 SXM")


def kind_of(entry: str) -> str:
    """Return the kind of a kernel "file.name"."""
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, entry))


def by_kind(launches: Sequence[Launch]) -> dict[str, tuple[int, float]]:
    """Return for each kind the number of launches and their bytes in MB."""
    of = {kind: [launch.bytes / 1e6 for launch in launches if kind_of(launch.entry) == kind] for kind in KINDS}
    return {kind: (len(sizes), sum(sizes)) for kind, sizes in of.items()}


def launches_table(precision: str, batch: int, markdown: bool) -> str:
    """Return a line per kind: launches and MB, unfused and fused."""
    before, after = (by_kind(launches_of_a_step(precision, batch, fused)) for fused in (False, True))
    rows = [[kind, *_shown(before[kind]), *_shown(after[kind])] for kind in KINDS if before[kind][0] or after[kind][0]]
    totals = [_shown((sum(n for n, _ in of.values()), sum(mb for _, mb in of.values()))) for of in (before, after)]
    head = [f"{precision}, batches of {batch}", "launches, unfused", "MB, unfused", "launches", "MB"]
    return table(head, [*rows, ["a step", *totals[0], *totals[1]]], markdown)


def _shown(found: tuple[int, float]) -> list[Any]:
    """Return launches and MB as a table shows them: nothing where there is no launch."""
    count, megabytes = found
    return [count, round(megabytes)] if count else ["", ""]


def model(precision: str, batch: int) -> dict[str, float | None]:
    """Return what the published peaks of a GPU allow, in ms."""
    work = training_step(batch)
    products = sum(w.uses * w.flops for w in work if w.product) / (1e12 * _rate(precision))
    rooflines = sum(w.uses * limit(GPU, w, precision) for w in work)
    times: dict[str, float | None] = {"all products at the peak rate": 1e3 * products}
    times |= {"every operation at its roofline, arrays of float32": 1e3 * rooflines}
    for fused in (False, True):
        launches, form = launches_of_a_step(precision, batch, fused), "" if fused else ", unfused"
        moved = sum(launch.bytes for launch in launches)
        times |= {f"bytes of the table above{form}": 1e3 * moved / (GPU.bandwidth * 1e9)}
        times |= {f"gaps{form}": 1e3 * GAP * len(launches)}
    return times | {"lower bound from the kernels' own counts": KERNELS.get((GPU.name, precision, batch))}


def _rate(precision: str) -> float:
    """Return the published peak of products, in TFLOP/s."""
    return getattr(GPU, precision, 0) or GPU.fp32


def model_table(precisions: Sequence[str], batch: int, markdown: bool) -> str:
    """Return the model's times, a column for each precision."""
    columns = [model(precision, batch) for precision in precisions]
    rows = [[what, *("" if of[what] is None else f"{of[what]:.2f}" for of in columns)] for what in columns[0]]
    return table([f"ms on an {GPU.name}: a model", *precisions], rows, markdown)


def report(precisions: Sequence[str], batch: int, markdown: bool = False) -> str:
    """Return a table for each precision, then the model."""
    parts = [launches_table(precision, batch, markdown) for precision in precisions]
    peaks = ", ".join(f"{_rate(precision):g} TFLOP/s in {precision}" for precision in precisions)
    says = f"A model of one GPU, no measurement. Published peaks: {peaks}, {GPU.bandwidth} GB/s. Gap: {1e6 * GAP:g} us."
    return "\n\n".join([*parts, says, model_table(precisions, batch, markdown)])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.launches", description=__doc__.partition("\n")[0])
    default, help = ["bf16", "tf32"], f"how products round: {', '.join(PRECISIONS)} (bf16 tf32)"
    parser.add_argument("--precision", nargs="+", default=default, choices=PRECISIONS, metavar="NAME", help=help)
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="pictures in a batch (64)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables into this page")
    options = parser.parse_args(arguments)
    if options.batch < 1:
        parser.error(f"got --batch {options.batch}, expected at least 1")
    try:
        show(lambda markdown: report(options.precision, options.batch, markdown), "launches", options.write)
    except (OSError, ValueError) as error:
        print(f"benchmarks.launches: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
