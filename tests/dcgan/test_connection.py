"""Which GPU a rank takes, and what sums gradients then: with a stand-in for CuPy; no machine here has two GPUs."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from dcgan import connection, device
from dcgan.config import Config
from gpunet import distributed
from gpunet.distributed import Ranks, nccl

HOST = "here"


class Rank0(Ranks):
    """Rank 0 of a group, which is told what the other ranks would say of their GPUs and their processes."""

    def __init__(self, gpus: list[str], local_rank: int = 0) -> None:
        self.gpus, self.size, self.local_rank = gpus, len(gpus), local_rank

    def gather(self, value):
        return self.gpus if isinstance(value, str) else [value, *range(1, self.size)]


@pytest.fixture
def gpus(monkeypatch):
    """Three GPUs, the second of which is taken; return the numbers of those that are taken later."""
    taken = []
    runtime = SimpleNamespace(
        getDeviceCount=lambda: 3, getDevice=lambda: 1, deviceGetPCIBusId=lambda number: f"0000:0{number}:00.0"
    )
    cuda = SimpleNamespace(runtime=runtime, Device=lambda number: SimpleNamespace(use=lambda: taken.append(number)))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    return taken


@pytest.mark.parametrize("local_rank, number", [(0, 0), (1, 1), (2, 2), (3, 0), (7, 1)])
def test_a_rank_takes_the_gpu_of_its_number_on_its_machine(gpus, local_rank, number):
    with distributed.among(Rank0(["", ""], local_rank)):
        device._take_gpu_of_rank()
    assert gpus == [number]


def test_a_process_alone_keeps_the_gpu_that_it_has(gpus):
    device._take_gpu_of_rank()
    assert gpus == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (["a 0", "a 1", "b 0", "b 1"], ""),  # number 0 of two machines are two GPUs
        (["a 0", "a 0"], "ranks 0, 1 share a GPU"),
        (["a 0", "b 0", "a 0", "b 0", "b 1"], "ranks 0, 2 share a GPU; ranks 1, 3 share a GPU"),
    ],
)
def test_gpus_that_ranks_share_are_named(gpus, found, said):
    with distributed.among(Rank0(found)):
        assert connection._shared_gpus() == said


def test_a_rank_says_where_its_gpu_is(gpus):
    """By machine and place on its bus: numbers begin with 0 in each process that CUDA_VISIBLE_DEVICES restricts."""
    group, told = Rank0(["", ""]), []
    group.gather = lambda value: told.append(value) or [value]
    with distributed.among(group):
        connection._shared_gpus()
    assert told == [f"{HOST} 0000:01:00.0"]


SHARED, THROUGH = "warning: ranks 0, 1 share a GPU; each rank should have a GPU of its own", "by MPI through the host"
MISSING = "CuPy finds no NCCL: pip install nvidia-nccl-cu13, or -cu12"


@pytest.mark.parametrize(
    ("found", "available", "graph", "expected"),
    [
        (["a 0", "a 1"], True, True, ["by NCCL"]),
        (["a 0", "a 1"], False, True, [f"{THROUGH}, without CUDA graphs (--no-graph), because {MISSING}"]),
        (["a 0", "a 1"], False, False, [f"{THROUGH}, because {MISSING}"]),
        (["a 0", "a 0"], True, False, [SHARED, f"{THROUGH}, because NCCL wants a GPU for each rank"]),
    ],
    ids=["own GPUs", "no NCCL", "no NCCL, no graph", "one GPU"],
)
def test_what_sums_gradients_on_gpus(gpus, monkeypatch, capsys, found, available, graph, expected):
    group, other = Rank0(found), Ranks()
    monkeypatch.setattr(nccl, "available", lambda: available)
    monkeypatch.setattr(nccl, "connect", lambda control: other if control is group else None)
    monkeypatch.setattr("os.getpid", lambda: 812)
    with distributed.among(group):
        connection.connect(Config(batch_size=64, graph=graph), "cuda")
        assert distributed.ranks() is (other if expected == ["by NCCL"] else group)
    lines = capsys.readouterr().out.splitlines()
    what = "2 ranks (processes 812, 1), 32 of the 64 pictures of a batch at each; gradients are summed "
    assert lines == [*expected[:-1], what + expected[-1]]


def test_on_cpus_nothing_asks_for_a_gpu(capsys):
    group = Rank0(["", ""])
    with distributed.among(group):
        connection.connect(Config(batch_size=64), "cpu")
        assert distributed.ranks() is group
    assert capsys.readouterr().out.endswith("; gradients are summed by MPI\n")


def test_many_processes_are_not_named(capsys):
    with distributed.among(Rank0([""] * (connection.SHOWN + 1))):
        connection.connect(Config(batch_size=17), "cpu")
    assert capsys.readouterr().out.startswith("17 ranks, 1 of the 17 pictures")
