"""Give mutated files and words to the real commands: python -m tests.fuzz --seed 1 --count 5000"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from tests.fuzz import worker
from tests.fuzz.pool import Fault, done
from tests.fuzz.readers import READERS, is_there, reader_of


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of all cases (1)")
    parser.add_argument("--count", type=int, default=2000, help="number of cases (2000)")
    parser.add_argument("--case", type=int, help="do only this case, and leave its input in the folder --keep")
    parser.add_argument("--reader", choices=READERS, help="do only the cases of this reader")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="helper processes (one per core)")
    keep = Path("build/fuzz")
    parser.add_argument("--keep", type=Path, default=keep, help=f"folder where failing inputs are kept ({keep})")
    return parser


def main() -> int:
    """Run the command line; return 0 where no case went wrong, else 1."""
    given = parser().parse_args()
    cases = range(given.count) if given.case is None else [given.case]
    chosen = [case for case in cases if is_there(reader_of(case)) and given.reader in (None, reader_of(case))]
    start, faults = time.monotonic(), list[Fault]()
    with tqdm(total=len(chosen), unit="case", disable=None) as bar:

        def each(case: int, fault: Fault | None) -> None:
            bar.update()
            if fault:
                faults.append(fault)
                bar.write(told(given.seed, fault, kept(given.seed, case, given.keep)))

        done(given.seed, chosen, given.jobs, each)
    if given.case is not None and not faults:
        print(f"nothing is wrong; the input lies in {kept(given.seed, given.case, given.keep)}")
    print(f"{len(chosen):,} cases of seed {given.seed} in {time.monotonic() - start:.0f} s: {len(faults):,} faults")
    for kind, count in Counter(map(kind_of, faults)).most_common():
        print(f"{count:6,}  {kind}")
    return bool(faults)


def told(seed: int, fault: Fault, folder: Path) -> str:
    """Return what is said of a fault, with the command that repeats it."""
    again = f"python -m tests.fuzz --seed {seed} --case {fault.case}"
    return f"{reader_of(fault.case)}: {' '.join(fault.command)}\n{fault.text}\ninput: {folder}\nagain: {again}\n"


def kind_of(fault: Fault) -> str:
    """Return a fault's reader and last line without its numbers, by which equal faults are counted."""
    last = fault.text.strip().splitlines()[-1][:150]
    return f"{reader_of(fault.case)}: " + re.sub(r"\d+", "N", last)


def kept(seed: int, case: int, keep: Path) -> Path:
    """Write the input of a case where it stays; return its folder."""
    folder, here = (keep / f"{seed}-{case}").absolute(), Path.cwd()
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as box, contextlib.redirect_stdout(io.StringIO()):
        try:
            worker.made(seed, case, Path(box) / "case")
        except Exception as error:  # noqa: BLE001  (a mutation of ours that raises is a fault like any other)
            (Path(box) / "case/not-made.txt").write_text(str(error))
        finally:
            os.chdir(here)
        shutil.copytree(Path(box) / "case", folder, symlinks=True, copy_function=copy)
    return folder


def copy(source: str, target: str) -> None:
    """Copy a file; pipes and sockets are left out."""
    if os.path.isfile(source):
        shutil.copy2(source, target)


if __name__ == "__main__":
    sys.exit(main())
