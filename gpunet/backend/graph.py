"""A function as one CUDA graph: captured once, then replayed with a single launch. And the upload of its inputs.

A replay repeats the kernels of the captured call on the same addresses: whatever changes from call to call has to
come in through arrays that stay in place, and no result may be needed on the host in between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gpunet.backend.branches import branching
from gpunet.backend.devices import Array, to_device

WARM_UP = 2  # calls before the capture: kernels get compiled, and the memory pool holds every block that is needed


def computing_stream() -> Any:
    """Return a CUDA stream that can be captured, behind all that was queued so far."""
    import cupy

    cupy.cuda.Device().synchronize()
    return cupy.cuda.Stream(non_blocking=True)


@contextlib.contextmanager
def working_on(stream: Any) -> Iterator[None]:
    """Queue all work of the block on a `computing_stream`, behind all that was queued before; wait for it at the end.

    Such a stream and CuPy's default stream do not wait for each other. Weights that were loaded just before a block, or
    are read just after it, would else be read while they are written.
    """
    import cupy

    cupy.cuda.Device().synchronize()
    with stream:
        try:
            yield
        finally:
            stream.synchronize()


class Graph:
    """function(*inputs) on the GPU, replayed from the third call on; the inputs are arrays that stay in place.

    Memory comes from a pool of its own: nobody else can be given a block that the graph will write to again. What the
    function returns is overwritten by the next call.

    Branches. A function that works on a second stream, behind an event of the first, becomes a graph of two branches:
    the gradients of weights do (branches.py; branches=False leaves them on the first). The pool keeps the free blocks
    of each stream apart: a block that one branch gives back is never given to the other one. But it goes to the next
    array of the stream that it came from as soon as Python lets go of it. So an array that was made on one stream and
    is read on another has to be held until the streams have met again (`wait_event`):

        x = made on the first stream              dy and x are read by both branches
        dweight = on the second stream            reads x, which the first one must not give back meanwhile
        dx = on the first stream                  with x let go here, dx might lie where x is still being read
        first.wait_event(second's)                from here on x may go
    """

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Array], branches: bool = True) -> None:
        import cupy

        self.function, self.inputs, self.calls = function, inputs, 0
        self.pool = cupy.cuda.MemoryPool()
        self.second = computing_stream() if branches else None
        self.graph: Any = None
        self.result: Any = None

    def __call__(self, stream: Any) -> Any:
        """Run on a stream (not the default one, which cannot be captured); return the result, perhaps still to come."""
        import cupy

        with cupy.cuda.using_allocator(self.pool.malloc), stream:
            if self.calls < WARM_UP:
                self._run(stream)
            else:
                if self.graph is None:
                    self._capture(stream)
                self._replay(stream)
        self.calls += 1
        return self.result

    def _replay(self, stream: Any) -> None:
        from gpunet.kernels.loader.cuda import errors

        try:
            self.graph.launch(stream)
        except Exception as error:
            errors.append(f"graph: {error}")
            raise

    def _run(self, stream: Any) -> None:
        """Call the function. The calls before the capture branch, too: the second stream then has what it needs."""
        with branching(stream, self.second):
            self.result = self.function(*self.inputs)

    def _capture(self, stream: Any) -> None:
        self.result = None
        stream.begin_capture()  # from here launches are recorded, not run
        try:
            self._run(stream)
        except BaseException:
            with contextlib.suppress(Exception):  # that the graph is incomplete is not what went wrong
                stream.end_capture()
            raise
        self.graph = stream.end_capture()


class Upload:
    """Copies host arrays of fixed shapes into the inputs of a graph, beside the computation.

    Two sets of page-locked host buffers and device buffers take turns: while the GPU computes one step, the copy
    stream brings the arrays of the next. The host waits only if it is two whole steps ahead.
    """

    def __init__(self, examples: Sequence[np.ndarray]) -> None:
        import cupy

        self.inputs = [to_device(example, "cuda") for example in examples]
        self.copy_stream = cupy.cuda.Stream(non_blocking=True)
        self.sets = [_Buffers(examples) for _ in range(2)]
        self.turn = 0

    def __call__(self, arrays: Sequence[np.ndarray], stream: Any) -> None:
        """Queue the copies of these arrays in front of what the stream is given next."""
        buffers = self.sets[self.turn]
        self.turn = 1 - self.turn
        buffers.arrived.synchronize()  # the last use of the page-locked memory is over
        self.copy_stream.wait_event(buffers.taken)
        with self.copy_stream:
            for host, device, array in zip(buffers.host, buffers.device, arrays, strict=True):
                host[...] = array
                device.set(host, self.copy_stream)
            buffers.arrived.record(self.copy_stream)
        stream.wait_event(buffers.arrived)
        with stream:
            for static, device in zip(self.inputs, buffers.device, strict=True):
                static[...] = device
            buffers.taken.record(stream)


class _Buffers:
    """One set: page-locked host arrays, device arrays, and the events that say when they are free again."""

    def __init__(self, examples: Sequence[np.ndarray]) -> None:
        import cupy
        import cupyx

        self.host = [cupyx.empty_pinned(example.shape, example.dtype) for example in examples]
        self.device = [cupy.empty(example.shape, example.dtype) for example in examples]
        self.arrived, self.taken = cupy.cuda.Event(), cupy.cuda.Event()
