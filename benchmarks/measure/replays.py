"""Times of short operations on a GPU: captured as a CUDA graph many times over, replayed, and divided.

A kernel of some microseconds is shorter than its launch from Python, so events around one launch would time Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.measure.timing import ours_on_cuda, torch_on_cuda
from gpunet.backend.graph import WARM_UP, Graph

Run = Callable[[], Any]


def ours_replayed(runs: Sequence[Run]) -> Callable[[], float]:
    """Return a function that replays one graph of all these runs, and returns the seconds of one of them.

    It is called on a stream that can be captured (gpunet.backend.graph.computing_stream), and so is what it returns.
    Give the runs arrays of their own: then no run finds its inputs in the cache.
    """
    import cupy

    stream = cupy.cuda.get_current_stream()
    graph = Graph(lambda: [run() for run in runs], ())
    for _ in range(WARM_UP + 1):
        graph(stream)
    timer = ours_on_cuda(stream)
    return lambda: timer(lambda: graph(stream)) / len(runs)


def torch_replayed(make: Callable[[], Run], copies: int) -> Callable[[], float]:
    """Return the like for PyTorch: a graph of `copies` calls, each of which `make` makes with tensors of its own."""
    import torch

    stream, graph, timer = torch.cuda.Stream(), torch.cuda.CUDAGraph(), torch_on_cuda()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # backward passes run on the stream of their forward pass
        runs = [make() for _ in range(copies)]
        for _ in range(WARM_UP):
            kept = [run() for run in runs]
    torch.cuda.synchronize()
    with torch.cuda.graph(graph, stream=stream):
        kept = [run() for run in runs]

    def replay() -> float:
        return timer(graph.replay) / len(kept)

    return replay
