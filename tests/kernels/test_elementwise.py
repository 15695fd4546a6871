"""Elementwise kernels against formulas in float64, at sizes round the edges of a block, NaN and infinity included."""

from __future__ import annotations

import numpy as np
import pytest

from gpunet.backend import activations, images, launches, to_device, to_numpy

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
SIZES = [1, 2, 255, 1023, 1024, 1025, 3001]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 1e-30, 88.0, 89.5, -87.5, -104.0, 0.6, -0.6]
pytestmark = [
    pytest.mark.parametrize("device", DEVICES),
    pytest.mark.parametrize("dtype", ["float32", "float64"]),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # NumPy's, about the special values
]

FORWARD = {
    ("relu",): lambda x: np.maximum(x, 0),
    ("leaky_relu", 0.25): lambda x: np.where(x > 0, x, 0.25 * x),
    ("tanh_forward",): np.tanh,
    ("sigmoid",): lambda x: 1 / (1 + np.exp(-x)),
}
BACKWARD = {
    ("relu_backward",): lambda dy, y: np.where(y > 0, dy, dy * 0),
    ("leaky_relu_backward", 0.25): lambda dy, y: np.where(y > 0, dy, 0.25 * dy),
    ("tanh_backward",): lambda dy, y: dy * (1 - y * y),
    ("sigmoid_backward",): lambda dy, y: dy * y * (1 - y),
}


def assert_near(got, expected, dtype, ulps):
    """Fail unless got is within so many units in the last place of expected; NaN and infinity must be equal."""
    expected = expected.astype(dtype)
    finite = np.isfinite(expected)
    assert got.dtype == dtype and np.array_equal(got[~finite], expected[~finite], equal_nan=True)
    error = np.abs(got[finite].astype("float64") - expected[finite])
    allowed = ulps * np.spacing(np.abs(expected[finite])) + np.finfo(dtype).tiny  # a subnormal may become zero
    assert (error <= allowed).all(), f"{(error / allowed).max():.1f} times the {ulps} ulp allowed"


def numbers(size, dtype, seed=0):
    return np.random.default_rng(seed).normal(0, 3, size).astype(dtype)


@pytest.mark.parametrize("entry", FORWARD, ids=lambda entry: entry[0])
def test_forward(entry, device, dtype):
    for size in SIZES:
        x = numbers(size, dtype)
        x[: len(SPECIAL)] = SPECIAL[:size]
        y = activations._launch(f"activations.{entry[0]}", to_device(x, device), *entry[1:])
        assert_near(to_numpy(y), FORWARD[entry](x.astype("float64")), dtype, 4)


@pytest.mark.parametrize("entry", BACKWARD, ids=lambda entry: entry[0])
def test_backward_writes_into_dy(entry, device, dtype):
    for size in SIZES:
        y, dy = np.clip(numbers(size, dtype) / 4, -1, 1), numbers(size, dtype, 1)
        dy[0] = np.nan
        expected = BACKWARD[entry](dy.astype("float64"), y.astype("float64"))
        moved = to_device(dy.copy(), device)
        dx = activations._launch_backward(f"activations.{entry[0]}", moved, to_device(y, device), *entry[1:])
        assert dx is moved
        # y is rounded, so near 1 the digits of 1 - y^2 are lost: an error of one place of 1, times dy
        assert np.isnan(to_numpy(dx)[0]) and np.isnan(expected[0])
        error = np.abs(to_numpy(dx) - expected)[1:]
        assert (error <= 4 * np.finfo(dtype).eps * np.abs(dy[1:])).all()


def test_backward_refuses_another_shape(device, dtype):
    y = to_device(np.ones((2, 3), dtype), device)
    with pytest.raises(ValueError, match=r"got dy of shape \(3, 2\), expected \(2, 3\)"):
        activations._launch_backward("activations.relu_backward", y.reshape(3, 2), y)


def test_fill(device, dtype):
    for size in SIZES:
        x = launches.zeros(to_device(numbers(1, dtype), device), size)
        assert x.shape == (size,) and not to_numpy(x).any()
        launches.elements("arrays.fill", (x, size - 1, 2.5), size - 1)
        assert np.array_equal(to_numpy(x), np.array([2.5] * (size - 1) + [0.0], dtype))


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_images(low, device, dtype):
    rng = np.random.default_rng(0)
    for shape in [(1, 1, 1, 1), (3, 5, 7, 3), (2, 4, 8, 1), (2, 3, 33, 4)]:
        pictures, flip = rng.integers(0, 256, shape, "uint8"), rng.random(shape[0]) < 0.5
        flip[0] = True
        flipped = np.where(flip[:, None, None, None], pictures[:, :, ::-1], pictures)
        for mirror, expected in ((None, pictures), (to_device(flip, device), flipped)):
            x = images.images_to_real.kernels(to_device(pictures, device), dtype, mirror, low)
            assert to_numpy(x).dtype == dtype
            assert np.abs(to_numpy(x) - (expected / 255 * (1 - low) + low)).max() <= 3 * np.finfo(dtype).eps
            assert np.array_equal(to_numpy(images.real_to_images.kernels(x, low)), expected)


def test_real_to_images_rounds_to_even_and_clips(device, dtype):
    values = np.array([-2, -1, 1, 2, np.nan, np.inf, -np.inf, 0, 1.005], dtype)  # 0 is 127.5, 1.005 is 255.6
    bytes_ = to_numpy(images.real_to_images.kernels(to_device(values, device), -1.0))
    assert bytes_.tolist() == [0, 0, 255, 255, 0, 255, 0, 128, 255]


def test_images_refuse_a_flip_of_another_length(device, dtype):
    pictures = to_device(np.zeros((2, 3, 3, 3), "uint8"), device)
    with pytest.raises(ValueError, match=r"got flip of shape \(3,\), expected \(2,\)"):
        images.images_to_real.kernels(pictures, dtype, to_device(np.zeros(3, bool), device), -1.0)


def test_nothing_is_written_beyond_the_end(device, dtype):
    for rows, channels in [(1, 1), (3, 5), (1023, 1), (33, 31), (7, 300)]:
        size = rows * channels
        guarded = to_device(np.full(size + 2048, 7, dtype), device)
        y, x = guarded[1024 : 1024 + size], to_device(numbers(size, dtype), device)
        per_channel = x[:channels]
        launches.elements("activations.relu", (y, x, size), size)
        launches.rows_of_blocks("columns.add_bias", (y, per_channel, rows, channels), rows, channels)
        args = (y, x, per_channel, per_channel, None, None, rows, channels, 0.0)
        launches.rows_of_blocks("batchnorm.normalise", args, rows, channels)
        launches.row_groups("columns.column_sum", (y, x, rows, channels, 16), rows, channels, 16)
        beyond = to_numpy(guarded)
        assert (beyond[:1024] == 7).all() and (beyond[1024 + size :] == 7).all()
