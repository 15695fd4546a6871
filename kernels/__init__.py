"""The CUDA kernels (*.cu here) and their loader: one source, two compilers, one way to launch.

    kernels.launch("activations.leaky_relu", grid, block, (y, x, x.size, 0.2))

starts the kernel `leaky_relu` of activations.cu. NumPy arrays: the file is compiled by the C++ compiler and the kernel
runs on the CPU; CuPy arrays: by NVRTC, and it runs on the GPU. The dtype of the first `real*` argument decides what
`real` is: float for float32, double for float64. grid and block are ints or tuples, at most three numbers each, with
CUDA's limits on either machine; `shared` is the dynamic shared memory in bytes.

Every argument is checked against the signature in the source before the launch: their number, dtype, C-contiguity,
device, alignment. Python ints become int32 (overflow is refused), floats `real`. None is taken for a parameter marked
`optional`; one marked `aligned16` must lie at a multiple of 16 bytes (see common.cuh).

A file may hold any number of `extern "C" __global__ void name(...)` functions. `#include "x.cuh"` puts that file in its
place. "/absolute/path.name" launches a kernel of a file of your own. On the CPU a kernel whose threads do not cooperate
runs fast (SIMD over threadIdx.x, blocks over cores); one that uses __shared__, __syncthreads, __shfl_*_sync, atomics or
mma_* runs exactly, one fiber per thread, slowly. The loader sees which from the text. A helper that mentions threadIdx
makes its callers take the exact path: pass it the index instead. More in kernels/README.md.

    kernels.load("activations", "float32", "cpu")   the compiled file; .entries: {name: parameters}
    kernels.build(["activations"], ["float32"])     compile several files at once; device="cuda": for the GPU
    kernels.stems()                                 all kernel files, "ladder/..." included
    kernels.hopper_stems()                          those for Hopper GPUs alone, which only these compile
    kernels.compiler_available()                    is there a C++ compiler?

Environment: CXX (the compiler), OMP_NUM_THREADS, XDG_CACHE_HOME (builds are cached in its gpunet/), GPUNET_KERNEL_FLAGS
(added to the compiler's command line, e.g. "-O0 -g"; then a printf or a debugger works in any kernel).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import NoneType
from typing import Any

import numpy as np

from gpunet.kernels.loader import cpu, cuda_build, source
from gpunet.kernels.loader.arguments import Size, sizes_of
from gpunet.kernels.loader.machine import BuildError, run_alone, threads
from gpunet.kernels.loader.signature import entries
from gpunet.kernels.loader.source import hopper_stems, libraries, stems

NOT_CUDA = (np.ndarray, NoneType)
__all__ = [
    "BuildError",
    "build",
    "compiler_available",
    "hopper_stems",
    "launch",
    "libraries",
    "load",
    "of_training",
    "of_training_on_cuda",
    "run_alone",
    "stems",
    "threads",
    "unbuilt",
]


def launch(
    entry: str,
    grid: Size,
    block: Size,
    args: Sequence[Any],
    shared: int = 0,
    dtype: str | None = None,
    whole: bool = False,
) -> None:
    """Launch kernel "file.name" over grid x block threads with these arguments, on the machine the arrays are on.

    `dtype` says what `real` is for a kernel without a `real*` parameter (default float32). `whole` promises that in the
    last block along x, too, every thread has all its work (see whole_block in common.cuh): it makes that block faster.
    Raises ValueError or TypeError for arguments the kernel cannot take, RuntimeError where it does not compile.
    """
    stem, name, arrays, reals = _find(entry)
    device = "cpu" if isinstance(_first(arrays, args), NOT_CUDA) else "cuda"
    real = _first(reals, args)
    module = load(stem, dtype or ("float32" if real is None else real.dtype), device)
    module.launch(name, *sizes_of(entry, grid, block, shared), args, shared, whole)


@functools.cache
def load(stem: str, dtype: Any = "float32", device: str = "cpu") -> Any:
    """Return the compiled kernel file for float32 or float64, building it if need be."""
    name = np.dtype(dtype).name
    if name not in cpu.C_REAL:
        raise TypeError(f"kernel file {stem}: got dtype {name}, expected float32 or float64: convert by .astype")
    if device == "cpu":
        return cpu.CpuModule(stem, name)
    from gpunet.kernels.loader.cuda import CudaModule

    return CudaModule(stem, name)


def build(
    files: Iterable[str] | None = None,
    dtypes: Iterable[str] = ("float32",),
    watch: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    device: str = "cpu",
) -> None:
    """Compile files, one per core at a time; default: all of this folder but the ladders, for the CPU the C++ too.

    `watch` is given an iterable with an item per finished file and goes through it, such as a progress bar.
    device: "cpu" or "cuda", the current GPU. Raises BuildError for the first file that does not compile.
    """
    if device == "cuda":
        wanted = _without_ladders() if files is None else list(files)
        return cuda_build.build([(stem, dtype) for dtype in dtypes for stem in wanted], watch)
    wanted = [*libraries(), *_without_ladders()] if files is None else list(files)
    jobs = [(stem, dtype) for dtype in dtypes for stem in wanted]
    pool = ThreadPoolExecutor(threads())
    try:
        for _ in watch(pool.map(lambda job: cpu.build(*job), jobs)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C no further file is compiled


def _without_ladders() -> list[str]:
    return [stem for stem in stems() if not stem.startswith("ladder/")]


ON_TENSOR_CORES = ("cells/", "conv2d_mma/", "factors/")  # each file is for one precision
CUDA_ALONE = ("conv2d/", *ON_TENSOR_CORES)  # what a step needs on a GPU only; the CPU runs these in tests


def of_training_on_cuda(precisions: Iterable[str], winograd: bool = False, hopper: bool = False) -> list[str]:
    """Return the files that a training step on a GPU may use, with products in any of these precisions.

    winograd, hopper: also those that only --conv winograd2, winograd4 or wgmma use.
    """
    ends = tuple(f"_{precision}" for precision in precisions)
    asked = [stem for stem in hopper_stems() if hopper and stem.endswith(ends)]
    unused = () if winograd else ("winograd/",)
    return [
        stem
        for stem in _without_ladders()
        if (stem.endswith(ends) if stem.startswith(ON_TENSOR_CORES) else not stem.startswith(unused))
    ] + asked


def of_training() -> list[str]:
    """Return the files that a training step on the CPU may use."""
    return [*libraries(), *(stem for stem in _without_ladders() if not stem.startswith(CUDA_ALONE))]


def unbuilt(files: Iterable[str], dtype: str = "float32", device: str = "cpu") -> list[str]:
    """Return those of the files that the cache does not hold. Raises BuildError where nothing can be built."""
    is_built = cpu.is_built if device == "cpu" else cuda_build.is_built
    return [file for file in files if not is_built(file, dtype)]


def compiler_available() -> bool:
    """Return whether there is a C++ compiler, without which the kernels do not run on the CPU."""
    return cpu.compiler() is not None


@functools.cache
def _find(entry: str) -> tuple[str, str, list[int], list[int]]:
    """Split "file.name", and return with it the positions of the kernel's arrays and of its `real*` arrays."""
    stem, _, name = entry.rpartition(".")
    found = {e.name: e.parameters for e in entries(source.read(source.path_of(stem)), np.dtype("float32"))}
    if name not in found:
        raise ValueError(f"got kernel {name!r}, expected one of {', '.join(found)} in {source.path_of(stem).name}")
    arrays = [i for i, p in enumerate(found[name]) if p.pointer]
    return stem, name, arrays, [i for i in arrays if found[name][i].type == "real"]


def _first(positions: list[int], args: Sequence[Any]) -> Any:
    """Return the first array at one of these positions, None where there is none."""
    for i in positions:
        if i < len(args) and hasattr(args[i], "dtype"):
            return args[i]
    return None
