"""Time training steps against PyTorch and JAX on the same machine.

    python -m benchmarks.step                                        a short list of workloads, on the CPU
    python -m benchmarks.step --all --json step.json                 every width, batch size and preset
    python -m benchmarks.step --workloads dcgan64-nf64-b64 --start-up --memory --generate 10000
    python -m benchmarks.step --device cuda --precision bf16         on a GPU, timed by events, in mixed precision

A step is one update of D and one of G. The rivals are PyTorch, run in several ways, and JAX where it is installed, for
dcgan64 on the CPU. All sides get the same weights, pictures and z. First their losses, gradients and updates are
compared (rivals/same_step.py); a row whose sides do not agree says so and is not timed. Then the sides alternate in one
process, with the same number of threads. The ratio is our median time over that of the fastest rival. Our step starts
from bytes on the host, as in training; the rivals' pictures are numbers already, PyTorch's in the memory format of the
rival. The process keeps freed memory (gpunet.backend.keep_freed_memory), which helps all sides. --start-up and --memory
start new processes for ours and for PyTorch.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import processes
from benchmarks.measure import report
from benchmarks.measure.machine import machine, versions
from benchmarks.measure.settings import add_options, at_least, prepare, without_torch
from benchmarks.measure.timing import Timed, alternate, timers, within
from benchmarks.measure.workloads import ALL, DEFAULT, Ours, Workload
from benchmarks.rivals.names import ON_CUDA, RIVALS, Rival
from dcgan import cli, quick
from dcgan.errors import UserError
from gpunet import backend

try:
    import torch

    from benchmarks import generation
    from benchmarks.rivals.chosen import Jax, Unfit, chosen, start
    from benchmarks.rivals.same_step import Comparison
except ImportError as error:
    without_torch("step", error)

COMPILING = 300.0  # seconds that a rival's compiler has for a workload
BACK_TO_BACK = 20  # steps that a GPU's timer puts behind each other


class Race:
    """Our side of a workload, and the rivals that could start: each is compared with ours first."""

    def __init__(self, workload: Workload, rivals: tuple[Rival | Jax, ...], device: str) -> None:
        self.workload, self.device = workload, device
        torch.compiler.reset()
        self.ours = Ours(workload, device)
        comparison = Comparison(self.ours, workload.config.lr)
        self.theirs, self.errors, self.skipped = {}, {}, {}  # type: ignore[var-annotated]
        for rival in rivals:
            try:
                with within(COMPILING) if rival.has("compiled") else contextlib.nullcontext():
                    self._add(rival, comparison)
            except Unfit as reason:
                self.skipped[rival.name] = str(reason)
            except Exception as error:
                # torch.compile may lack a compiler or not know this Python, and a GPU's memory may end
                if not (rival.has("compiled") or device == "cuda"):
                    raise
                torch.compiler.reset()
                self.skipped[rival.name] = f"{type(error).__name__}: {error}".partition("\n")[0]
        precision = backend.precision(device) if self.ours.implementation == "kernels" else "fp32"
        agreed = [comparison.agrees(errors, precision) for errors in self.errors.values()]
        self.verified = bool(agreed) and all(agreed)

    def _add(self, rival: Rival | Jax, comparison: Comparison) -> None:
        place = "cuda" if self.device == "cuda" and torch.cuda.is_available() else "cpu"
        side = start(rival, self.workload, comparison.values, self.ours.batch, comparison.low, place)
        self.errors[rival.name] = comparison.errors(side)
        self.theirs[rival.name] = side

    def row(self, rounds: int) -> dict[str, Any]:
        """Return the row of this workload, with times if the sides agreed."""
        row = {"workload": self.workload.name, "gflop": self.workload.gflop, "verified": self.verified,
               "errors": self.errors, "skipped": self.skipped}  # fmt: skip
        return row | (report.results(self.timed(rounds), self.workload.gflop) if self.verified else {})

    def timed(self, rounds: int) -> dict[str, Timed]:
        """Time the sides in turn; the rivals only where they run on our device."""
        timer, their_timer = timers(self.device, self.ours.stepper.stream, BACK_TO_BACK)
        sides = {"ours": lambda: timer(self.ours.step)}
        if self.device == "cpu" or torch.cuda.is_available():
            sides |= {name: lambda side=side: their_timer(side.step) for name, side in self.theirs.items()}
        with self.ours.running():
            alternate(sides, 1)  # warm-up
            return alternate(sides, rounds)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = cli.Parser(prog="python -m benchmarks.step", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    text = f"workloads, as PRESET-nfWIDTH-bBATCH (default: {' '.join(DEFAULT)})"
    add("--workloads", nargs="+", metavar="NAME", help=text)
    add("--all", action="store_true", help="measure dcgan64 at every width and batch size, and every preset")
    names, on_cuda = (" ".join(rival.name for rival in rivals) for rivals in (RIVALS, ON_CUDA))
    text = f"ways to run PyTorch, or jax (default: {names} and, where it is installed, jax; on cuda: {on_cuda})"
    add("--rivals", nargs="+", metavar="NAME", help=text)
    add("--repeats", type=at_least(1), default=7, metavar="N", help="rounds of one run per side (default 7)")
    add("--start-up", action="store_true", help="also time new processes to the end of their first step")
    add("--memory", action="store_true", help="also measure the peak memory of processes that train")
    add("--generate", type=at_least(0), default=0, metavar="N", help="also time the drawing of N pictures")
    add_options(parser)
    options = parser.parse_args(arguments)
    options.workloads = options.workloads or (ALL if options.all else DEFAULT)
    return options


def require_cpu(options: argparse.Namespace) -> None:
    """Raise UserError where a GPU's run asks for what is measured on the CPU alone."""
    asked = {"--start-up": options.start_up, "--memory": options.memory, "--generate": options.generate}
    if options.device == "cuda" and any(asked.values()):
        names = " and ".join(name for name, value in asked.items() if value)
        raise UserError(f"got {names} with --device cuda, expected --device cpu: they measure the CPU's processes")


def row_of(workload: Workload, rivals: tuple[Rival | Jax, ...], options: argparse.Namespace) -> dict[str, Any]:
    """Return the row of a workload; one that raises an error on a GPU says so and leaves the others alone."""
    try:
        return Race(workload, rivals, options.device).row(options.repeats)
    except Exception as error:
        if options.device == "cpu":
            raise
        return report.failed(workload.name, error)


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 where a row was not verified."""
    options = parse(arguments)
    quick.cap(options, repeats=1, generate=8, start_up=False, memory=False)
    if quick.notice():
        options.workloads = options.workloads[:1]
    try:
        workloads = [Workload.named(name) for name in options.workloads]
        rivals = chosen(options.rivals, options.device, options.precision)
    except ValueError as error:
        raise UserError(str(error)) from error
    require_cpu(options)
    prepare(options)
    found: dict[str, Any] = {"machine": machine(options.device), "versions": versions(), "rows": []}
    for workload in workloads:
        found["rows"].append(report.say(row_of(workload, rivals, options)))
        report.keep("step", found, options)
    if options.start_up or options.memory:
        of_torch = tuple(rival for rival in rivals if isinstance(rival, Rival))
        found["processes"] = processes.measure(workloads[0], of_torch)
    if options.generate:
        found["generation"] = generation.measure(workloads[0], options.generate)
    return report.finish("step", found, options)


if __name__ == "__main__":
    sys.exit(main())
