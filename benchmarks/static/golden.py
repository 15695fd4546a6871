"""The figures of the compiled kernels that are kept in golden.json, so that a regression shows without a GPU.

    python -m benchmarks.static.golden               compile everything and write golden.json: some minutes
    python -m benchmarks.static.golden conv2d_mma    only the files whose names begin so

For every kernel and for two architectures: registers, bytes of spilled registers, the main loop's instructions and how
many of them multiply on tensor cores, and the loads of 16 bytes. The main loop is the shortest one with products on
tensor cores. A quarter of a multiprocessor issues one instruction per cycle, so the loop's other instructions delay the
products.

The numbers hold for the version of NVRTC that is written beside them. tests/benchmarks/test_golden.py compares.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from benchmarks.static import machine_code
from benchmarks.static.instructions import SASS_LINE, disassembled, disassembler, main_loop, products
from gpunet import kernels
from gpunet.files import write_atomically
from gpunet.kernels.loader.machine import cache_folder

FILE = Path(__file__).with_name("golden.json")
ARCHITECTURES = ("sm_80", "sm_90")
WIDE_LOAD = re.compile(r"LDG(STS)?\b[\w.]*\.128\b")  # from global memory into registers, or on into shared memory


class Row(NamedTuple):
    """The figures of a kernel for one architecture."""

    kernel: str  # "file.entry"
    arch: str
    registers: int  # of a thread
    spill_bytes: int
    loop: int  # instructions of the main loop, 0 without tensor cores
    products: int  # of these, products on tensor cores
    wide_loads: int  # of 16 bytes, in the whole kernel

    @property
    def loop_per_product(self) -> float:
        """Return the instructions of the main loop for each product on tensor cores, 0 without these."""
        return self.loop / self.products if self.products else 0.0


class Golden(NamedTuple):
    """What golden.json holds."""

    nvrtc: str  # the version that made the numbers
    rows: dict[tuple[str, str], Row]  # by kernel and architecture


def rows_of(stem: str, arch: str) -> list[Row]:
    """Return the figures of every kernel of a file, kept from an earlier run or else from compiling it now.

    Raises RuntimeError where NVRTC or the disassembler is missing.
    """
    if not disassembler():
        raise RuntimeError("nvdisasm is missing: pip install 'gpunet[nvrtc]'")
    print_of = machine_code.fingerprint(stem, "float32", arch) + Path(__file__).read_text(encoding="utf-8")
    kept = cache_folder() / f"golden-{hashlib.sha256(print_of.encode()).hexdigest()[:20]}.json"
    if not kept.exists():
        write_atomically(kept, json.dumps(_compiled(stem, arch)).encode())
    return [Row(*row) for row in json.loads(kept.read_text(encoding="utf-8"))]


def _compiled(stem: str, arch: str) -> list[Row]:
    code = machine_code.compile_file(stem, "float32", arch)
    texts, rows = disassembled(code.cubin), []
    for f in machine_code.figures(stem, "float32", arch, code):
        text = texts[f.kernel.rpartition(".")[2]]
        loop, wide = main_loop(text), sum(map(bool, map(WIDE_LOAD.match, SASS_LINE.findall(text))))
        rows.append(Row(f.kernel, arch, f.registers, f.spill_bytes, len(loop), products(loop), wide))
    return rows


def version() -> str:
    """Return the version of NVRTC, such as "13.0"."""
    return ".".join(map(str, machine_code.nvrtc().getVersion()))


def stems() -> list[str]:
    """Return the files that golden.json has: all that training launches."""
    return [stem for stem in kernels.stems() if not stem.startswith(("ladder/", "winograd/"))]


def read() -> Golden:
    """Return what golden.json holds."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return Golden(content["nvrtc"], {(row[0], row[1]): Row(*row) for row in content["rows"]})


def write(rows: Iterable[Row]) -> None:
    """Write golden.json, a kernel on each line."""
    lines = ",\n".join(f"  {json.dumps(row)}" for row in sorted(rows))
    head = f'{{\n "nvrtc": "{version()}",\n "columns": {json.dumps(Row._fields)},\n "rows": [\n'
    write_atomically(FILE, f"{head}{lines}\n ]\n}}\n".encode())


def main(arguments: list[str]) -> int:
    """Compile the files whose names begin with an argument, or all, and write golden.json; return the exit status."""
    try:
        begins, kept = tuple(arguments) or ("",), read().rows if FILE.exists() else {}
        jobs = [(stem, arch) for stem in stems() if stem.startswith(begins) for arch in ARCHITECTURES]
        if not jobs:
            raise ValueError(f"got {' '.join(arguments)}, expected the beginning of a name of {', '.join(stems())}")
        if arguments and kept and read().nvrtc != version():
            raise ValueError(f"golden.json is of NVRTC {read().nvrtc}, here is {version()}: write it whole")
        with ProcessPoolExecutor(kernels.threads(), mp_context=get_context("spawn")) as pool:
            done = pool.map(rows_of, *zip(*jobs, strict=True))
            found = [row for rows in tqdm(done, total=len(jobs), desc="compiling", unit="file") for row in rows]
    except (OSError, RuntimeError, ValueError) as error:
        print(f"benchmarks.static.golden: {error}", file=sys.stderr)
        return 2
    redone = {stem for stem, _ in jobs}
    others = [row for row in kept.values() if row.kernel.rpartition(".")[0] not in redone]
    write([*found, *(row for row in others if row.kernel.rpartition(".")[0] in stems())])
    print(f"{FILE}: {len(found)} of {len(found) + len(others)} rows made now")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
