"""The counters of kernels whose last block finishes a sum: one array per stream, and new ones after an error."""

from __future__ import annotations

import numpy as np
import pytest

from gpunet import backend, kernels
from gpunet.backend import launches, to_device, to_numpy

pytestmark = pytest.mark.cuda


@pytest.fixture(autouse=True)
def kernels_only(monkeypatch):
    monkeypatch.setattr(launches, "_made", {})
    with backend.use("kernels"), backend.use_precision("fp32"):
        yield


def work():
    """Return a function that computes a batch norm and a product in splits, both of which need counters."""
    rng = np.random.default_rng(0)
    x, one = (to_device(a.astype("float32"), "cuda") for a in (rng.standard_normal((3000, 3)), np.ones(3)))
    a, b = (to_device(rng.standard_normal(shape).astype("float32"), "cuda") for shape in ((8, 2048), (2048, 8)))
    return lambda: [backend.batchnorm(x, one, one, 1e-5, 0.2)[0], backend.matmul(a, b)]


def test_a_branch_of_a_capture_needs_its_own_counters():
    """With the same counters two branches would count each other's arrivals; without its own, a branch is refused."""
    import cupy

    run, first, second = work(), *(cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    cupy.cuda.Device().synchronize()

    def captured():
        fork, join = cupy.cuda.Event(disable_timing=True), cupy.cuda.Event(disable_timing=True)
        with first:
            first.begin_capture()
            try:
                fork.record(first)
                second.wait_event(fork)
                kept = run()
                with second:
                    kept += run()
            finally:
                join.record(second)
                first.wait_event(join)
                graph = first.end_capture()
        return graph, kept

    with first:
        expected = [to_numpy(array) for array in run()]
    with pytest.raises(RuntimeError, match="in a capture: run the same work on this stream once before"):
        captured()
    with second:
        run()
    cupy.cuda.Device().synchronize()
    graph, kept = captured()
    graph.launch(first)
    first.synchronize()
    for array, right in zip(kept, expected * 2, strict=True):
        assert np.array_equal(to_numpy(array), right)
    assert len({array.data.ptr for array in launches._made.values()}) == 2


def test_counters_are_made_anew_after_an_error_of_cuda(monkeypatch):
    """A launch that died half-way has counted some arrivals; without new counters the next sums would be wrong."""
    import cupy

    def dies(*args, **more):
        for counters in launches._made.values():
            counters[...] = 1
        raise cupy.cuda.runtime.CUDARuntimeError(700)

    run = work()
    expected = [to_numpy(array) for array in run()]
    x, module = to_device(np.zeros(4, "float32"), "cuda"), kernels.load("arrays", np.dtype("float32"), "cuda")
    with monkeypatch.context() as patch:
        patch.setitem(module._functions, "fill", dies)
        with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
            kernels.launch("arrays.fill", 1, 4, (x, 4, 0.0))
    for array, right in zip(run(), expected, strict=True):
        assert np.array_equal(to_numpy(array), right)
