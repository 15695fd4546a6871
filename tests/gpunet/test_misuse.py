"""What layers refuse, and that the message names the layer, what came and what was expected."""

import numpy as np
import pytest

from gpunet import backend
from gpunet.layers import (
    AveragePool,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    GlobalSumPool,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    Linear,
    Reshape,
    Residual,
    Upsample,
)


@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        (Conv2d(3, 2, 4), (1, 8, 8, 2), r"Conv2d\(3, 2.*got x of shape \(1, 8, 8, 2\).*expected \(N, H, W, 3\)"),
        (Conv2d(3, 2, 4), (8, 8, 3), r"Conv2d\(3, 2.*expected \(N, H, W, 3\)"),
        (Conv2d(3, 2, 4), (1, 3, 8, 3), r"Conv2d\(3, 2.*3x8 pixels.*at least the kernel \(4, 4\)"),
        (ConvTranspose2d(3, 2, 4), (1, 8, 8, 1), r"ConvTranspose2d\(3, 2.*expected \(N, H, W, 3\)"),
        (ConvTranspose2d(1, 1, 4, 2, 1, output_size=11), (1, 4, 4, 1), r"ConvT.*output_size \(11, 11\), which conv"),
        (ConvTranspose2d(1, 1, 2, 1, 2), (1, 2, 2, 1), r"ConvTranspose2d\(1, 1.*use less padding"),
        (Linear(3, 2), (4, 2), r"Linear\(3, 2\): got x of shape \(4, 2\).*expected \(N, 3\)"),
        (Linear(3, 2), (1, 1, 1, 3), r"Linear\(3, 2\).*expected \(N, 3\)"),
        (BatchNorm(3), (4, 2), r"BatchNorm\(3.*expected \(\.\.\., 3\)"),
        (BatchNorm(3), (1, 3), r"BatchNorm\(3.*got one row.*larger batch or net\.eval"),
        (LayerNorm(3), (2, 4, 4, 2), r"LayerNorm\(3.*got x of shape \(2, 4, 4, 2\).*expected \(N, \.\.\., 3\)"),
        (LayerNorm(3), (3,), r"LayerNorm\(3.*expected \(N, \.\.\., 3\)"),
        (InstanceNorm(3), (2, 1, 1, 3), r"InstanceNorm\(3.*maps of shape \(1, 1, 3\).*two pixels.*use LayerNorm"),
        (
            Upsample((5, 3)),
            (1, 2, 2, 1),
            r"Upsample\(\(5, 3\)\): got x of shape \(1, 2, 2, 1\), expected \(N, 3, 2, C\)",
        ),
        (Upsample(), (1, 2), r"Upsample\(\): got x of shape \(1, 2\), expected \(N, H, W, C\)"),
        (AveragePool(), (1, 2), r"AveragePool\(\): got x of shape \(1, 2\), expected \(N, H, W, C\)"),
        (GlobalSumPool(), (1, 2), r"GlobalSumPool\(\): got x of shape \(1, 2\), expected \(N, H, W, C\)"),
        (
            Residual(AveragePool()),
            (1, 4, 4, 1),
            r"Residual\(.*gives \(1, 2, 2, 1\).*\(1, 4, 4, 1\), expected one shape",
        ),
        (Reshape((2, 2, 2)), (3, 9), r"Reshape\(\(2, 2, 2\)\).*got x of shape \(3, 9\).*8 numbers"),
    ],
)
def test_misfit_input_is_refused_by_name(layer, shape, expected):
    with pytest.raises(ValueError, match=expected):
        layer.forward(np.zeros(shape, "float32"))


@pytest.mark.parametrize("layer", [Conv2d(1, 1, 1), ConvTranspose2d(1, 1, 1), Linear(1, 1), BatchNorm(1), LayerNorm(1)])
def test_another_dtype_is_refused(layer):
    x = np.zeros((2, 1) if isinstance(layer, Linear) else (2, 1, 1, 1))
    with pytest.raises(ValueError, match=f"{type(layer).__name__}.*float64.*expected.*float32"):
        layer.forward(x)


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda: Conv2d(0, 1, 1), "channels"),
        (lambda: Conv2d(1, 1, 0), "kernel_size=0, expected an integer >= 1"),
        (lambda: Conv2d(1, 1, 1, stride=(1, 2, 3)), r"stride=\(1, 2, 3\)"),
        (lambda: Conv2d(1, 1, 1, padding=-1), "padding=-1, expected an integer >= 0"),
        (lambda: ConvTranspose2d(1, 1, 1, padding="full"), "padding='full', expected 'same', 'valid' or"),
        (lambda: Linear(1, 0), "features"),
        (lambda: BatchNorm(0), "channels=0"),
        (lambda: LayerNorm(0), "channels=0"),
        (lambda: LeakyReLU(-0.1), "slope=-0.1, expected 0 <= slope <= 1"),
    ],
)
def test_impossible_layers_are_refused(make, expected):
    with pytest.raises(ValueError, match=expected):
        make()


def test_only_arrays_are_taken():
    with pytest.raises(TypeError, match="got a list, expected a NumPy or CuPy array"):
        backend.relu([1.0])
    with pytest.raises(ValueError, match="got implementation 'fast', expected one of reference, kernels"):
        backend.use("fast")
