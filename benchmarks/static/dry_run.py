"""A training step on paper: the real launch code for a GPU, without a GPU, and no kernel runs.

    launches = launches_of_a_step("bf16")       a list of Launch(entry, grid, bytes), in order

Arrays are NumPy's, of a class that counts as CuPy's, and `kernels.launch` only takes notes. What is computed is
nonsense and is not looked at. Which kernels are launched, on arrays of which sizes, depends on shapes and precision
alone. The bytes of a launch are those of all arrays that it is given, each once: what it has to read or write if it
needs all of them. Copies by CuPy itself, such as the upload of a batch, are left out.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend, kernels
from gpunet.backend import choices, devices, launches


class Launch(NamedTuple):
    """One launch of a step."""

    entry: str  # "file.kernel"
    grid: Any
    bytes: int


class OnPaper(np.ndarray):
    """An array that counts as one on a GPU."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.ctypes.data)

    def get(self) -> np.ndarray:
        return self.view(np.ndarray)


def launches_of_a_step(precision: str, batch: int = 64, fused: bool = True, **options: Any) -> list[Launch]:
    """Return the launches of the second step of dcgan64 with 64 filters, with both its numbers for the log.

    fused=False: with every form that `choices.fusing` turns off. options: others of dcgan.train.
    """
    config = Config(**{"width": 64, "z_dim": 100, "channels": 3, "batch_size": batch, "precision": precision} | options)
    found: list[Launch] = []

    def note(entry: str, grid: Any, block: Any, args: Any, *_: Any, **__: Any) -> None:
        found.append(Launch(entry, grid, sum(array.nbytes for array in args if isinstance(array, np.ndarray))))

    with _on_paper(note), backend.use("kernels"), backend.use_precision(precision), choices.fusing(fused):
        rng = np.random.default_rng(0)
        gan = GAN(config, rng, "cuda")
        stepper, size = Stepper(gan, "cuda", graph=False), (batch, *config.image_size, config.channels)
        for number in (1, 2):
            found.clear()
            stepper(number, Inputs(np.zeros(size, "uint8"), [draw_z(rng, batch, config)]))
    return found


@contextlib.contextmanager
def _on_paper(launch: Any) -> Iterator[None]:
    """Within the block arrays on "cuda" are `OnPaper`, and every launch goes to a function."""
    replaced: Mapping[Any, Any] = {
        devices.device_of: lambda array: "cuda" if isinstance(array, OnPaper) else "cpu",
        devices.is_cupy: lambda array: isinstance(array, OnPaper),
        devices._cupy: lambda: _CUPY,
        launches.arrivals: lambda like, count, of="parts": _empty(count, "int32"),
        choices.tensor_cores: lambda: True,
        kernels.launch: launch,
    }
    with contextlib.ExitStack() as all_places:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in ("gpunet", "dcgan", "benchmarks"):
                for attribute, value in list(vars(module).items()):
                    if callable(value) and getattr(value, "__hash__", None) and value in replaced:
                        all_places.enter_context(mock.patch.object(module, attribute, replaced[value]))
        yield


def _empty(shape: Any, dtype: Any = float, **_: Any) -> Any:
    return np.empty(shape, dtype).view(OnPaper)  # memory that nobody touches takes no room


def _asarray(array: Any, *args: Any, **kwargs: Any) -> Any:
    return np.asarray(array, *args, **kwargs).view(OnPaper)


# Module `cupy` on paper: NumPy's functions, but for those that make an array out of something else.
_CUPY = SimpleNamespace(
    **{name: getattr(np, name) for name in dir(np) if not name.startswith("__")}
    | {"empty": _empty, "zeros": _empty, "asarray": _asarray, "array": _asarray}
)
