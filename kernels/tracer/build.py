"""Build a kernel file with the tracer in it: a library that tells of every access to memory, with lines and names."""

from __future__ import annotations

import atexit
import ctypes
import functools
import itertools
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from gpunet.kernels.loader import cpu
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
extern "C" __attribute__((no_sanitize_thread, visibility("default"))) const void* trace_runner() { return &runner; }
extern "C" __attribute__((no_sanitize_thread)) long long trace_block() {
    return blockIdx.x + gridDim.x * (blockIdx.y + (long long) gridDim.y * blockIdx.z);
}
"""
# The heads of the functions in on_cpu/ that tell who comes first, and a call that each gets.
BARRIERS = {"inline void __syncthreads() {": 1, "inline void __syncwarp(unsigned mask = 0xffffffffu) {": 0}
ZONE = 1 << 12  # bytes in front of each array in shared memory that belong to nobody
SHARED = re.compile(r"(\s)((?:alignas\s*\(\w+\)\s*)?static thread_local (?!Index3|BlockRunner))")
VARIABLE = re.compile(r": ([0-9a-f]+) +(\d+) TLS .* (\S+)$", re.M)  # value, size and name in the table of readelf
LOCAL = re.compile(r"_ZZ.*E(\d+)([A-Za-z_]\w*)$")  # a local variable's mangled name: its length, and itself
COUNTS, WORST, FAULTS = (6, 4), (6, 35), (3, 11)  # rows and numbers of the tables that trace.cpp returns


class TracedModule(cpu.CpuModule):
    """A kernel file compiled together with the tracer; `shared`: the names of its arrays in shared memory."""

    def __init__(self, stem: str, dtype: str, library: Path) -> None:
        super().__init__(stem, dtype, library)
        self.library = library
        for name, (rows, numbers) in (("counts", COUNTS), ("worst", WORST), ("faults", FAULTS)):
            getattr(self.compiled, f"trace_{name}").restype = ctypes.POINTER((ctypes.c_int64 * numbers) * rows)
        self.compiled.trace_runner.restype = ctypes.c_size_t
        self.shared = self._tell_shared_arrays()

    def line(self, address: int) -> int:
        """Return the line of the kernel file that an address of its library comes from, 0 where it is not known."""
        program = shutil.which("addr2line")
        if not address or program is None:
            return 0
        command = [program, "-i", "-e", str(self.library), hex(address)]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        for line in said.splitlines():  # the innermost function first
            path, _, number = line.partition(" ")[0].rpartition(":")
            if path.endswith((f"{Path(self.stem).name}.cu", "<stdin>")) and number.isdigit():
                return int(number)
        return 0

    def _tell_shared_arrays(self) -> list[str]:
        """Tell the tracer where the arrays in shared memory lie; return their names. Without readelf there are none."""
        found = _shared_variables(self.library, self.compiled.trace_runner())
        arrays = [each for each in found if not each.name.startswith("zone_")]
        numbers = ctypes.c_size_t * len(arrays)
        begins, ends = numbers(*(each.begin for each in arrays)), numbers(*(each.end for each in arrays))
        first = min((each.begin for each in found), default=0)
        last = max((each.end for each in found), default=0)
        self.compiled.trace_shared(len(arrays), begins, ends, ctypes.c_size_t(first), ctypes.c_size_t(last))
        return [each.name for each in arrays]


class Variable(NamedTuple):
    """A thread-local variable of a library and its addresses: on this path shared memory is made of these."""

    name: str
    begin: int
    end: int


def _shared_variables(library: Path, runner: int) -> list[Variable]:
    """Return the variables of kernels, zones included; runner: the address of the variable of that name."""
    program = shutil.which("readelf")
    said = subprocess.run([program, "-sW", library], capture_output=True, text=True).stdout if program else ""
    table = {name: (int(value, 16), int(size)) for value, size, name in VARIABLE.findall(said)}
    if "_ZL6runner" not in table:
        return []
    base = runner - table["_ZL6runner"][0]
    local = [(LOCAL.match(name), *place) for name, place in table.items()]
    return [Variable(match[2][: int(match[1])], base + at, base + at + size) for match, at, size in local if match]


@functools.cache
def load(stem: str, dtype: str) -> TracedModule:
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
    return TracedModule(stem, dtype, library)


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
    """Return the C++ text of a kernel file with a call in each barrier, zones beside shared arrays, and WHERE."""
    for head, whole_block in BARRIERS.items():
        assert head in text, f"on_cpu/ has no {head}"
        call = f"trace_barrier(runner->current, {whole_block});"
        text = text.replace(head, f'extern "C" void trace_barrier(int, bool); {head} {call}')
    zones = itertools.count()

    def with_zone(match: re.Match) -> str:
        return f"{match[1]}[[gnu::used]] static thread_local char zone_{next(zones)}[{ZONE}]; {match[2]}"

    return SHARED.sub(with_zone, text) + WHERE


def _run(command: list[str], text: str) -> None:
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}\ncannot build the traced kernel:\n{done.stderr.strip()}")
