"""Nccl: what it asks of NCCL's communicator, with a stand-in that notes the calls; nothing here sums over real GPUs."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

from dcgan.gan import GAN
from dcgan.presets import config_of
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend, distributed
from gpunet.distributed import gradients
from gpunet.distributed.base import ALONE, DONE, Alone, Ranks

NAMES = ("SUM", "FLOAT32", "FLOAT64", "INT32", "INT64", "UINT8")


class Communicator:
    """Notes the calls; its sum of one rank's array is the array."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def allReduce(self, *arguments) -> None:  # noqa: N802  (CuPy's name)
        self.calls.append(("allReduce", *arguments))

    def broadcast(self, *arguments) -> None:
        self.calls.append(("broadcast", *arguments))

    def destroy(self) -> None:
        self.calls.append(("destroy",))


class Control(Alone):
    """Notes what is left to MPI."""

    threads = True

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattribute__(self, name):
        if name in ("sum", "begin_sum", "broadcast", "gather", "tell", "barrier", "finish", "abort", "beat", "heard"):
            object.__getattribute__(self, "calls").append(name)
        return object.__getattribute__(self, name)


@pytest.fixture
def group(monkeypatch):
    cupy = pytest.importorskip("cupy")
    from gpunet.distributed.nccl import Nccl

    names = {f"NCCL_{name}": 100 + i for i, name in enumerate(NAMES)}
    stand_in = types.SimpleNamespace(available=True, **names)
    monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", stand_in)
    monkeypatch.setattr(cupy.cuda, "nccl", stand_in, raising=False)
    return Nccl(Control(), Communicator())


@pytest.mark.cuda
def test_arrays_of_a_gpu_go_to_nccl_on_the_streams_that_are_meant(group):
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        for i, dtype in enumerate(("float32", "float64", "int32", "int64", "uint8"), 1):
            array = cupy.zeros((3, 4), dtype)
            group.sum(array)
            group.broadcast(array, 2)
            handle = group.begin_sum(array)
            handle.wait()
            at, kind = array.data.ptr, 100 + i
            assert group.communicator.calls == [
                ("allReduce", at, at, 12, kind, 100, stream.ptr),
                ("broadcast", at, at, 12, kind, 2, stream.ptr),
                ("allReduce", at, at, 12, kind, 100, group.stream.ptr),
            ]
            group.communicator.calls.clear()
        with pytest.raises(ValueError, match="contiguous"):
            group.sum(cupy.zeros((4, 4))[:, ::2])
    assert group.control.calls == [] and group.stream.ptr != stream.ptr


class Twice(Communicator):
    """Sums over two ranks that have the same numbers, by a kernel on the stream that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: dict[int, Any] = {}  # by their pointers

    def allReduce(self, source, target, count, kind, operation, stream) -> None:  # noqa: N802
        import cupy

        dtype = {101: "float32", 102: "float64"}[kind]
        memory = cupy.cuda.UnownedMemory(target, count * np.dtype(dtype).itemsize, self)
        array = cupy.ndarray(count, dtype, cupy.cuda.MemoryPointer(memory, 0))
        with self.streams[stream]:
            cupy.add(array, array, out=array)
        self.calls.append((count, stream))


@pytest.mark.cuda
@pytest.mark.parametrize("more", [{}, {"r1": 1.0, "norm_d": "none"}, {"clip_grad": 0.5}], ids=["", "penalty", "clip"])
def test_a_captured_step_has_the_sums_in_it(monkeypatch, group, more):
    """Ranks that have the same pictures train as one does; replayed steps have the bits of the steps themselves."""
    import cupy

    monkeypatch.setattr(gradients, "BUCKET", 256)
    group.size, group.communicator = 2, Twice()
    config = config_of({"preset": "dcgan64", "width": 1, "image_size": 8, "z_dim": 3, "batch_size": 4, **more})
    found = {}
    for name, ranks, graph in (("alone", ALONE, True), ("steps", group, False), ("graph", group, True)):
        group.communicator.calls.clear()
        with backend.use("kernels"), backend.use_precision("fp32"), distributed.among(ranks):
            gan, rng = GAN(config, np.random.default_rng(0), "cuda"), np.random.default_rng(1)
            stepper, numbers = Stepper(gan, "cuda", graph), []
            used = (group.stream, stepper.stream or cupy.cuda.get_current_stream())
            group.communicator.streams = {stream.ptr: stream for stream in used}
            with stepper.running():
                for number in range(1, 6):
                    images = rng.integers(0, 256, (4, 8, 8, 3), dtype="uint8")
                    stats = stepper(number, Inputs(images, [draw_z(rng, 4, config)]))
                    numbers.append([float(value) for value in stats.values()])
        found[name] = numbers
    assert len({stream for _, stream in group.communicator.calls}) == 2  # buckets beside the step, log's in line
    assert found["steps"] == found["graph"] == found["alone"]  # the mean of two equal numbers rounds nothing


@pytest.mark.cuda
def test_all_else_goes_to_mpi(group):
    array = np.zeros(3)
    group.sum(array)
    assert group.begin_sum(array) is DONE
    group.broadcast(array)
    assert group.gather(1) == [1] and group.tell(2) == 2 and group.heard() is None
    group.beat(1)
    group.barrier()
    group.abort(1)
    group.finish()
    wanted = ["sum", "begin_sum", "broadcast", "gather", "tell", "heard", "beat", "barrier", "abort", "finish"]
    assert group.control.calls == wanted and group.communicator.calls == [("destroy",)]
    assert (group.rank, group.size, group.captures, group.threads, group.waiting) == (0, 1, True, True, False)


def test_every_method_of_a_group_is_handed_on():
    """Nccl has each public method itself: an inherited one would do nothing, as for a process alone."""
    pytest.importorskip("cupy")
    from gpunet.distributed.nccl import Nccl

    assert {name for name, value in vars(Ranks).items() if callable(value) and name[0] != "_"} <= vars(Nccl).keys()
