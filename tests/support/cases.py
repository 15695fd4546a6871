"""The table of layers that the generic tests run over, and the four cells they run in; a new layer is a new row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from gpunet import backend, layers
from gpunet.gradcheck import cases as gradcheck_cases
from gpunet.gradcheck import off_kinks
from gpunet.gradcheck.cases import Augmented, BceWithLogits, Case
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, LeakyReLU, Linear, ReLU, Sequential, Tanh

IMPLEMENTATIONS = ("reference", "kernels")
EPS32 = float(np.finfo("float32").eps)


class Cell(NamedTuple):
    """Where a test runs: a device and an implementation."""

    device: str
    implementation: str

    def array(self, values: Any, dtype: str = "float64") -> Any:
        """Return the values as an array of this cell's device."""
        return backend.to_device(np.asarray(values, dtype), self.device)


def _mark(device: str, implementation: str) -> Any:
    marks = [pytest.mark.cuda] if device == "cuda" else []
    return pytest.param(Cell(device, implementation), marks=marks, id=f"{device}-{implementation}")


CELLS = [_mark(device, implementation) for device in ("cpu", "cuda") for implementation in IMPLEMENTATIONS]

TESTED_ALONE = BceWithLogits, Augmented  # in test_losses.py and test_augment.py
CASES = [case for case in gradcheck_cases.CASES if case.make not in TESTED_ALONE] + [
    Case("Conv2d 1x1", lambda: Conv2d(3, 2, 1), (2, 2, 3, 3)),
    Case("Conv2d stride beyond kernel", lambda: Conv2d(2, 3, 2, stride=3), (1, 8, 7, 2)),
    Case("Conv2d uneven stride and padding", lambda: Conv2d(1, 2, (2, 3), stride=(2, 1), padding=(1, 2)), (1, 5, 4, 1)),
    Case("Conv2d 4x4 /1 same", lambda: Conv2d(2, 2, 4, padding="same"), (1, 4, 3, 2)),
    Case("Conv2d kernel = image", lambda: Conv2d(3, 1, 4, bias=False), (3, 4, 4, 3)),
    Case("ConvTranspose2d /3 with size", lambda: ConvTranspose2d(2, 3, 4, 3, 1, output_size=(7, 6)), (1, 2, 2, 2)),
    Case("ConvTranspose2d 2x2 /3 valid", lambda: ConvTranspose2d(2, 1, 2, stride=3, padding="valid"), (1, 3, 2, 2)),
    Case("ConvTranspose2d uneven", lambda: ConvTranspose2d(2, 2, (3, 2), stride=(1, 2), padding=(1, 0)), (1, 3, 2, 2)),
    Case("ConvTranspose2d 4x4 /2 same", lambda: ConvTranspose2d(2, 2, 4, 2, "same", bias=False), (1, 2, 3, 2)),
    Case("Linear without bias", lambda: Linear(3, 1, bias=False), (2, 3)),
    Case("BatchNorm bare", lambda: BatchNorm(2, scale=False, shift=False), (2, 2, 2, 2)),
    Case("BatchNorm without shift", lambda: BatchNorm(3, shift=False, eps=0.01), (6, 3)),
    Case("LayerNorm bare, odd sizes", lambda: layers.LayerNorm(3, scale=False, shift=False), (2, 5, 7, 3)),
    Case("LayerNorm of many channels", lambda: layers.LayerNorm(70, eps=0.01, scale=False), (2, 2, 1, 70)),
    Case("InstanceNorm of one sample", lambda: layers.InstanceNorm(2, eps=0.01, shift=False), (1, 5, 3, 2)),
    Case("InstanceNorm bare", lambda: layers.InstanceNorm(33, scale=False, shift=False), (2, 2, 3, 33)),
    Case("Upsample of one pixel, 70 channels", layers.Upsample, (1, 1, 1, 70)),
    Case("Upsample one side odd", lambda: layers.Upsample((4, 5)), (1, 2, 3, 3)),
    Case("AveragePool of one pixel", layers.AveragePool, (2, 1, 1, 3)),
    Case("AveragePool one side odd", layers.AveragePool, (1, 2, 7, 33)),
    Case("GlobalSumPool of one pixel", layers.GlobalSumPool, (2, 1, 1, 3)),
    Case("GlobalAveragePool of many pixels", layers.GlobalAveragePool, (2, 9, 7, 2)),
    Case("LeakyReLU 0.01", lambda: LeakyReLU(0.01), (3, 4)),
    Case(
        "generator",
        lambda: Sequential(
            ConvTranspose2d(5, 4, 3, bias=False), BatchNorm(4), ReLU(),
            ConvTranspose2d(4, 2, 4, stride=2, padding=1), Tanh(),
        ),
        (3, 1, 1, 5),
    ),
    Case(
        "discriminator",
        lambda: Sequential(
            Conv2d(2, 3, 4, stride=2, padding=1), LeakyReLU(0.2),
            Conv2d(3, 4, 2, bias=False), BatchNorm(4), LeakyReLU(0.2), layers.Flatten(), Linear(16, 1),
        ),
        (3, 6, 6, 2),
    ),
]  # fmt: skip


def every_case(function: Any) -> Any:
    """Run a test for every row of the table."""
    return pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))(function)


def build(case: Case, cell: Cell, dtype: str = "float64", seed: int = 1) -> tuple[Any, Any, np.random.Generator]:
    """Return a row's layer with random parameters, its input, and the generator to draw more from."""
    rng = np.random.default_rng(seed)
    layer = case.make()
    for parameter in layer.parameters():
        parameter.data[...] = off_kinks(rng, parameter.data.shape)
    return layer.to(cell.device, dtype), cell.array(off_kinks(rng, case.shape), dtype), rng


def assert_close(actual: Any, expected: Any, tolerance: float, what: str = "") -> None:
    """Fail unless |actual - expected| <= tolerance * max|expected| everywhere; a NaN or another shape fails too."""
    actual, expected = host(actual), host(expected)
    assert actual.shape == expected.shape, f"{what}: got shape {actual.shape}, expected {expected.shape}"
    if expected.size:
        scale = float(np.abs(expected).max()) or 1.0
        error = float(np.abs(actual.astype("float64") - expected).max()) / scale
        assert error <= tolerance, f"{what}: relative error {error:.1e}, allowed {tolerance:.1e}"


def host(array: Any) -> np.ndarray:
    """Return an array of any device, or a number, as a NumPy array."""
    return array.get() if hasattr(array, "get") else np.asarray(array)
