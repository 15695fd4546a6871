"""Turn a CUDA source file into C++: kernels become inline functions, and each gets a C function that runs its grid."""

from __future__ import annotations

import functools
import re

import numpy as np

from gpunet.kernels.loader import source
from gpunet.kernels.loader.signature import Entry, entries
from gpunet.kernels.loader.source import FOLDER

INDICES = (
    "const Index3 gridDim, const Index3 blockDim, const Index3 blockIdx, const Index3 threadIdx, const bool whole_block"
)
HEAD = re.compile(r'extern(\s+)"C"(\s+)__global__(\s+)void(\s+)(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)(\s*)\(')
DYNAMIC_SHARED = re.compile(r"\bextern\s+__shared__\s+([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;")

FAST = """
EXPORT int {name}(const Launch* launch_, const {name}_arguments* arguments_) {{
    const Launch launch = *launch_;
    const {name}_arguments arguments = *arguments_;
    run_fast<{split}>(launch, [=](Index3 block_, Index3 thread_, auto whole_) __attribute__((always_inline)) {{
        {name}_thread({values}launch.grid, launch.block, block_, thread_, whole_.value);
    }});
    return 0;
}}
"""
EXACT = """
EXPORT int {name}(const Launch* launch_, const {name}_arguments* arguments_) {{
    return run_exact(*launch_, *arguments_, [](const void* pointer_) {{
        [[maybe_unused]] const {name}_arguments& arguments = *(const {name}_arguments*) pointer_;
        {name}_thread({values});
    }});
}}
"""


@functools.cache
def machinery() -> str:
    """Return the text of all that `translate` uses beside the kernel file, so that a change there makes a new build."""
    files = sorted([*FOLDER.glob("on_cpu/*.h"), *FOLDER.glob("loader/*source.py")])
    return "".join(path.read_text(encoding="utf-8") for path in files)


def translate(stem: str, exact_only: bool = False) -> str:
    """Return the complete C++ text of a kernel file, in which -DREAL=... still has to say what `real` is.

    `exact_only` puts all kernels on the exact path.
    """
    text = source.text_of(stem)
    found = entries(text, np.dtype("float32"))
    names = {entry.name for entry in found}
    exact = names if exact_only else source.cooperative(text, list(names))
    headers = ["cuda_on_cpu.h", *(["fibers.h", "block_on_cpu.h", "warp_on_cpu.h"] if exact else [])]
    split = ["whole_block" in text[slice(*entry.body)] for entry in found]
    for entry in reversed(found):  # from the end, so that the positions before stay right
        start, end = entry.head
        text = text[:start] + _thread_function(text[start:end], entry, entry.name in exact) + text[end:]
    text = re.sub(r"#pragma unroll(?=\s*\n)", "#pragma GCC unroll 64", text)
    text = re.sub(r"#pragma unroll\s*\(?(\d+)\)?", r"#pragma GCC unroll \1", text)
    text = DYNAMIC_SHARED.sub(r"\1* const \2 = (\1*) runner->shared;", text)
    text = re.sub(r"__shared__(\s+alignas\s*\(\w+\))?", r"\1 static thread_local", text)
    runners = "".join(_runner(entry, entry.name in exact, split) for entry, split in zip(found, split, strict=True))
    return "".join(source.read(FOLDER / "on_cpu" / name) for name in headers) + text + runners


def _thread_function(head: str, entry: Entry, exact: bool) -> str:
    """Rewrite `extern "C" __global__ void name(list) {` on the same number of lines."""
    kind = "static" if exact else "inline __attribute__((always_inline))"
    head = HEAD.sub(rf"{kind}\1\2\3void\4{entry.name}_thread\6(", head)
    if exact:
        return head
    close = head.rindex(")")
    return head[:close] + (", " if entry.parameters else "") + INDICES + head[close:]


def _runner(entry: Entry, exact: bool, split: bool) -> str:
    """Return the struct of a kernel's arguments and the C function that Python calls."""
    fields = "".join(
        f" {'const ' if p.pointer and not p.writes else ''}{p.type}{'*' if p.pointer else ''} {p.name};"
        for p in entry.parameters
    )
    values = ", ".join(f"arguments.{p.name}" for p in entry.parameters)
    values += ", " if values and not exact else ""
    template = EXACT if exact else FAST
    return f"struct {entry.name}_arguments {{{fields} }};" + template.format(
        name=entry.name, values=values, split=str(split).lower()
    )
