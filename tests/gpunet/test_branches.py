"""gpunet.backend.branches: gradients of weights run beside the backward pass, in order with whoever reads them."""

from __future__ import annotations

import numpy as np
import pytest

from gpunet import backend, kernels, layers, optim
from gpunet.backend import branches, to_device, to_numpy
from gpunet.backend.branches import HELD, beside, branching
from gpunet.backend.graph import Graph, computing_stream, working_on

SIZE = 4096  # numbers: several blocks of the pool


def drawn(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


def test_nothing_branches_outside_of_a_graph():
    parameter = layers.base.Parameter(drawn(3))
    with beside(parameter.data) as work:
        assert work is None
    parameter.add_grad_beside(lambda x, out: x + 1, drawn(3))
    parameter.add_grad_beside(lambda x: x + 1, drawn(3))
    np.testing.assert_array_equal(parameter.grad, 2 * (drawn(3) + 1))


@pytest.fixture
def streams():
    """Both streams of a graph, the first of which is the current one, and the pool that a graph has."""
    import cupy

    first, second = computing_stream(), computing_stream()
    with cupy.cuda.using_allocator(cupy.cuda.MemoryPool().malloc), working_on(first), backend.use("kernels"):
        yield first, second


@pytest.mark.cuda
def test_arrays_that_a_work_reads_are_held_until_it_was_waited_for(streams):
    import cupy

    with branching(*streams):
        x = cupy.empty(SIZE, "float32")
        address = x.data.ptr
        with beside(x) as work:
            assert cupy.cuda.get_current_stream() == streams[1]
            with beside(x) as inner:  # is part of the outer one
                assert inner is None
            work.wait()  # on its own stream a work comes before what follows anyhow
        del x
        y = cupy.empty(SIZE, "float32")
        assert y.data.ptr != address
        work.wait()
        assert cupy.empty(SIZE, "float32").data.ptr == address
        work.wait()  # for the second time: nothing is left to wait for


@pytest.mark.cuda
def test_few_works_are_held_at_a_time(streams):
    with branching(*streams):
        works = []
        for held in range(1, HELD + 3):
            with beside(to_device(drawn(8), "cuda")) as work:
                pass
            works.append(work)
            assert [bool(one.held) for one in works] == [one > held - HELD for one in range(1, held + 1)]
        works[-1].wait()  # and so for those before it
        assert not any(one.held for one in works)


@pytest.mark.cuda
def test_the_reference_and_one_stream_do_not_branch(streams):
    first, second = streams
    with branching(first, second), backend.use("reference"), beside() as work:
        assert work is None
    with branching(first, None), beside() as work:
        assert work is None


@pytest.mark.cuda
def test_an_error_leaves_no_branch_behind(streams):
    with pytest.raises(ZeroDivisionError), branching(*streams), beside() as work:
        raise ZeroDivisionError
    work.wait()
    with beside() as work:
        assert work is None


# ---- the graph of a network's backward pass and update ----


class Paths:
    """Counts launches, and those on the longest path: a launch comes behind its stream's last and what that awaits."""

    def __init__(self, monkeypatch):
        import cupy

        self.launches, self.on_path, self.of_event = 0, {}, {}
        launch, event_of, meet = kernels.launch, branches._event_of, branches._Branches.meet
        fork = branches._Branches.fork

        def noted(*given, **more):
            launch(*given, **more)
            stream = cupy.cuda.get_current_stream().ptr
            self.launches += 1
            self.on_path[stream] = self.on_path.get(stream, 0) + 1

        def recorded(stream):
            event = event_of(stream)
            self.of_event[event] = self.on_path.get(stream.ptr, 0)
            return event

        def forked(both, work):
            self.wait(both.second, self.on_path.get(both.first.ptr, 0))
            return fork(both, work)

        def met(both, work):
            self.wait(both.first, self.of_event[work.done])
            meet(both, work)

        for where, name, function in (
            (kernels, "launch", noted),
            (branches, "_event_of", recorded),
            (branches._Branches, "fork", forked),
            (branches._Branches, "meet", met),
        ):
            monkeypatch.setattr(where, name, function)

    def wait(self, stream, launches):
        self.on_path[stream.ptr] = max(self.on_path.get(stream.ptr, 0), launches)

    def clear(self):
        self.launches, self.on_path = 0, {}


def trained(branches, precision, paths=None):
    """Return the weights after five updates in a graph; paths: counts the launches of its capture."""
    net = layers.Sequential(
        layers.Conv2d(8, 8, 3, padding=1), layers.BatchNorm(8), layers.LeakyReLU(0.2),
        layers.SpectralNorm(layers.Conv2d(8, 16, 3, padding=1)), layers.LeakyReLU(0.2),
        layers.ConvTranspose2d(16, 8, 3, padding=1), layers.Tanh(),
    )  # fmt: skip
    for parameter in net.parameters():
        parameter.data = drawn(*parameter.data.shape)
    net[3].settle()
    net.to("cuda")
    adam = optim.Adam(net.parameters(), lr=1e-2)

    def step(x):
        y = net.forward(x)
        adam.zero_grad()
        net.backward(y, input_grad=False)
        adam.step()

    stream, inputs = computing_stream(), [to_device(drawn(4, 6, 6, 8), "cuda")]
    graph = Graph(step, inputs, branches)
    with backend.use("kernels"), backend.use_precision(precision), adam.rounding(precision):
        for call in range(5):
            if paths and call == 2:
                paths.clear()
            with working_on(stream):
                graph(stream)
    return np.concatenate([to_numpy(data) for data in adam.data])


@pytest.mark.cuda
@pytest.mark.parametrize("precision", backend.PRECISIONS)
def test_branches_change_no_bit(precision):
    assert np.array_equal(trained(True, precision), trained(False, precision))


@pytest.mark.cuda
def test_the_longest_path_is_shorter_than_the_graph(monkeypatch):
    found = []
    for with_branches in (True, False):
        with monkeypatch.context() as patch:
            paths = Paths(patch)
            trained(with_branches, "bf16", paths)
            found.append((paths.launches, max(paths.on_path.values())))
    (launches, longest), (alone, all_of_them) = found
    assert launches == alone == all_of_them
    # The gradients of the last two weights run beside the pass; nothing runs beside that of the first, which ends it.
    assert longest <= launches - 2
