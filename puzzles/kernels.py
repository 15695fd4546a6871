"""Judge a kernel: run it on the CPU thread by thread, compare its results, and count what it asks of memory.

A page has the name KERNEL of its kernel, RESULTS, the arrays that it writes, which come first in its parameter list,
cases(), which are launches, and right(*args), the expected results. MISTAKES are those of arrays.py. TARGETS are the
lines of the score, measured in the last case. Beyond these no kernel may race or touch what lies beyond an array.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from gpunet import kernels
from gpunet.kernels import tracer
from gpunet.kernels.loader import signature
from puzzles.answer import Case, Stopped, Trying, judge_result

TOLERANCE = 1e-5  # of float32, relative to the largest number: sums of some hundred terms in any order
ARCHITECTURE = "sm_80"  # whose registers are shown
Counts = dict[str, tracer.Count]


class Launched(NamedTuple):
    """A launch to try: words for it, blocks, threads of a block, and the kernel's arguments."""

    said: str
    grid: Any
    block: Any
    args: tuple[Any, ...]


class Target(NamedTuple):
    """A line of the score: its name, how it is counted, the most that it may be, and what to do about more."""

    name: str
    value: Callable[[Counts], float]
    most: float
    advice: str


def conflicts(counts: Counts) -> float:
    """Return how many turns of shared memory the kernel waits for because lanes want different words of one bank."""
    both = counts["shared load"] + counts["shared store"]
    return both.needed - both.least


def per_request(kind: str) -> Callable[[Counts], float]:
    """Return a function for the sectors of a request of this kind, such as "global load"."""
    return lambda counts: counts[kind].per_request


NEIGHBOURS = "neighbouring threads (threadIdx.x) should touch neighbouring numbers, 32 of which are 4 sectors."
SECTORS = [
    Target("sectors per load", per_request("global load"), 4, NEIGHBOURS),
    Target("sectors per store", per_request("global store"), 4, NEIGHBOURS),
]
NO_CONFLICTS = Target("bank conflicts", conflicts, 0, "lanes of a warp want different words of one bank (word % 32).")


def judge(page: ModuleType, path: Path, trying: Trying) -> tuple[bool, list[str]]:
    """Return whether a puzzle is solved, and the lines to say."""
    if not kernels.compiler_available():
        raise Stopped("a C++ compiler is needed to run kernels without a GPU: install g++, or set CXX")
    _check_head(page, path)
    stem = str(path.resolve().with_suffix(""))
    if sys.stderr.isatty():
        print("compiling ...", file=sys.stderr, flush=True)
    _compile(stem, path)
    found, faults, added = [], [], set[str | None]()
    for case in page.cases():
        with trying(case.said):
            results, seen = _run(page, stem, case)
        found.append(results)
        faults += seen.faults
        if atomic := seen.worst.get("global atomic"):
            added.add(atomic.array)
    values_right, lines = _values(page, found, added)
    wrong = _faults(faults)
    if values_right and wrong:
        lines[-1] = f"{page.RESULTS[-1]} is right here, but:"
    if not values_right:  # a race or an access beyond an array may be the reason; the score can wait
        return False, lines + wrong
    met, score = _score(page, seen, faults)
    return met and not wrong, [*lines, *wrong, *score, *_registers(stem, page)]


def _check_head(page: ModuleType, path: Path) -> None:
    """Raise Stopped where the file has no such kernel, or one with other parameters."""
    try:
        own = {e.name: e for e in signature.entries(path.read_text("utf-8"), np.dtype("float32"))}
    except ValueError as error:
        raise Stopped(f"{path.name}: {error}") from None
    (wanted,) = signature.entries(page.STUB, np.dtype("float32"))
    if page.KERNEL not in own:
        raise Stopped(f'{path.name} has no kernel {page.KERNEL}: keep the line with extern "C" as it was')
    if own[page.KERNEL].parameters != wanted.parameters:
        names = ", ".join(p.name for p in wanted.parameters)
        raise Stopped(f"the parameters of {page.KERNEL} have changed: the checker passes {names}")


def _compile(stem: str, path: Path) -> None:
    """Compile the file. Raises Stopped with the first message of the compiler, its line and the text of that."""
    try:
        tracer.load(stem, "float32")
    except OSError as error:
        raise Stopped(f"{path.name} includes a file that is not there: {error.filename}") from None
    except RuntimeError as error:
        said = re.search(rf"{re.escape(path.stem)}\.cu:(\d+):\d+: (?:fatal )?error: (.*)", str(error))
        if not said:
            raise Stopped(f"{path.name} does not compile: {str(error).splitlines()[-1]}") from None
        lines = path.read_text("utf-8").splitlines()
        text = lines[int(said[1]) - 1].strip() if int(said[1]) <= len(lines) else ""
        raise Stopped(f"{path.name}, line {said[1]}: {said[2]}\n    {text}") from None


def _run(page: ModuleType, stem: str, case: Launched) -> tuple[list[np.ndarray], tracer.Seen]:
    """Launch a case. Raises Stopped where some threads wait for others that never come."""
    args = tuple(arg.copy() if isinstance(arg, np.ndarray) else arg for arg in case.args)
    try:
        seen = tracer.watch(lambda launch: launch(f"{stem}.{page.KERNEL}", case.grid, case.block, args))
    except RuntimeError as error:
        raise Stopped(f"{case.said}: {str(error).rpartition('): ')[2]}") from None
    return list(args[: len(page.RESULTS)]), seen


def _values(
    page: ModuleType, found: Sequence[list[np.ndarray]], added: Collection[str | None]
) -> tuple[bool, list[str]]:
    """Return whether all results are right, with a sentence about each; added: the arrays to which atomics add."""
    launched = page.cases()
    cases = [Case(case.said, case.args) for case in launched]
    right = [page.right(*case.args) for case in cases]
    lines, all_right = [], True
    for i, name in enumerate(page.RESULTS):
        wanted = [values[i] if isinstance(values, tuple) else values for values in right]
        own = [results[i] for results in found]
        missing = [np.isnan(o) & ~np.isnan(w) for o, w in zip(own, wanted, strict=True)]
        ok, said = judge_result(name, cases, own, wanted, page.MISTAKES.get(name, []), TOLERANCE)
        unknown = said.startswith((f"{name} is not a finite", f"{name} is wrong"))
        if unknown and any(places.any() for places in missing):
            said = _unwritten(name, cases, missing, name in added)
        lines.append(said)
        all_right &= ok
    return all_right, lines


def _unwritten(name: str, cases: list[Case], missing: list[np.ndarray], added: bool) -> str:
    """Return a sentence for a result with places that have no number; added: atomics add to it."""
    if added:
        return f"{name} is not set to 0 before the launch: atomicAdd adds to what lay there."
    case, places = next((case, places) for case, places in zip(cases, missing, strict=True) if places.any())
    first = ", ".join(str(int(i)) for i in np.argwhere(places)[0])
    if places.all():
        return f"{name} holds no numbers yet: no thread has written to it, or only what lies beyond an array."
    return (
        f"{name} has no number in {places.sum()} of {places.size} places, the first is [{first}]: no thread writes "
        f"there, or it writes what lies beyond the end of an array.\n    {case.said}"
    )


def _faults(faults: list[tracer.Fault]) -> list[str]:
    """Return a sentence for the first fault of each kind, with the number of those in all cases."""
    kinds = list(dict.fromkeys(fault.kind for fault in faults))
    alike = [[fault for fault in faults if fault.kind == kind] for kind in kinds]
    return [_words(same[0]._replace(number=sum(fault.number for fault in same))) for same in alike]


def _words(fault: tracer.Fault) -> str:
    does, line = "writes" if fault.writes else "reads", f" (line {fault.line})" if fault.line else ""
    who = f"thread {fault.thread} of block {fault.block}"
    word = f"word {fault.element} of {fault.array}" if fault.array else "a word of shared memory"
    what = word if fault.shared else f"{fault.array}[{fault.element}]"
    if fault.kind == "outside":
        side = "before its begin" if fault.element < 0 else "beyond its end"
        return f"Outside: {who} {does} {what}{line}, {side}; {fault.number} such accesses."
    other = f"{'writes' if fault.other_writes else 'reads'}{f' (line {fault.other_line})' if fault.other_line else ''}"
    if fault.kind == "shared race" or fault.block == fault.other_block:
        return (
            f"Race: {who} {does} {what}{line} that thread {fault.other_thread} {other}, and no __syncthreads() stands "
            f"between; {fault.number} such pairs. Here threads run one after another; on a GPU either may come first."
        )
    return (
        f"Race: {who} {does} {what}{line} that block {fault.other_block} {other}; "
        f"{fault.number} such pairs. Blocks have no order, and no barrier reaches beyond a block."
    )


def _score(page: ModuleType, seen: tracer.Seen, faults: list[tracer.Fault]) -> tuple[bool, list[str]]:
    """Return whether the targets are met, and the lines of the score."""
    lines, met = [], True
    for target in page.TARGETS:
        value = target.value(seen.counts)
        ok = value <= target.most + 1e-9
        met &= ok
        lines.append(f"{target.name}: {value:.4g} (target {target.most:g})" + ("" if ok else f": {target.advice}"))
        if not ok:
            lines += _picture(target.name, seen.worst)
    races = sum(fault.number for fault in faults if fault.kind != "outside")
    return met, [*lines, f"races: {races} (target 0)"]


def _picture(target: str, worst: dict[str, tracer.Worst]) -> list[str]:
    """Return a line about what the lanes of the worst request touch, for the targets of sectors and banks."""
    for name, kind in (("sectors per load", "global load"), ("sectors per store", "global store")):
        if target == name and kind in worst:
            one = worst[kind]
            numbers = [f"{one.array}[{element}]" for element in one.elements]
            shown = ", ".join(numbers[:3]) + (f" ... {numbers[-1]}" if len(numbers) > 3 else "")
            return [
                f"    a warp {'loads' if kind == 'global load' else 'stores'} {shown}: {one.needed} sectors at once"
            ]
    shared = [worst[kind] for kind in ("shared load", "shared store") if kind in worst]
    if target != NO_CONFLICTS.name or not shared:
        return []
    most = max(shared)
    return [
        f"    the worst request of a warp uses {len(set(most.elements))} of the 32 banks and takes {most.needed} turns"
    ]


def _registers(stem: str, page: ModuleType) -> list[str]:
    """Return a line with the registers of a thread where NVRTC is installed; they are shown, not judged."""
    try:
        from cupy_backends.cuda.libs import nvrtc

        from gpunet.kernels.loader.cubin import compiled
        from gpunet.kernels.loader.cuda import options_of_nvrtc
        from gpunet.kernels.loader.source import text_of

        version = ".".join(map(str, nvrtc.getVersion()))
        options = (*options_of_nvrtc("float32"), f"-arch={ARCHITECTURE}", "--ptxas-options=-v")
        log = compiled(nvrtc, Path(stem).name, text_of(stem), options)[1]
    except kernels.BuildError as error:
        said = [line for line in str(error).splitlines() if "error" in line]
        return [f"For a GPU it does not compile: {said[-1] if said else error}"]
    except Exception:  # CuPy's loader raises several types where it or NVRTC is missing
        return ["registers: not known (pip install 'gpunet[nvrtc]' compiles for a GPU without one)"]
    found = re.search(r"Used (\d+) registers", log.partition(f"'{page.KERNEL}'")[2])
    return [f"registers: {found[1]} of a thread ({ARCHITECTURE}, NVRTC {version})"] if found else []
