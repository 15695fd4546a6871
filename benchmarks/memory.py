"""Compare the memory that dcgan.memory expects of a training with the peak that the training reaches on this CPU.

    python -m benchmarks.memory

Each training has a process of its own, of two steps with a sample grid and a checkpoint. A row says what was expected,
the peak of the process (its largest resident set), and by how much the estimate is off.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dcgan import memory, presets, train

CASES = (
    "--width 32 --batch-size 32", "--width 64 --batch-size 64", "--width 32 --batch-size 128",
    "--width 32 --batch-size 512", "--width 64 --batch-size 256", "--preset carpedm20 --width 32",
    "--image-size 128 --width 32 --batch-size 16", "--preset resnet --width 32 --batch-size 32",
    "--preset paper --batch-size 64",
)  # fmt: skip
RUN = "import sys; from benchmarks import memory; sys.exit(memory.reach(sys.argv[1:]))"
MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Train each case and print the table; return 1 where a training fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="TEXT", default="", help="only the cases with this text in their options")
    only, failed = parser.parse_args(arguments).only, 0
    print(f"{'options':48} {'expected MiB':>12} {'peak MiB':>9} {'off by':>7}", flush=True)
    for case in CASES:
        if only in case:
            peak = peak_of(case.split())
            failed += peak is None
            expected = expectation(case.split())
            off = f"{100 * (expected / peak - 1):+.0f} %" if peak else "failed"
            print(f"{case:48} {expected / MIB:12,.0f} {(peak or 0) / MIB:9,.0f} {off:>7}", flush=True)
    return int(failed > 0)


def expectation(words: Sequence[str]) -> float:
    """Return the bytes that dcgan.memory expects of a training with these options."""
    given = vars(train.parser().parse_args(list(words)))
    config = presets.config_of({name: value for name, value in given.items() if name in presets.config_of({}).__dict__})
    return memory.need(config).of(config.batch_size)


def peak_of(words: Sequence[str]) -> float | None:
    """Return the largest resident set, in bytes, of a training with these options; None where it fails."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    ended = subprocess.run([sys.executable, "-c", RUN, *words], env=environment, capture_output=True, text=True)
    return float(ended.stdout.split()[-1]) if ended.returncode == 0 else None


def reach(words: Sequence[str]) -> int:
    """Train two steps in this process; print its largest resident set in bytes."""
    with tempfile.TemporaryDirectory() as out:
        status = train.main([*words, "--steps", "2", "--device", "cpu", "--no-progress", "--out", out])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)  # Linux counts KiB
    return status


if __name__ == "__main__":
    sys.exit(main())
