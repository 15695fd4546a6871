"""Count the instructions of a kernel by class, in its machine code if a disassembler is found, else in its PTX.

Instructions are counted in the text of the program, not as executed: a loop's body counts once. A comparison of two
versions of a kernel shows what the compiler did, such as loads joined to 16 bytes or products on tensor cores.
"""

from __future__ import annotations

import collections
import functools
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from benchmarks.static.machine_code import Code, ptx

# class -> (pattern of machine instructions, pattern of PTX instructions); the name must begin with the pattern
CLASSES = {
    "arithmetic": (r"[FD](ADD|MUL|FMA)", r"(fma|add|mul|sub)\.(rn\.)?(ftz\.)?f(32|64)"),
    "tensor core": (r"[HDI]MMA", r"mma\.sync"),
    "global load": (r"LDG\b", r"ld\.(volatile\.)?global"),
    "global store": (r"STG", r"st\.(volatile\.)?global"),
    "async copy": (r"LDGSTS", r"cp\.async\.c[ag]"),
    "matrix load": (r"LDSM", r"ldmatrix"),
    "wide shared load": (r"LDS[\w.]*\.128", r"ld\.(volatile\.)?shared\.v4\.\w32|ld\.(volatile\.)?shared\.v2\.\w64"),
    "shared load": (r"LDS", r"ld\.(volatile\.)?shared"),
    "shared store": (r"STS", r"st\.(volatile\.)?shared"),
    "local memory": (r"LDL|STL", r"(ld|st)\.local"),
    "atomic": (r"RED\b|ATOM|REDG", r"(red|atom)\."),
    "shuffle": (r"SHFL", r"shfl\."),
    "barrier": (r"BAR", r"(bar|barrier)\."),
}
# An instruction under the condition @!PT is never carried out, and not counted.
SASS_LINE = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@(?!!PT)!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", re.M)
LABEL = re.compile(r"^(\.L_\w+):")
BRANCH = re.compile(r"\bBRA\b.*?(\.L_\w+)")
PRODUCT = re.compile(r"[HDI]G?MMA\b")
PTX_LINE = re.compile(r"^\s*(?:@!?%p\d+\s+)?([a-z][\w.]*)[ \t;]", re.M)


@functools.cache
def disassembler() -> str | None:
    """Return the path of nvdisasm on PATH, in a CUDA toolkit or from pip (nvidia-cuda-nvdisasm), or None."""
    places = [os.environ.get("PATH", ""), os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin")]
    packages = Path(sysconfig.get_path("purelib"), "nvidia")
    places += map(str, packages.glob("*/bin"))
    return shutil.which("nvdisasm", path=os.pathsep.join(places))


def mix(stem: str, dtype: str, arch: str, code: Code, entry: str) -> collections.Counter[str]:
    """Return the number of a kernel's instructions in each class of CLASSES; all others count as "other"."""
    names = machine_instructions(code.cubin, entry) if disassembler() else _ptx(ptx(stem, dtype, arch), entry)
    patterns = {name: re.compile(pair[0 if disassembler() else 1]) for name, pair in CLASSES.items()}
    counts: collections.Counter[str] = collections.Counter()
    for name in names:
        if name != "NOP":  # fills the last line of the instruction cache
            counts[next((c for c, pattern in patterns.items() if pattern.match(name)), "other")] += 1
    return counts


def machine_instructions(cubin: bytes, entry: str) -> list[str]:
    """Return the names of a kernel's machine instructions, in the order of the program. It needs `disassembler()`."""
    return SASS_LINE.findall(disassembled(cubin)[entry])


def disassembled(cubin: bytes) -> dict[str, str]:
    """Return the machine code of every kernel as text, by the kernel's name. It needs `disassembler()`."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [disassembler() or "", "--print-code", file.name]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    parts = re.split(r"^\.text\.(\w+):", done.stdout, flags=re.M)  # text, name, text, name, text, ...
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def main_loop(text: str) -> list[str]:
    """Return the names of the instructions of the shortest loop with products on tensor cores; [] where none is.

    If loops with products also start copies to shared memory, it is the shortest of these: it may hold a shorter loop,
    over the taps that one stage of copies serves.

    text: a kernel's machine code as nvdisasm prints it. A loop is a branch back to a label, and all between.
    """
    names: list[str] = []
    labels: dict[str, int] = {}
    loops: list[list[str]] = []
    for line in text.splitlines():
        label, instruction, branch = LABEL.match(line), SASS_LINE.match(line), BRANCH.search(line)
        if label:
            labels[label[1]] = len(names)
        if instruction:
            names.append(instruction[1])
        if instruction and branch and branch[1] in labels:
            loops.append(names[labels[branch[1]] :])
    with_products = [body for body in loops if products(body)]
    copying = [body for body in with_products if any(name.startswith("LDGSTS") for name in body)]
    return min(copying or with_products, key=len, default=[])


def products(names: list[str]) -> int:
    """Return how many of these machine instructions are products on tensor cores."""
    return sum(map(bool, map(PRODUCT.match, names)))


def _ptx(text: str, entry: str) -> list[str]:
    body = re.search(rf"\.entry {entry}\b.*?^}}", text, re.M | re.S)
    return PTX_LINE.findall(body.group()) if body else []
