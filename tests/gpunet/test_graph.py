"""gpunet.backend.graph: branches of a captured graph, which run side by side, do not share memory."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from gpunet import backend
from gpunet.backend import to_device, to_numpy
from gpunet.backend.graph import Graph, computing_stream, working_on

pytestmark = pytest.mark.cuda
SIZE = 2048


@contextlib.contextmanager
def branch(first, second):
    """Queue the work of the block on the second stream, behind what the first one has; let the first one wait for it.

    It waits at the end of the outer block of an ExitStack, so that both work meanwhile.
    """
    import cupy

    fork, join = (cupy.cuda.Event(disable_timing=True) for _ in range(2))
    fork.record(first)
    second.wait_event(fork)
    yield
    join.record(second)
    first.wait_event(join)


def test_a_block_goes_back_to_the_branch_that_it_came_from():
    """The pool of a graph, as `Graph` uses it."""
    import cupy

    pool, first, second = cupy.cuda.MemoryPool(), computing_stream(), computing_stream()
    with cupy.cuda.using_allocator(pool.malloc):
        with first:
            mine = cupy.empty(SIZE, "float32")
        address = mine.data.ptr
        with second:
            del mine  # given back while the other stream is the current one
            theirs = [cupy.empty(SIZE, "float32") for _ in range(4)]
        assert address not in {array.data.ptr for array in theirs}
        with first:
            assert cupy.empty(SIZE, "float32").data.ptr == address
        first.synchronize()
        second.synchronize()


def test_two_branches_compute_what_one_stream_does():
    """Both branches make and drop arrays of the same sizes, in a graph that is replayed."""
    import cupy

    x = np.random.default_rng(0).standard_normal((64, 32)).astype("float32")
    first, second = computing_stream(), computing_stream()

    def chain(y, slope):
        for _ in range(4):
            y = backend.leaky_relu(y, slope)
        return y

    def step(given):
        shared = backend.leaky_relu(given, 0.5)
        with contextlib.ExitStack() as both:
            both.enter_context(branch(first, second))
            with second:
                right = chain(shared, 0.25)
            left = chain(shared, 0.75)
        return left, right  # shared was held until here

    there = to_device(x, "cuda")
    cupy.cuda.Device().synchronize()
    graph = Graph(step, [there])
    with backend.use("kernels"):
        for _ in range(5):
            with working_on(first):
                left, right = graph(first)
            shared = np.where(x > 0, x, np.float32(0.5) * x)
            for found, slope in ((left, 0.75), (right, 0.25)):
                expected = shared
                for _ in range(4):
                    expected = np.where(expected > 0, expected, np.float32(slope) * expected)
                np.testing.assert_array_equal(to_numpy(found), expected)
