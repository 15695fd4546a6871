"""A second branch of a captured graph: the gradients of weights are computed beside the rest of the backward pass.

Nothing but the optimiser reads the gradient of a convolution's weight. So its kernel need not stand in the way of the
kernels that follow: it goes to a second stream, behind an event of the first, and the captured graph gets a branch.

    first     dx of layer 4      dx of layer 3      dx of layer 2      ...  wait    Adam
                    \\                 \\                  \\                  /
    second           dweight of 4      dweight of 3      dweight of 2  ...

Small layers do not fill a GPU: there the kernels of both branches run at the same time.

    with branching(first, second):          around the function that is captured (graph.py)
        with beside(x, dy) as work: ...     this work goes to the second stream (Parameter.add_grad_beside)
        work.wait()                         the first stream waits for it (Parameter.grad)

Outside of `branching` both blocks do nothing: on the CPU, without a graph, and while the reference runs, whose cuBLAS
has one workspace for all streams. The kernels, their order on each stream and so all numbers are the same either way.

The arrays that a work reads are held until the first stream has waited for it: the docstring of `Graph` says why. Held
arrays cost memory, so at most HELD works are under way: before one more begins, the first stream waits for the oldest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from gpunet.backend import choices

HELD = 2  # works whose arrays are held: those of two layers

_now: _Branches | None = None  # the branches of the graph that is captured


class Work:
    """Something that was queued on the second stream: `wait` lets the first one wait for it."""

    def __init__(self, branches: _Branches, held: tuple[Any, ...]) -> None:
        self.branches, self.held = branches, held
        self.done: Any = None  # an event, once all is queued; None again when the first stream has waited for it

    def wait(self) -> None:
        """Let what is queued on the first stream from here on wait for this work. On the second its order is kept."""
        if self in self.branches.under_way and not self.branches.on_second:
            self.branches.meet(self)


class _Branches:
    """Both streams, and the works of the second one that the first has not waited for, oldest first."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second
        self.under_way: list[Work] = []
        self.on_second = False

    @contextlib.contextmanager
    def fork(self, work: Work) -> Iterator[None]:
        if len(self.under_way) == HELD:
            self.meet(self.under_way[0])
        self.second.wait_event(_event_of(self.first))
        self.under_way.append(work)
        self.on_second = True
        try:
            with self.second:
                yield
        finally:
            self.on_second = False
            work.done = _event_of(self.second)

    def meet(self, work: Work) -> None:
        """Let the first stream wait for a work, and so for all before it; drop what these held."""
        self.first.wait_event(work.done)
        last = self.under_way.index(work)
        for over in self.under_way[: last + 1]:
            over.held = ()
        del self.under_way[: last + 1]


@contextlib.contextmanager
def branching(first: Any, second: Any) -> Iterator[None]:
    """Within the block `beside` queues work on the second stream; at its end the first has waited for all of it.

    Both are streams of CuPy; None for the second: there is one branch. The first is the current stream.
    """
    global _now
    before, _now = _now, None if second is None else _Branches(first, second)
    try:
        yield
        if _now and _now.under_way:
            _now.meet(_now.under_way[-1])
    finally:
        if _now:
            _now.under_way.clear()  # after an error
        _now = before


@contextlib.contextmanager
def beside(*reads: Any) -> Iterator[Work | None]:
    """Queue the work of the block beside what follows it; it reads these arrays, which nobody may write meanwhile.

    Return the work, which `wait` waits for; None where nothing branches.
    """
    if _now is None or _now.on_second or choices.implementation("cuda") != "kernels":
        yield None
        return
    work = Work(_now, reads)
    with _now.fork(work):
        yield work


def _event_of(stream: Any) -> Any:
    """Return an event behind all that a stream has been given so far."""
    import cupy

    event = cupy.cuda.Event(disable_timing=True)
    event.record(stream)
    return event
