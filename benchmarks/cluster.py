"""A model on paper of training on many machines: what it costs to add up the gradients. Nothing here was measured.

    python -m benchmarks.cluster                           the tables
    python -m benchmarks.cluster --cpu-ms 591              with another measured step of 64 pictures on a CPU
    python -m benchmarks.cluster --write docs/scaling.md   the tables of that page

A step of dcgan64 is laid out in time, layer by layer. The backward pass goes through a network from its last layer to
its first, and a layer's gradients can travel as soon as they are there. A rank collects them in buckets and sends one
bucket after the other while the backward pass goes on. What is still on its way when the backward pass ends is lost
time: Adam needs all of it.

How long a layer takes on a GPU is itself a model (benchmarks/gpu/predictions.py); on a CPU it is a measured step,
shared out by FLOPs. Bandwidths are published, latencies are assumed.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu import predictions
from benchmarks.measure.text_table import show, table
from benchmarks.measure.work import FLOAT, Work, training_step
from benchmarks.static.all_reduce import ETHERNET, GIGABIT, INFINIBAND, NVLINK, Cluster, Layer, exposed
from benchmarks.static.gpus import GPUS
from dcgan import presets
from dcgan.config import Config
from gpunet.distributed import gradients
from gpunet.layers import BatchNorm

GPU, PRECISION = next(gpu for gpu in GPUS if gpu.name == "H100 SXM"), "bf16"
CPU_MS = 591.0  # a step of 64 pictures on two cores, as docs/speed.md has it (benchmarks.step)
BUCKET = FLOAT * gradients.BUCKET  # bytes of gradients that travel together
SMALL = (16, 16)  # bytes of the sums at the end of a step: the numbers of the log, and whether a rank wants to stop
LINKS = (NVLINK, INFINIBAND, ETHERNET, GIGABIT)
BATCHES = (16, 64, 256, 1024)  # pictures of a rank
WHOLE = (1024, 4096, 16384)  # pictures of all ranks
KEPT, MOST = 0.9, 2**20  # the efficiency that is asked for, and the largest batch that is tried
SHOWN_DIGITS = 3

GPU_CLUSTERS = (
    Cluster("8 GPUs, one machine, NVLink", ((8, NVLINK),)),
    Cluster("64 machines of 1 GPU, InfiniBand, ring", ((64, INFINIBAND),)),
    Cluster("64 machines of 1 GPU, InfiniBand, tree", ((64, INFINIBAND),), tree=True),
    Cluster("64 machines of 1 GPU, 100 Gbit Ethernet, ring", ((64, ETHERNET),)),
    Cluster("64 machines of 1 GPU, 100 Gbit Ethernet, tree", ((64, ETHERNET),), tree=True),
    Cluster("64 machines of 8 GPUs, NVLink, InfiniBand, tree", ((8, NVLINK), (64, INFINIBAND)), tree=True),
)
CPU_CLUSTERS = (
    Cluster("4 machines of 2 cores, 1 Gbit Ethernet, ring", ((4, GIGABIT),), cpu=True),
    Cluster("64 machines of 2 cores, 1 Gbit Ethernet, ring", ((64, GIGABIT),), cpu=True),
    Cluster("64 machines of 2 cores, 100 Gbit Ethernet, ring", ((64, ETHERNET),), cpu=True),
)


# ---- a step in time -------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A training step on one rank: its seconds, and the layers of D's and of G's backward pass, last layer first."""

    seconds: float
    backward: tuple[list[Layer], ...]


@functools.cache
def step(batch: int, cpu_ms: float | None = None) -> Step:
    """Return a step of dcgan64 with so many pictures, on a GPU or, where cpu_ms is given, on a CPU.

    cpu_ms: the measured milliseconds of a step of 64 pictures.
    """
    work = work_of(batch)
    of = _on_gpu(work) if cpu_ms is None else _on_cpu(cpu_ms)
    backward = tuple(_backward(name, passes, work, of) for name, passes in (("D", 2), ("G", 1)))
    return Step(sum(each.uses * of(each) for each in work), backward)


def work_of(batch: int) -> list[Work]:
    """Return training_step(batch): FLOPs and bytes lie on a line over the batch, which two batches tell."""
    return [
        one._replace(flops=one.flops + (batch - 1) * (two.flops - one.flops),
                     bytes=one.bytes + (batch - 1) * (two.bytes - one.bytes))
        for one, two in zip(*_first_two(), strict=True)
    ]  # fmt: skip


@functools.cache
def _first_two() -> tuple[list[Work], list[Work]]:
    return training_step(1), training_step(2)


def _on_gpu(work: Sequence[Work]) -> Callable[[Work], float]:
    """Return the modelled seconds of an operation; the gaps between launches are shared out evenly."""
    gap = predictions.GAP * predictions.LAUNCHES[PRECISION] / sum(each.uses for each in work)
    return lambda each: predictions.seconds(GPU, each, PRECISION) + gap


def _on_cpu(cpu_ms: float) -> Callable[[Work], float]:
    """Return the seconds of an operation: the measured step, shared out by FLOPs."""
    per_flop = 1e-3 * cpu_ms / sum(each.uses * each.flops for each in work_of(64))
    return lambda each: each.flops * per_flop


def _backward(name: str, passes: int, work: Sequence[Work], of: Callable[[Work], float]) -> list[Layer]:
    """Return the layers of a network's backward pass in its own update, last layer first.

    passes: how many batches go through it: D's update has two, real and drawn pictures, and G's has one.
    """
    found = []
    for position, layer in reversed(list(enumerate(networks()["GD".index(name)]))):
        mine = [each for each in work if each.name.startswith(f"{name} {position} ")]
        seconds = sum(passes * of(each) for each in mine if _in_own_update(each, position))
        sizes = [(parameter.data.ndim > 1, FLOAT * parameter.data.size) for parameter in layer.parameters()]
        found.append(Layer(seconds, *(sum(size for matrix, size in sizes if matrix is kind) for kind in (True, False))))
    return found


@functools.cache
def networks() -> tuple[Sequence[Any], ...]:
    """Return the layers of G and of D."""
    preset = presets.find(Config().preset)
    return preset.generator(Config()).layers, preset.discriminator(Config()).layers


def _in_own_update(work: Work, position: int) -> bool:
    """Return whether a network's own update does this in its backward pass: its first layer needs no gradient of x."""
    return work.name.endswith((" weight grad", " backward")) or (work.name.endswith(" input grad") and position > 0)


def lost(cluster: Cluster, batch: int, cpu_ms: float = CPU_MS) -> float:
    """Return the seconds that a step of so many pictures per rank loses to sums over ranks."""
    backward = _step_of(cluster, batch, cpu_ms).backward
    return sum(exposed(each, cluster.all_reduce, BUCKET) for each in backward) + sum(map(cluster.all_reduce, SMALL))


def efficiency(cluster: Cluster, batch: int, cpu_ms: float = CPU_MS) -> float:
    """Return the share of a step in which a rank computes, for so many pictures per rank."""
    seconds = _step_of(cluster, batch, cpu_ms).seconds
    return seconds / (seconds + lost(cluster, batch, cpu_ms))


def _step_of(cluster: Cluster, batch: int, cpu_ms: float) -> Step:
    return step(batch, cpu_ms if cluster.cpu else None)


def batch_that_keeps(share: float, cluster: Cluster, cpu_ms: float = CPU_MS) -> int:
    """Return the least batch of a rank from which on its efficiency is at least `share`.

    Raises ValueError where a batch of MOST is not enough.
    """
    low, high = 0, MOST  # the efficiency of low is below the share, that of high is not
    if efficiency(cluster, high, cpu_ms) < share:
        raise ValueError(f"{cluster.name}: got an efficiency below {share} with {high:,} pictures per rank")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if efficiency(cluster, middle, cpu_ms) >= share else (middle, high)
    return high


# ---- tables ---------------------------------------------------------------------------------------------------------


def gradient_bytes() -> list[int]:
    """Return the bytes of D's and of G's gradients."""
    return [round(sum(layer.bytes + layer.vectors for layer in each)) for each in step(64).backward]


def sync_bn_bytes(ranks: int) -> list[int]:
    """Return the bytes of each sum that --sync-bn adds to a step: one per batch norm, forward and backward.

    G goes through once, D twice: in its own update, where real and drawn pictures go through together as two batches,
    and in G's. Forward there are two float32 numbers per channel for each rank, backward two in all
    (gpunet/backend/batchnorm_ranks.py).
    """
    found = []
    for net, passes in zip(networks(), ((1,), (2, 1)), strict=True):  # batches that go through together
        for batches, layer in itertools.product(passes, net):
            if isinstance(layer, BatchNorm):
                found += [8 * layer.channels * batches * places for places in (ranks, 1)]
    return found


def cost_table(clusters: Sequence[Cluster], cpu_ms: float, markdown: bool) -> str:
    """Return a line per cluster: its sums, its efficiency by batch of a rank, the batch that keeps 90 %."""
    head = ["cluster", "gradients, ms", "--sync-bn, ms", *(f"{batch:,}" for batch in BATCHES)]
    head += [f"{KEPT:.0%} from", "of all ranks"]
    rows: list[list[Any]] = []
    for cluster in clusters:
        alone = 1e3 * sum(map(cluster.all_reduce, gradient_bytes()))
        shares = [f"{efficiency(cluster, batch, cpu_ms):.0%}" for batch in BATCHES]
        least = batch_that_keeps(KEPT, cluster, cpu_ms)
        norms = 1e3 * sum(map(cluster.all_reduce, sync_bn_bytes(cluster.ranks)))
        rows.append([cluster.name, shown(alone), shown(norms), *shares, f"{least:,}", f"{least * cluster.ranks:,}"])
    return table(head, rows, markdown)


def whole_table(clusters: Sequence[Cluster], markdown: bool) -> str:
    """Return how many times faster than one GPU a whole batch is trained, which the ranks share out."""
    rows = []
    for cluster in clusters:
        times = [step(whole).seconds / _slow(cluster, whole // cluster.ranks) for whole in WHOLE]
        rows.append([cluster.name, cluster.ranks, *(f"{faster:.1f}" for faster in times)])
    return table(["cluster", "GPUs", *(f"batch {whole:,}" for whole in WHOLE)], rows, markdown)


def _slow(cluster: Cluster, batch: int) -> float:
    return step(batch).seconds + lost(cluster, batch)


def step_table(cpu_ms: float, markdown: bool) -> str:
    """Return the step that the model begins with: its milliseconds, those of both backward passes, and the bytes."""
    rows = []
    for name, given in ((f"{GPU.name}, {PRECISION}: a model", None), ("2 cores: measured, then shared out", cpu_ms)):
        found = step(64, given)
        passes = [1e3 * sum(layer.seconds for layer in each) for each in found.backward]
        rows.append([name, *map(shown, (1e3 * found.seconds, *passes))])
    return table(["64 pictures on", "step, ms", "D's backward pass, ms", "G's, ms"], rows, markdown)


def links_table(markdown: bool) -> str:
    """Return the links: their published bandwidth, and the time of a message, which is assumed."""
    rows = [[link.name, f"{link.gigabytes:g}", f"{1e6 * link.latency:g}"] for link in LINKS]
    return table(["link", "GB/s, in one direction", "microseconds of a message"], rows, markdown)


def shown(number: float) -> str:
    """Return a number with three digits that count: 0.0612, 1.02, 591."""
    decimals = max(0, SHOWN_DIGITS - 1 - math.floor(math.log10(number)))
    return f"{number:,.{decimals}f}"


def report(cpu_ms: float = CPU_MS, markdown: bool = False) -> str:
    """Return all tables, with the words between them."""
    d, g = (size / 1e6 for size in gradient_bytes())
    return "\n\n".join([
        f"A model, no measurement but that of the {cpu_ms:g} ms. Gradients of a step: D's {d:.1f} MB and G's "
        f"{g:.1f} MB,\nin buckets of {BUCKET / 2**20:g} MiB.",
        links_table(markdown),
        step_table(cpu_ms, markdown),
        f"Efficiency by the pictures of a rank, and the least batch that keeps {KEPT:.0%}: of a rank, of all ranks.",
        cost_table((*GPU_CLUSTERS, *CPU_CLUSTERS), cpu_ms, markdown),
        "How many times faster than one GPU the same whole batch is trained.",
        whole_table(GPU_CLUSTERS, markdown),
    ])  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__.partition("\n")[0])
    help = f"measured milliseconds of a step of 64 pictures on a CPU ({CPU_MS:g})"
    parser.add_argument("--cpu-ms", type=float, default=CPU_MS, metavar="X", help=help)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables into this page")
    options = parser.parse_args(arguments)
    if not 0 < options.cpu_ms < math.inf:
        parser.error(f"got --cpu-ms {options.cpu_ms}, expected a time above 0")
    try:
        show(lambda markdown: report(options.cpu_ms, markdown), "cluster", options.write)
    except (OSError, ValueError) as error:
        print(f"benchmarks.cluster: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
