"""Measure the teaching ladders of kernels/ladder: the memory requests of each step, and its compiled code.

    python -m benchmarks.ladder                          both ladders
    python -m benchmarks.ladder matmul --arch sm_90      one of them, for another architecture
    python -m benchmarks.ladder --write docs/kernels.md  the tables of that page

A ladder is a kernel written several times, from the simplest version to a fast one. No GPU is needed: requests, sectors
and wavefronts are counted on the CPU (kernels/tracer/); registers, occupancy and instructions are read from
what NVRTC compiled. Where NVRTC is missing, the command prints the first table and says why there is no second. The
ladder of products has one table more: what the passes behind a product move, and what its last step moves.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.measure.text_table import table, write_between
from benchmarks.static import instructions, machine_code
from benchmarks.static.gpus import ARCHITECTURES
from gpunet import kernels
from gpunet.backend import columns, factors
from gpunet.kernels import ladder, tracer

STEPS = {"channel_sum": ladder.CHANNEL_SUM, "matmul": ladder.MATMUL}
SHAPES = {"channel_sum": "x (4096, 64)", "matmul": "a (256, 128), b (128, 256), float16 from step 7 on"}
TRAFFIC = ("step", "global requests", "sectors per load", "sectors per store", "times the least traffic")
SHARED = ("shared requests", "wavefronts per request", "bank conflicts")
LAYER = ("convolution, bias, leaky ReLU, statistics", "launches", "loaded, KB", "stored, KB")
SLOPE = 0.2  # of that leaky ReLU
PRODUCT = "instructions per product"  # of the loop over tiles, for each product on tensor cores
STATIC = ("step", "threads", "registers", "spilled bytes", "shared bytes", "occupancy", PRODUCT)
Blocks = dict[str, int]  # kernel -> threads of its block


def label(name: str, step: str) -> str:
    """Return the name of a step in a table, such as "5 warp_shuffle"."""
    return f"{STEPS[name].index(step) + 1} {step}"


def run_step(name: str, step: str, launch: Callable[..., None]) -> int:
    """Run one step on random data; return the bytes of its inputs and its output, the least it can move."""
    rng = np.random.default_rng(0)
    if name == "channel_sum":
        x = rng.standard_normal((4096, 64), dtype=np.float32)
        return x.nbytes + ladder.channel_sum(step, x, launch).nbytes
    a, b = rng.standard_normal((256, 128), dtype=np.float32), rng.standard_normal((128, 256), dtype=np.float32)
    factors = (a.nbytes + b.nbytes) // (2 if step in ladder.HALF else 1)
    return factors + ladder.matmul(step, a, b, launch).nbytes


def traffic(name: str, step: str) -> tuple[list[Any], Blocks]:
    """Return a step's row of the memory table, and the block sizes that it launches."""
    least, blocks = 0, {}

    def run(launch: Callable[..., None]) -> None:
        def noting(entry: str, grid: Any, block: Any, args: Any) -> None:
            blocks[entry.rpartition(".")[2]] = int(np.prod(block))
            launch(entry, grid, block, args)

        nonlocal least
        least = run_step(name, step, noting)

    counts = tracer.count(run)
    written = counts["global store"] + counts["global atomic"]
    both = counts["global load"] + written
    inside = counts["shared load"] + counts["shared store"]
    row = [label(name, step), both.requests, counts["global load"].per_request, written.per_request]
    row += [both.needed * 32 / least]
    row += [inside.requests, inside.per_request, inside.needed - inside.least] if inside.requests else [""] * 3
    return row, blocks


def static(name: str, step: str, arch: str, blocks: Blocks) -> tuple[list[Any], dict[str, int]]:
    """Return a step's row of the table of compiled code, and its instructions by class."""
    stem = ladder.stem(name, step)
    code = machine_code.compile_file(stem, "float32", arch)
    (found,) = machine_code.figures(stem, "float32", arch, code, blocks)
    entry = found.kernel.rpartition(".")[2]
    row = [label(name, step), found.threads, found.registers, found.spill_bytes, found.shared_bytes]
    row += [f"{found.occupancy:.0%}", _per_product(code, entry)]
    return row, instructions.mix(stem, "float32", arch, code, entry)


def _per_product(code: machine_code.Code, entry: str) -> float | str:
    """Return how many instructions the loop over tiles has for each product on tensor cores, "" where it has none."""
    loop = instructions.main_loop(instructions.disassembled(code.cubin)[entry]) if instructions.disassembler() else []
    return len(loop) / instructions.products(loop) if loop else ""


def layer_table(markdown: bool) -> str:
    """Return the table of a layer: as step 8 with the passes of training behind it, and as step 9."""
    rows = []
    for title, run in (("step 8, then a pass for each", _in_passes), ("step 9", _at_once)):
        launched: list[str] = []

        def counted(launch: Callable[..., None], run: Any = run, launched: list[str] = launched) -> None:
            def noting(entry: str, grid: Any, block: Any, args: Any, shared: int = 0, **_: Any) -> None:
                launched.append(entry)
                launch(entry, grid, block, args, shared)

            with mock.patch.object(kernels, "launch", noting):
                run(noting)

        counts = tracer.count(counted)
        moved = (counts[f"global {kind}"].bytes / 1000 for kind in ("load", "store"))
        rows.append([title, len(launched), *map(round, moved)])
    return table(LAYER, rows, markdown)


def _layer() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a, b and bias of the layer."""
    rng = np.random.default_rng(0)
    a, b, bias = (rng.standard_normal(shape, dtype=np.float32) for shape in ((256, 128), (128, 256), 256))
    return a, b, bias


def _in_passes(launch: Callable[..., None]) -> None:
    a, b, bias = _layer()
    y = columns.add_bias(ladder.matmul("taps_by_masks", a, b, launch), bias)
    found = (*np.empty((3, len(bias)), np.float32), None, None)  # mean, var, rstd; no running averages
    batchnorm = importlib.import_module("gpunet.backend.batchnorm")  # a function has the page's name
    with mock.patch.object(batchnorm, "at_once", lambda _: True):  # in one launch, as on a GPU
        batchnorm.statistics(y, batchnorm.shape_of(y, 1), found, 1e-5, 0.1)
    factors.leaky_relu(y, SLOPE, "fp16")


def _at_once(launch: Callable[..., None]) -> None:
    a, b, bias = _layer()
    ladder.layer(a[:, None, None], b[None, None], bias, SLOPE, launch=launch)


def report(name: str, arch: str, markdown: bool = False) -> str:
    """Return both tables of a ladder, each below a line that says what it shows.

    In Markdown, which goes into a page, both are needed: RuntimeError at once where NVRTC is missing.
    """
    rows, blocks = [], []
    if markdown:
        machine_code.nvrtc()
    for step in STEPS[name]:
        row, threads = traffic(name, step)
        rows.append(row)
        blocks.append(threads)
    text = [f"Memory, float32, {SHAPES[name]}, counted on the CPU:", "", table(TRAFFIC + SHARED, rows, markdown), ""]
    if name == "matmul":
        text += ["What follows a product, of the same sizes, counted on the CPU:", "", layer_table(markdown), ""]
    try:
        return "\n".join(text + _static_report(name, arch, blocks, markdown))
    except RuntimeError as error:
        if markdown:
            raise
        return "\n".join([*text, f"No machine code: {error}"])


def _static_report(name: str, arch: str, blocks: list[Blocks], markdown: bool) -> list[str]:
    pairs = [static(name, step, arch, threads) for step, threads in zip(STEPS[name], blocks, strict=True)]
    classes = [kind for kind in (*instructions.CLASSES, "other") if any(mix[kind] for _, mix in pairs)]
    rows = [row + [mix[kind] or "" for kind in classes] for row, mix in pairs]
    language = "machine code" if instructions.disassembler() else "PTX, as no nvdisasm was found"
    version = ".".join(map(str, machine_code.nvrtc().getVersion()))
    title = f"Compiled by NVRTC {version} for {arch}, float32; instructions in the text of the program ({language}):"
    kept = [i for i in range(len(STATIC)) if any(row[i] != "" for row in rows)]  # no product: no column about products
    rows = [[*(row[i] for i in kept), *row[len(STATIC) :]] for row in rows]
    return [title, "", table((*(STATIC[i] for i in kept), *classes), rows, markdown)]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description=__doc__.partition("\n")[0])
    help = f"ladders to measure: {', '.join(STEPS)} (default: both)"
    parser.add_argument("ladder", nargs="*", metavar="LADDER", help=help)
    help = f"GPU architecture: {', '.join(ARCHITECTURES)} (sm_80)"
    parser.add_argument("--arch", default="sm_80", choices=list(ARCHITECTURES), metavar="NAME", help=help)
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables into this page")
    options = parser.parse_args(arguments)
    try:
        if unknown := [name for name in options.ladder if name not in STEPS]:
            raise ValueError(f"got ladder {unknown[0]!r}, expected {' or '.join(STEPS)}")
        for name in options.ladder or STEPS:
            text = report(name, options.arch, options.markdown or options.write is not None)
            if options.write:
                write_between(options.write, f"ladder {name}", text)
            else:
                print(f"{name}\n\n{text}\n")
    except (OSError, RuntimeError, ValueError) as error:
        print(f"benchmarks.ladder: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
