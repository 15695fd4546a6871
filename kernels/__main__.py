"""`python -m gpunet.kernels`: compile ahead of time, in parallel, what a training step would compile first."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from tqdm import tqdm

from gpunet import kernels
from gpunet.kernels.loader.cpu import C_REAL
from gpunet.kernels.loader.machine import cache_folder, why_no_gpu

PRECISIONS = ("fp32", "tf32x3", "tf32", "bf16", "fp16")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m gpunet.kernels", description="Compile the kernels for this CPU or GPU, in parallel."
    )
    add = parser.add_argument
    add("--device", default="cpu", choices=("cpu", "cuda"), help="device to compile for (default cpu)")
    add("--dtype", choices=C_REAL, action="append", help="dtype, repeatable (default: float32)")
    add("--precision", choices=PRECISIONS, action="append", help="precision on a GPU, repeatable (default: all)")
    add("--all", action="store_true", help="also compile what a training step here uses only in tests or by --conv")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the files that a training step uses. No C++ compiler is no error: NumPy runs instead. 2: no GPU."""
    options = parse(arguments)
    bar = partial(tqdm, unit="file", desc="compiling", disable=None)  # None: no bar outside a terminal
    dtypes = options.dtype or ["float32"]
    if options.device == "cuda":
        return on_cuda(options, bar, dtypes)
    if not kernels.compiler_available():
        print("no C++ compiler: the NumPy reference will run instead of the kernels")
        return 0
    files = [*kernels.libraries(), *kernels.stems()] if options.all else kernels.of_training()
    kernels.build(files, dtypes, partial(bar, total=len(files) * len(dtypes)))
    print(f"{len(files)} kernel files are ready in {cache_folder()}")
    return 0


def on_cuda(options: argparse.Namespace, bar: partial, dtypes: Sequence[str]) -> int:
    """Build for the current GPU; say in one line where there is none, or where a file does not compile."""
    try:
        import cupy

        capability = cupy.cuda.Device().compute_capability  # raises where there is no GPU
    except Exception as error:  # CuPy missing, no driver, no GPU: each raises a class of its own
        return refused(why_no_gpu(error))
    hopper = options.all and capability == "90"
    files = kernels.of_training_on_cuda(options.precision or PRECISIONS, winograd=options.all, hopper=hopper)
    try:
        kernels.build(files, dtypes, partial(bar, total=len(files) * len(dtypes)), "cuda")
    except kernels.BuildError as error:
        return refused(error.short)
    print(f"{len(files)} kernel files are ready for this GPU")
    return 0


def refused(reason: str) -> int:
    """Say why nothing can be built for a GPU; return the exit status."""
    print(f"python -m gpunet.kernels --device cuda: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
