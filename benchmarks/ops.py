"""Time the single operations of a dcgan64 step against PyTorch.

    python -m benchmarks.ops                          every operation, width 64, batch 64
    python -m benchmarks.ops --only conv-k4 adam      those whose names contain one of these
    python -m benchmarks.ops --json ops.json

Convolutions are timed forward and for both gradients, in every layer, with 4x4 and with 5x5 kernels. Our times include
all transforms of a pass, although the passes of a layer share some of them in training. Each operation is verified
before it is timed: the root mean square errors of both sides, relative to PyTorch's result in float64, have to be
within the tolerance.

On a GPU a single kernel is shorter than its launch from Python. There both sides are captured as CUDA graphs: an
operation stands in a graph COPIES times, each time on other arrays, which are not in the cache from the time before.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.measure import report
from benchmarks.measure.machine import machine, versions
from benchmarks.measure.replays import ours_replayed, torch_replayed
from benchmarks.measure.settings import add_options, at_least, prepare, without_torch
from benchmarks.measure.timing import alternate, on_cpu
from dcgan import cli, quick
from dcgan.errors import UserError
from gpunet import backend
from gpunet.backend.graph import computing_stream, working_on

try:
    import torch

    from benchmarks.op_cases import Case, Maker, Ours, batch_norms, convolutions, others
except ImportError as error:
    without_torch("ops", error)

# Relative root mean square errors.
TOLERANCES = {"fp32": 1e-5, "tf32x3": 1e-5, "tf32": 3e-3, "fp16": 3e-3, "bf16": 2e-2}
LIKE = "conv-k4, weight-grad, batchnorm or adam"  # parts of names of operations
COPIES = 20  # of an operation in a graph


def row(case: Case, device: str, rounds: int, copies: int = COPIES) -> dict[str, Any]:
    """Return the row of an operation: its errors and, if they are within the tolerance, its times."""
    with contextlib.nullcontext() if device == "cpu" else working_on(computing_stream()):
        return _row(case, device, rounds, copies)


def _row(case: Case, device: str, rounds: int, copies: int) -> dict[str, Any]:
    call, ways = case.ours(), {way: case.theirs(way, torch.float32) for way in case.ways}
    exact = [_as_ours(value, case.axes) for value in case.theirs(case.ways[0], torch.float64)()]
    call.prepare()
    ours = _error([backend.to_numpy(value) for value in call.run()], exact)
    errors = {way: _error([_as_ours(value, case.axes) for value in run()], exact) for way, run in ways.items()}
    verified = all(error <= TOLERANCES[backend.precision(device)] for error in (ours, *errors.values()))
    found = {"workload": case.name, "gflop": case.gflop, "mbytes": case.mbytes, "verified": verified,
             "errors": {"ours": ours} | errors, "accuracy": {"ours": ours, "torch": min(errors.values())}}  # fmt: skip
    if not verified:
        return found
    sides, skipped = _sides_on_cuda(case, copies) if device == "cuda" else (_sides_on_cpu(call, ways), {})
    alternate(sides, 1)  # warm-up
    return found | {"skipped": skipped} | report.results(alternate(sides, rounds), case.gflop)


def _sides_on_cpu(call: Ours, ways: dict[str, Callable]) -> dict[str, Callable[[], float]]:
    sides = {"ours": lambda: (call.prepare(), on_cpu(call.run))[1]}
    return sides | {way: lambda run=run: on_cpu(run) for way, run in ways.items()}


def _sides_on_cuda(case: Case, copies: int) -> tuple[dict[str, Callable[[], float]], dict[str, str]]:
    """Return a function for every side that replays its graph, and PyTorch's ways that cannot be captured, with why."""
    calls = [case.ours() for _ in range(copies)]
    replayed = ours_replayed([call.run for call in calls])
    sides = {"ours": lambda: ([call.prepare() for call in calls], replayed())[1]}
    skipped = {}
    for way in case.ways if torch.cuda.is_available() else ():
        try:
            sides[way] = torch_replayed(lambda way=way: case.theirs(way, torch.float32), copies)
        except RuntimeError as error:
            skipped[way] = str(error).partition("\n")[0]
    return sides, skipped


def _as_ours(tensor: Any, axes: tuple[int, ...]) -> np.ndarray:
    array = tensor.detach().cpu().numpy()
    return array.transpose(axes) if array.ndim == 4 else array


def _error(found: list[np.ndarray], exact: list[np.ndarray]) -> float:
    """Return the largest relative root mean square error of the arrays; NaN where one has a NaN."""
    pairs = [(a.astype("float64").ravel(), b.ravel()) for a, b in zip(found, exact, strict=True)]
    return float(np.max([np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs]))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = cli.Parser(prog="python -m benchmarks.ops", description=(__doc__ or "").partition("\n")[0])
    add, number = parser.add_argument, at_least(1)
    add("--width", type=number, default=64, metavar="N", help="filters of the networks' first layer (default 64)")
    add("--batch-size", type=number, default=64, metavar="N", help="pictures per batch (default 64)")
    add("--only", nargs="+", default=[], metavar="TEXT", help="parts of names of operations (default: all operations)")
    add("--repeats", type=number, default=15, metavar="N", help="rounds of one run per side (default 15)")
    add_options(parser)
    return parser.parse_args(arguments)


def every_case(make: Maker, batch: int, width: int) -> Iterator[Case]:
    """Yield all operations, each with its arrays."""
    return itertools.chain(*(cases(make, batch, width) for cases in (convolutions, batch_norms, others)))


def require_names(parts: list[str], width: int) -> None:
    """Raise UserError for a text that no operation has in its name. The batch is in no name, so one picture will do."""
    names = [case.name for case in every_case(Maker("cpu"), 1, width)] if parts else []
    for text in parts:
        if not any(text in name for name in names):
            raise UserError(f"--only: no operation has {text!r} in its name, expected a part such as {LIKE}")


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 where a row was not verified."""
    options = parse(arguments)
    quick.cap(options, width=4, batch_size=2, repeats=1)
    require_names(options.only, options.width)
    prepare(options)
    make, sizes = Maker(options.device), (options.batch_size, options.width)
    found: dict[str, Any] = {"machine": machine(options.device), "versions": versions(), "rows": []}
    for case in every_case(make, *sizes):
        if not options.only or any(text in case.name for text in options.only):
            found["rows"].append(report.say(row(case, options.device, options.repeats)))
            report.keep("ops", found, options)
    return report.finish("ops", found, options)


if __name__ == "__main__":
    sys.exit(main())
