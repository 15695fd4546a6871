"""What an operation to time is: ours, and PyTorch's in its ways; and the arrays that both get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from gpunet import backend

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
MAP, WEIGHT = (0, 2, 3, 1), (2, 3, 1, 0)  # from PyTorch's order of axes to ours
Run = Callable[[], Any]


class Case(NamedTuple):
    """One operation. `theirs(way, dtype)` returns PyTorch's form of it, to be called; results are lists of arrays."""

    name: str
    gflop: float
    mbytes: float
    ours: Run
    theirs: Callable[[str, Any], Run]
    ways: tuple[str, ...] = tuple(LAYOUTS)
    axes: tuple[int, ...] = MAP
    prepare: Run = lambda: (
        None
    )  # not timed, in front of each of ours: for operations that overwrite what they are given


class Maker:
    """Random arrays on a device, and the same numbers as tensors."""

    def __init__(self, device: str) -> None:
        self.device, self.rng = device, np.random.default_rng(0)
        self.place = "cuda" if device == "cuda" and torch.cuda.is_available() else "cpu"

    def array(self, *shape: int) -> np.ndarray:
        """Return normal numbers, on the host."""
        return self.rng.standard_normal(shape, dtype=np.float32)

    def on(self, array: np.ndarray) -> Any:
        """Return a copy on our device."""
        return backend.to_device(array.copy(), self.device)

    def tensor(self, array: np.ndarray, way: str, dtype: Any, axes: tuple[int, ...] = MAP) -> torch.Tensor:
        """Return a copy as a tensor; four axes in PyTorch's order, in the memory format `way`."""
        if array.ndim == 4:
            array = array.transpose(np.argsort(axes))
        found = torch.tensor(np.ascontiguousarray(array), dtype=dtype, device=self.place)
        return found.contiguous(memory_format=LAYOUTS[way]) if array.ndim == 4 else found
