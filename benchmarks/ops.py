"""Time the single operations of a dcgan64 step against PyTorch, each verified first against float64.

    python -m benchmarks.ops                          every operation, width 64, batch 64
    python -m benchmarks.ops --only conv-k4 adam      those whose names contain one of these
    python -m benchmarks.ops --json ops.json

Convolutions are timed forward and for both gradients, in every layer, with 4x4 and with 5x5 kernels. Our times include
all transforms of a pass, although the passes of a layer share some of them in training. An operation is verified if the
root mean square errors of both sides, relative to PyTorch's result in float64, are within the tolerance.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure import report
from benchmarks.measure.machine import machine, versions
from benchmarks.measure.settings import add_options, prepare, without_torch
from benchmarks.measure.timing import alternate, timers
from dcgan import quick
from gpunet import backend

try:
    import torch

    from benchmarks.op_cases import Case, Maker, batch_norms, convolutions, others
except ImportError as error:
    without_torch("ops", error)

TOLERANCES = {"fp32": 1e-5, "tf32": 3e-3}  # relative root mean square errors


def row(case: Case, device: str, rounds: int) -> dict[str, Any]:
    """Return the row of an operation: its errors and, if they are within the tolerance, its times."""
    ways = {way: case.theirs(way, torch.float32) for way in case.ways}
    exact = [_as_ours(value, case.axes) for value in case.theirs(case.ways[0], torch.float64)()]
    case.prepare()
    ours = _error([backend.to_numpy(value) for value in case.ours()], exact)
    errors = {way: _error([_as_ours(value, case.axes) for value in run()], exact) for way, run in ways.items()}
    most = TOLERANCES["fp32" if backend.precision(device) == "fp32" else "tf32"]
    verified = all(error <= most for error in (ours, *errors.values()))
    found = {"workload": case.name, "gflop": case.gflop, "mbytes": case.mbytes, "verified": verified,
             "errors": {"ours": ours} | errors, "accuracy": {"ours": ours, "torch": min(errors.values())}}  # fmt: skip
    return found | (report.results(_timed(case, ways, device, rounds), case.gflop) if verified else {})


def _timed(case: Case, ways: dict[str, Callable], device: str, rounds: int) -> Any:
    timer, their_timer = timers(device)
    sides = {"ours": lambda: (case.prepare(), timer(case.ours))[1]}
    if device == "cpu" or torch.cuda.is_available():
        sides |= {way: lambda run=run: their_timer(run) for way, run in ways.items()}
    alternate(sides, 1)  # warm-up
    return alternate(sides, rounds)


def _as_ours(tensor: Any, axes: tuple[int, ...]) -> np.ndarray:
    array = tensor.detach().cpu().numpy()
    return array.transpose(axes) if array.ndim == 4 else array


def _error(found: list[np.ndarray], exact: list[np.ndarray]) -> float:
    """Return the largest relative root mean square error of the arrays; NaN where one has a NaN."""
    pairs = [(a.astype("float64").ravel(), b.ravel()) for a, b in zip(found, exact, strict=True)]
    return float(np.max([np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs]))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ops", description=__doc__.partition("\n")[0])
    parser.add_argument("--width", type=int, default=64, help="filters of the networks' first layer (default 64)")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="pictures per batch (default 64)")
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="parts of names of operations (all)")
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="rounds of one run per side (default 15)")
    add_options(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 where a row was not verified."""
    options = parse(arguments)
    quick.cap(options, width=4, batch_size=2, repeats=1)
    prepare(options)
    make, sizes = Maker(options.device), (options.batch_size, options.width)
    found: dict[str, Any] = {"machine": machine(options.device), "versions": versions(), "rows": []}
    for case in itertools.chain(*(cases(make, *sizes) for cases in (convolutions, batch_norms, others))):
        if any(text in case.name for text in options.only):
            found["rows"].append(report.say(row(case, options.device, options.repeats)))
    return report.finish("ops", found, options)


if __name__ == "__main__":
    sys.exit(main())
