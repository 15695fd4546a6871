"""Nccl: sums and broadcasts of arrays on GPUs by NCCL, NVIDIA's library, through CuPy (cupy.cuda.nccl).

Each rank has a GPU of its own. Everything is queued on streams: the host waits for nothing, and a CUDA graph captures
it. Sums that are begun run on a stream of their own, beside the rest of the backward pass:

    step's stream     dx of layer 4    dx of layer 3    dx of layer 2   ...   waits    Adam
                               \\                  \\                          /
    stream of sums              sum of 4's          sum of 3's ...

NCCL keeps the operations of one communicator in the order in which they were issued, on whichever streams; all ranks
issue them in the same order. What lies on the host, and all other methods, go to `control`, a group by MPI.
"""

from __future__ import annotations

from typing import Any

from gpunet.backend.devices import Array, on_cuda
from gpunet.distributed.base import Handle, Ranks


def available() -> bool:
    """Return whether CuPy finds NCCL."""
    try:
        from cupy.cuda import nccl
    except ImportError:
        return False
    return bool(nccl.available)


def connect(control: Ranks) -> Nccl:
    """Return a group of the same ranks whose current GPUs NCCL connects; the id of the group travels by `control`."""
    from cupy.cuda import nccl

    name = control.tell(list(nccl.get_unique_id()) if control.rank == 0 else None)  # 128 whole numbers
    return Nccl(control, nccl.NcclCommunicator(control.size, tuple(name), control.rank))


class Nccl(Ranks):
    """A group of ranks with a GPU each. communicator: a cupy.cuda.nccl.NcclCommunicator."""

    captures = True

    def __init__(self, control: Ranks, communicator: Any) -> None:
        from gpunet.backend.graph import computing_stream

        self.control, self.communicator = control, communicator
        self.rank, self.size = control.rank, control.size
        self.local_rank, self.local_size = control.local_rank, control.local_size
        self.threads = control.threads
        self.stream = computing_stream()  # of sums that were begun

    @property
    def waiting(self) -> bool:  # type: ignore[override]
        """Whether this process waits by `control`; sums on the GPU are waited for by the GPU."""
        return self.control.waiting

    @property
    def waits(self) -> int:  # type: ignore[override]
        """How many calls have waited by `control`."""
        return self.control.waits

    def sum(self, array: Array) -> None:
        import cupy

        if on_cuda(array):
            self._reduce(array, cupy.cuda.get_current_stream())
        else:
            self.control.sum(array)

    def begin_sum(self, array: Array) -> Handle:
        import cupy

        if not on_cuda(array):
            return self.control.begin_sum(array)
        self.stream.wait_event(_event_of(cupy.cuda.get_current_stream()))
        self._reduce(array, self.stream)
        return _Queued(_event_of(self.stream))

    def broadcast(self, array: Array, root: int = 0) -> None:
        import cupy

        if not on_cuda(array):
            return self.control.broadcast(array, root)
        kind, pointer = _kind(array), array.data.ptr
        stream = cupy.cuda.get_current_stream()
        self.communicator.broadcast(pointer, pointer, array.size, kind, root, stream.ptr)

    def _reduce(self, array: Array, stream: Any) -> None:
        from cupy.cuda import nccl

        kind, pointer = _kind(array), array.data.ptr
        self.communicator.allReduce(pointer, pointer, array.size, kind, nccl.NCCL_SUM, stream.ptr)

    def gather(self, value: Any) -> list[Any] | None:
        return self.control.gather(value)

    def tell(self, value: Any) -> Any:
        return self.control.tell(value)

    def barrier(self) -> None:
        self.control.barrier()

    def finish(self) -> None:
        self.communicator.destroy()
        self.control.finish()

    def abort(self, status: int) -> None:
        self.control.abort(status)

    def beat(self, state: int) -> None:
        self.control.beat(state)

    def heard(self) -> int | None:
        return self.control.heard()


class _Queued(Handle):
    """A sum that was queued, and the event behind it."""

    def __init__(self, done: Any) -> None:
        self.done = done

    def wait(self) -> None:
        import cupy

        cupy.cuda.get_current_stream().wait_event(self.done)


def _kind(array: Array) -> int:
    """Return NCCL's number of an array's dtype. Raises ValueError where the array is not contiguous."""
    from cupy.cuda import nccl

    if not array.flags.c_contiguous:
        raise ValueError(f"got an array of shape {array.shape} and strides {array.strides}, expected a contiguous one")
    names = {"float32": "FLOAT32", "float64": "FLOAT64", "int32": "INT32", "int64": "INT64", "uint8": "UINT8"}
    return int(getattr(nccl, f"NCCL_{names[array.dtype.name]}"))


def _event_of(stream: Any) -> Any:
    """Return an event behind all that a stream has been given so far."""
    import cupy

    event = cupy.cuda.Event(disable_timing=True)
    event.record(stream)
    return event
