"""How the sums of several ranks travel: by NCCL between GPUs where each rank has one of its own, else by MPI."""

from __future__ import annotations

import os
import socket
from collections import Counter

from dcgan import together
from dcgan.cli import say
from dcgan.config import Config
from gpunet import distributed
from gpunet.distributed import nccl

SHOWN = 16  # ranks whose processes are named


def connect(config: Config, device: str) -> None:
    """Choose what sums gradients on the device that was chosen, and say so. All ranks call it."""
    group = distributed.ranks()
    each = config.batch_size // group.size
    what = f"{group.size} ranks{_named()}, {each} of the {config.batch_size} pictures of a batch at each"
    if device == "cpu":
        return say(f"{what}; gradients are summed by MPI")
    shared = _shared_gpus()
    if shared:
        say(f"warning: {shared}; each rank should have a GPU of its own")
    why_not = together.spread(_why_not(bool(shared)))
    if why_not:
        graph = ", without CUDA graphs (--no-graph)" if config.graph else ""
        return say(f"{what}; gradients are summed by MPI through the host{graph}, because {why_not}")
    distributed.use(nccl.connect(group))
    say(f"{what}; gradients are summed by NCCL")


def _named() -> str:
    """Return the numbers of few processes in words: mpirun may name the one that was killed by its number alone."""
    found = together.spread(distributed.ranks().gather(os.getpid()))
    return f" (processes {', '.join(map(str, found))})" if len(found) <= SHOWN else ""


def _why_not(shared: bool) -> str:
    """Return why NCCL cannot sum here, "" where it can."""
    if shared:
        return "NCCL wants a GPU for each rank"
    return "" if nccl.available() else "CuPy finds no NCCL: pip install nvidia-nccl-cu13, or -cu12"


def _shared_gpus() -> str:
    """Return in words, at all ranks, which ranks have been given one GPU; "" where each has its own."""
    import cupy

    runtime = cupy.cuda.runtime
    mine = f"{socket.gethostname()} {runtime.deviceGetPCIBusId(runtime.getDevice())}"
    found = distributed.ranks().gather(mine) or []
    double = [gpu for gpu, count in Counter(found).items() if count > 1]
    texts = [f"ranks {', '.join(str(i) for i, gpu in enumerate(found) if gpu == each)} share a GPU" for each in double]
    return str(together.spread("; ".join(texts)))
