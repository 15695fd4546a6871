"""`python -m gpunet.kernels`: compile ahead of time, in parallel, what a training step would compile first."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gpunet import kernels
from gpunet.kernels.loader.cpu import C_REAL
from gpunet.kernels.loader.machine import cache_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the files that a training step on this CPU uses. No compiler is no error: NumPy runs instead."""
    parser = argparse.ArgumentParser(prog="python -m gpunet.kernels", description="Compile the kernels for this CPU.")
    parser.add_argument("--dtype", choices=C_REAL, action="append", help="dtype, repeatable (default: float32)")
    parser.add_argument("--all", action="store_true", help="also compile the kernels that only tests run on a CPU")
    options = parser.parse_args(arguments)
    if not kernels.compiler_available():
        print("no C++ compiler: the NumPy reference will run instead of the kernels")
        return 0
    files = [*kernels.libraries(), *kernels.stems()] if options.all else kernels.of_training()
    kernels.build(files, options.dtype or ["float32"])
    print(f"{len(files)} kernel files are ready in {cache_folder()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
