"""The ceilings that this GPU really has: memory, PyTorch's products, the gap between kernels, a launch, the bus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.gpu.sized import Settings
from benchmarks.measure.replays import ours_replayed
from gpunet import kernels
from gpunet.backend.graph import computing_stream, working_on

NODES = 200  # of the graph of small kernels
ROUNDS = 5


def run(settings: Settings) -> None:
    """Keep GB/s, TFLOP/s and microseconds."""
    with working_on(computing_stream()):
        for name, numbers in (("1 GB", 2**28), ("16 MB", 2**22)):
            for row in memory(name, numbers if settings.full else 2**16):
                settings.add("memory", row)
        settings.keep(**launches(settings.times(500)))
    settings.keep(to_device_gbs=upload(2**28 if settings.full else 2**20))
    if settings.has_torch:
        for row in products(8192 if settings.full else 256):
            settings.add("products", row)


def memory(name: str, numbers: int) -> Iterator[dict[str, Any]]:
    """Yield the GB/s of copying, reading and writing arrays of float32."""
    import cupy

    a, b = cupy.ones(numbers, "float32"), cupy.empty(numbers, "float32")
    copy, read, write = (lambda: cupy.copyto(b, a)), (lambda: a.sum()), (lambda: b.fill(1))
    for what, work, arrays in (("copy", copy, 2), ("read", read, 1), ("write", write, 1)):
        yield {"size": name, "what": what, "gbs": arrays * a.nbytes / best(ours_replayed([work])) / 1e9}


def best(seconds: Callable[[], float]) -> float:
    """Return the least of some rounds."""
    return min(seconds() for _ in range(ROUNDS))


def launches(count: int) -> dict[str, float]:
    """Return microseconds: of a small kernel in a graph, and of the host for a launch by us and by CuPy alone."""
    import cupy

    x = cupy.zeros(1, "float32")
    ours = lambda: kernels.launch("arrays.fill", 1, 1, (x, 1, 0.0))  # noqa: E731
    raw = cupy.RawKernel('extern "C" __global__ void nothing() {}', "nothing")
    found = {"graph_node_us": 1e6 * best(ours_replayed([ours] * NODES))}
    for name, launch in (("launch_ours_us", ours), ("launch_cupy_us", lambda: raw((1,), (1,), ()))):
        launch()
        began = time.perf_counter()
        for _ in range(count):
            launch()
        found[name] = (time.perf_counter() - began) / count * 1e6
        cupy.cuda.get_current_stream().synchronize()
    return found


def upload(size: int) -> float:
    """Return the GB/s from page-locked memory to the device."""
    import cupy
    import cupyx

    host, device, stream = cupyx.empty_pinned(size, np.uint8), cupy.empty(size, np.uint8), cupy.cuda.Stream()
    host[...] = 0

    def once() -> float:
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record(stream)
        device.set(host, stream)
        end.record(stream)
        end.synchronize()
        return cupy.cuda.get_elapsed_time(begin, end) / 1e3

    stream.synchronize()
    cupy.cuda.Device().synchronize()
    return size / best(once) / 1e9


def products(size: int) -> Iterator[dict[str, Any]]:
    """Yield the TFLOP/s of PyTorch's products of square matrices."""
    import torch

    from benchmarks.measure.timing import torch_on_cuda

    timer = torch_on_cuda(calls=5)
    for name, dtype, tf32 in (("fp32", "float32", False), ("tf32", "float32", True), ("bf16", "bfloat16", True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.randn(size, size, device="cuda", dtype=getattr(torch, dtype)) for _ in range(2))
        seconds = best(lambda a=a, b=b: timer(lambda: a @ b))
        yield {"precision": name, "size": size, "tflops": 2 * size**3 / seconds / 1e12}
