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

import atexit
import ctypes
import functools
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpunet.kernels.loader import cpu
from gpunet.kernels.loader.arguments import Size, sizes_of
from gpunet.kernels.loader.cpu_source import translate

TRACER = Path(__file__).with_name("trace.cpp")
# These flags keep the code simple: every access in the source stays one access. -g1 keeps the numbers of the lines.
FLAGS = "-O1 -g1 -fno-tree-sra -fno-tree-vectorize -fno-tree-slp-vectorize -fsanitize=thread -c"
# This code is appended to the kernel. trace_thread returns the running thread's number in its block, or -1 where the
# address is no memory on a GPU: the thread's stack (registers there), its parameters (constant memory, at most 4 KB)
# and the variables of the emulation. trace_block returns the number of the running block.
WHERE = """
template <class T>
__attribute__((no_sanitize_thread)) static bool lies_in(const char* p, const T* object, size_t count = 1) {
    return p >= (const char*) object && p < (const char*) (object + count);
}
extern "C" __attribute__((no_sanitize_thread)) int trace_thread(const void* pointer) {
    const char *p = (const char*) pointer, *here = (const char*) __builtin_frame_address(0);
    const size_t stacks = MOST_THREADS * STACK_STRIDE;
    if (!runner || !lies_in(here, runner->stacks, stacks) || lies_in(p, runner->stacks, stacks) || lies_in(p, runner) ||
        lies_in(p, &runner) || lies_in(p, (const char*) runner->arguments, 4096) || lies_in(p, &threadIdx) ||
        lies_in(p, &blockIdx) || lies_in(p, &blockDim) || lies_in(p, &gridDim))
        return -1;
    return runner->current;
}
extern "C" __attribute__((no_sanitize_thread)) long long trace_block() {
    return blockIdx.x + gridDim.x * (blockIdx.y + (long long) gridDim.y * blockIdx.z);
}
"""
# The heads of the functions in on_cpu/ that tell who comes first, and a call that each gets.
BARRIERS = {"inline void __syncthreads() {": 1, "inline void __syncwarp(unsigned mask = 0xffffffffu) {": 0}
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
    array: str | None  # the kernel's name of the array; None: shared memory
    element: int  # of the array's element; behind its end or negative for "outside"
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


def _add(seen: Seen, module: cpu.CpuModule, name: str, args: Sequence[Any]) -> None:
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


def _arrays(module: cpu.CpuModule, name: str, args: Sequence[Any]) -> list[tuple[str, int]]:
    """Return name and bytes of an element for each array of a launch."""
    pairs = zip(module.entries[name].parameters, args, strict=True)
    return [(p.name, arg.itemsize) for p, arg in pairs if isinstance(arg, np.ndarray)]


def _worst(module: cpu.CpuModule, name: str, args: Sequence[Any]) -> dict[str, Worst]:
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


def _faults(module: cpu.CpuModule, name: str, args: Sequence[Any]) -> list[Fault]:
    """Return the faults of the launch that has just ended."""
    arrays, found = _arrays(module, name, args), []
    for kind, fields in zip(KINDS, module.compiled.trace_faults().contents, strict=True):
        number, block, thread, writes, place, array, byte, *other, other_place = fields
        if number:
            name_of, size = arrays[array] if array >= 0 else (None, byte + 1)  # of shared memory: element 0
            lines, first = [_line(module, address) for address in (place, other_place)], (kind, number, block, thread)
            found.append(
                Fault(
                    *first, bool(writes), lines[0], name_of, byte // size, other[0], other[1], bool(other[2]), lines[1]
                )
            )
    return found


def _line(module: cpu.CpuModule, address: int) -> int:
    """Return the line of the kernel file that an address of its library comes from, 0 where it is not known."""
    program = shutil.which("addr2line")
    if not address or program is None:
        return 0
    command = [program, "-i", "-e", str(module.library), hex(address)]  # type: ignore[attr-defined]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    for line in said.splitlines():  # the innermost function first
        path, _, number = line.partition(" ")[0].rpartition(":")
        if path.endswith((f"{Path(module.stem).name}.cu", "<stdin>")) and number.isdigit():
            return int(number)
    return 0


@functools.cache
def load(stem: str, dtype: str) -> cpu.CpuModule:
    """Compile a kernel file together with the tracer, and load it.

    Raises RuntimeError with the compiler's message where it does not compile. `count` and `watch` call it themselves.
    """
    folder = _folder()
    kernel, library = folder / "kernel.o", folder / "kernel.so"
    compiler, *flags = cpu.command(dtype)
    # No OpenMP: blocks one after the other. Of -O2 and -O1 the last one counts.
    flags = [flag for flag in flags if flag not in ("-fopenmp", "-shared")]
    _run([compiler, *flags, *FLAGS.split(), "-x", "c++", "-", "-o", str(kernel)], _with_calls(translate(stem, True)))
    _run([compiler, "-shared", str(_tracer()), str(kernel), "-o", str(library)], "")
    module = cpu.CpuModule(stem, dtype, library)
    module.library = library  # type: ignore[attr-defined]
    module.compiled.trace_counts.restype = ctypes.POINTER((ctypes.c_int64 * len(Count._fields)) * len(NAMES))
    module.compiled.trace_worst.restype = ctypes.POINTER((ctypes.c_int64 * 35) * len(NAMES))
    module.compiled.trace_faults.restype = ctypes.POINTER((ctypes.c_int64 * 11) * len(KINDS))
    return module


@functools.cache
def _tracer() -> Path:
    """Compile trace.cpp, once for all kernels of this process."""
    made = _folder() / "trace.o"
    _run([cpu.command("float32")[0], "-std=c++17", "-O2", "-fPIC", "-c", str(TRACER), "-o", str(made)], "")
    return made


def _folder() -> Path:
    """Return a new folder that is deleted when Python ends: a library stays on the disk for its line numbers."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _with_calls(text: str) -> str:
    """Return the C++ text of a kernel file with a call in each barrier, and with the functions of WHERE."""
    for head, whole_block in BARRIERS.items():
        assert head in text, f"on_cpu/ has no {head}"
        call = f"trace_barrier(runner->current, {whole_block});"
        text = text.replace(head, f'extern "C" void trace_barrier(int, bool); {head} {call}')
    return text + WHERE


def _run(command: list[str], text: str) -> None:
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}\ncannot build the traced kernel:\n{done.stderr.strip()}")
