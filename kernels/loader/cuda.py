"""Kernels on the GPU: compiled by NVRTC through CuPy, which also keeps the builds in its own cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy
import numpy as np

from gpunet.kernels.loader import source
from gpunet.kernels.loader.arguments import Grid, convert
from gpunet.kernels.loader.cpu import C_REAL
from gpunet.kernels.loader.cubin import cubin
from gpunet.kernels.loader.signature import entries

errors: list[str] = []  # of launches and replays: what these kernels were to leave behind may be incomplete
STATIC_SHARED_LIMIT = 48 * 1024  # a kernel that wants more shared memory must say so beforehand


def options(dtype: str) -> tuple[str, ...]:
    """Return NVRTC's options for one dtype."""
    return ("-std=c++17", "-lineinfo", f"-DREAL={C_REAL[dtype]}")


def options_of_nvrtc(dtype: str) -> tuple[str, ...]:
    """Return the options of a compilation through CuPy, which adds two: for whoever calls NVRTC by itself.

    The first lets lambdas be called on the device (before NVRTC 13.2 kernels/winograd/ needs it), the second makes
    float32 numbers below 1.2e-38 zero, as they are not on the CPU.
    """
    return (*options(dtype), "--device-as-default-execution-space", "-ftz=true")


class CudaModule:
    """A kernel file compiled for one dtype; `launch` starts one of its kernels on CuPy arrays.

    A file of source.APART is compiled kernel by kernel, each when it is first launched.
    """

    def __init__(self, stem: str, dtype: str) -> None:
        self.stem, self.dtype = stem, dtype
        self.entries = {entry.name: entry for entry in entries(source.text_of(stem), np.dtype(dtype))}
        self._parts: dict[str, Any] = {}
        self._functions: dict[str, Any] = {}

    def figures(self, part: str = "") -> dict[str, dict[str, int]]:
        """Compile the file, or a part of it, at once; return what the driver says of each kernel."""
        names = {"registers": "num_regs", "local_bytes": "local_size_bytes", "shared_bytes": "shared_size_bytes"}
        names |= {"most_threads": "max_threads_per_block"}
        found = {name: self._function(name) for name in ([part] if part else self.entries)}
        return {name: {word: getattr(kernel, own) for word, own in names.items()} for name, kernel in found.items()}

    def _function(self, name: str) -> Any:
        if name not in self._functions:
            part = name if self.stem.startswith(source.APART) else ""
            if part not in self._parts:
                self._parts[part] = self._compiled(part)
            self._functions[name] = self._parts[part].get_function(name)
        return self._functions[name]

    def _compiled(self, part: str) -> Any:
        if self.stem.startswith(source.HOPPER):
            return cupy.RawModule(path=str(cubin(self.stem, self.dtype)))
        text = source.text_with(self.stem, part) if part else source.text_of(self.stem)
        return cupy.RawModule(code=text, options=options(self.dtype))

    def launch(self, name: str, grid: Grid, block: Grid, args: Sequence[Any], shared: int, whole: bool) -> None:
        """Start a kernel on CuPy's current stream, without waiting."""
        entry = self.entries[name]
        values = convert(self.stem, entry, args, "cuda")
        typed = [_typed(p, value, arg) for p, value, arg in zip(entry.parameters, values, args, strict=True)]
        function = self._function(name)
        if shared > STATIC_SHARED_LIMIT and function.max_dynamic_shared_size_bytes < shared:
            function.max_dynamic_shared_size_bytes = shared
        try:
            function(grid, block, typed, shared_mem=shared)
        except Exception as error:
            errors.append(f"{self.stem}.{name}: {error}")
            raise


def _typed(parameter: Any, value: Any, arg: Any) -> Any:
    """Return a value whose C type CuPy gets right: it passes Python numbers as 64-bit ones."""
    if parameter.pointer:
        return np.uint64(0) if arg is None else arg
    return parameter.dtype.type(value)
