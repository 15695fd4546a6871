"""Count the memory requests of a kernel's warps on the CPU: sectors of global memory, wavefronts of shared memory.

    counts = count(lambda launch: ladder.matmul("naive", a, b, launch=launch))
    counts["global load"]     # Count(requests, bytes, needed, least)
    seen = watch(lambda launch: launch("/my/kernels.copy", 4, 256, (y, x, x.size)))
    seen.faults               # [Fault(kind="outside", ...)]: races, and accesses beyond the ends of arrays
    seen.worst["global load"]  # Worst(needed, array, elements): what the lanes of one of the worst requests touch

A request is one instruction of a warp; its lanes are the warp's 32 threads. Global memory answers in sectors of 32
bytes, shared memory in wavefronts (trace.cpp). The kernel is compiled as C++ and runs thread by thread, as in the
tests, and trace.cpp gets the address of each access in the source. A GPU's compiler may join some accesses (four
neighbouring 4-byte loads of a thread into one of 16 bytes) or drop repeated ones, and caches are not counted. The count
shows which sectors and banks the lanes of a warp touch together.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunet.kernels.loader import cpu
from gpunet.kernels.loader.arguments import Size, sizes_of
from gpunet.kernels.tracer.build import TracedModule, load

MARGIN = 1 << 16  # bytes before and behind each array of `watch`: an access there harms nothing, and is noted
Launch = Callable[..., None]
NAMES = ("global load", "global store", "global atomic", "shared load", "shared store", "shared atomic")


class Count(NamedTuple):
    """The sums over all requests of one kind."""

    requests: int  # of warps
    bytes: int  # requested by the lanes
    needed: int  # sectors or wavefronts that the requests took
    least: int  # sectors if the same bytes lay side by side, wavefronts without bank conflicts

    def __add__(self, other: tuple) -> Count:
        return Count(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def per_request(self) -> float:
        """Return sectors or wavefronts per request, 0 where there was none."""
        return self.needed / self.requests if self.requests else 0.0


class Fault(NamedTuple):
    """The first fault of a kind in a launch."""

    kind: str  # "outside", "shared race" or "global race"
    number: int  # how many of the kind there are
    block: int  # its number: blockIdx.x + gridDim.x (blockIdx.y + gridDim.y blockIdx.z)
    thread: int  # its number in the block, counted in the same way
    writes: bool
    line: int  # in the kernel file, 0 where it is not known
    shared: bool  # an array in shared memory
    array: str | None  # the kernel's name of the array; None: shared memory whose names are not known
    element: int  # of the array, in shared memory a word of 4 bytes's element; behind its end or negative for "outside"
    other_block: int  # the rest: the access that it races with
    other_thread: int
    other_writes: bool
    other_line: int


class Worst(NamedTuple):
    """The first of those requests of a kind that needed most sectors or wavefronts, in all launches."""

    needed: int
    array: str | None  # the kernel's name of the array; None: shared memory
    elements: tuple[int, ...]  # of the array, by lane; for shared memory the bank of each lane's first word


class Seen(NamedTuple):
    """What `watch` has seen: counts by NAMES, faults, and the worst request of each kind that there was."""

    counts: dict[str, Count]
    faults: list[Fault]
    worst: dict[str, Worst]


KINDS = ("outside", "shared race", "global race")


def count(run: Callable[[Launch], Any]) -> dict[str, Count]:
    """Call run(launch) and return the counts of the kernels that it launches, by NAMES.

    `launch` is called like `kernels.launch`, with NumPy arrays. Raises RuntimeError where there is no C++ compiler.
    """
    return _traced(run, 0).counts


def watch(run: Callable[[Launch], Any]) -> Seen:
    """Do what `count` does, and also look for faults: the first of each kind for each launch is kept."""
    return _traced(run, MARGIN)


def _traced(run: Callable[[Launch], Any], margin: int) -> Seen:
    seen = Seen({name: Count(0, 0, 0, 0) for name in NAMES}, [], {})

    def launch(entry: str, grid: Size, block: Size, args: Sequence[Any], shared: int = 0) -> None:
        stem, _, name = entry.rpartition(".")
        given = [arg for arg in args if isinstance(arg, np.ndarray)]
        module = load(stem, next((a.dtype.name for a in given if a.dtype.name in cpu.C_REAL), "float32"))
        arrays = [_with_margins(array, margin) for array in given]
        rest = iter(arrays)
        own = [next(rest) if isinstance(arg, np.ndarray) else arg for arg in args]
        begins = (ctypes.c_size_t * len(arrays))(*(array.ctypes.data for array in arrays))
        ends = (ctypes.c_size_t * len(arrays))(*(array.ctypes.data + array.nbytes for array in arrays))
        module.compiled.trace_begin(len(arrays), begins, ends, ctypes.c_size_t(margin), margin > 0)
        module.launch(name, *sizes_of(entry, grid, block, shared), own, shared, whole=False)
        module.compiled.trace_end_of_block()
        _add(seen, module, name, own)
        if margin:
            for array, copy in zip(given, arrays, strict=True):
                array[...] = copy

    run(launch)
    return seen


def _add(seen: Seen, module: TracedModule, name: str, args: Sequence[Any]) -> None:
    """Add what the launch that has just ended has shown."""
    for kind, counted in zip(NAMES, module.compiled.trace_counts().contents, strict=True):
        seen.counts[kind] += Count(*counted)
    seen.faults.extend(_faults(module, name, args))
    for kind, one in _worst(module, name, args).items():
        if kind not in seen.worst or one.needed > seen.worst[kind].needed:
            seen.worst[kind] = one


def _with_margins(array: np.ndarray, margin: int) -> np.ndarray:
    """Return a copy of an array with memory of nobody's on both sides, all ones (NaN in floats); margin 0: itself."""
    if not margin:
        return array
    room = np.full(array.nbytes + 2 * margin, 0xFF, np.uint8)
    copy = room[margin : margin + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _arrays(module: TracedModule, name: str, args: Sequence[Any]) -> list[tuple[str, int]]:
    """Return name and bytes of an element for each array of a launch."""
    pairs = zip(module.entries[name].parameters, args, strict=True)
    return [(p.name, arg.itemsize) for p, arg in pairs if isinstance(arg, np.ndarray)]


def _worst(module: TracedModule, name: str, args: Sequence[Any]) -> dict[str, Worst]:
    """Return the worst request of each kind in the launch that has just ended."""
    arrays, found = _arrays(module, name, args), {}
    begins = [arg.ctypes.data for arg in args if isinstance(arg, np.ndarray)]
    for kind, (needed, array, lanes, *addresses) in zip(NAMES, module.compiled.trace_worst().contents, strict=True):
        if needed and array < 0:
            found[kind] = Worst(needed, None, tuple(address // 4 % 32 for address in addresses[:lanes]))
        elif needed:
            first, (own, size) = begins[array] // 32 * 32, arrays[array]
            found[kind] = Worst(needed, own, tuple((address - first) // size for address in addresses[:lanes]))
    return found


def _faults(module: TracedModule, name: str, args: Sequence[Any]) -> list[Fault]:
    """Return the faults of the launch that has just ended."""
    own: dict[int, tuple[str | None, int]] = {-1: (None, 4)}
    own |= dict(enumerate(_arrays(module, name, args))) | {-2 - n: (each, 4) for n, each in enumerate(module.shared)}
    found = []
    for kind, fields in zip(KINDS, module.compiled.trace_faults().contents, strict=True):
        number, block, thread, writes, place, array, byte, *other, other_place = fields
        if number:
            name_of, size = own[array]
            line, other_line = (module.line(address) for address in (place, other_place))
            who, where = (kind, number, block, thread, bool(writes)), (line, array < 0, name_of, byte // size)
            found.append(Fault(*who, *where, other[0], other[1], bool(other[2]), other_line))
    return found
