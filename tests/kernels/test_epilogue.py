"""Sums for batch norm in the launch of a convolution on tensor cores: against plain sums in float64, in every tile."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cases import EPS32, host
from conv_shapes import EIGHTS, MMA_CUTS, PRECISIONS, Shape, arrays, on, rounded
from gpunet import backend, kernels
from gpunet.backend import epilogue, factors, tensor_cores
from gpunet.backend.choices import fusing
from gpunet.backend.epilogue import Gradients, Statistics, Summed
from gpunet.backend.factors import Factor
from gpunet.backend.tensor_cores import HUGE, SMALL, TALL, WIDE, After, Plan

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_format = pytest.mark.parametrize("precision", PRECISIONS)
every_pass = pytest.mark.parametrize("which", ["forward", "input_grad"])

EVEN = [  # the phases of their input gradients have equally many pixels
    EIGHTS[0],  # the DCGAN's own geometry; a last tile half full
    EIGHTS[6],  # more outputs than the largest tile
    EIGHTS[7],  # more inputs
    EIGHTS[8],  # the kernel covers the image
    Shape(50, 12, 8, 8, 16, (4, 4), (2, 2), ((1, 1), (1, 1))),  # several tiles of rows of every kind
]
TWO = Shape(32, 8, 16, 8, 24, (4, 4), (2, 2), ((1, 1), (1, 1)))  # 512 rows of y and of every phase in a half


def normal(rng, size):
    """Numbers far from zero, where squares without deviations would lose their digits."""
    return (rng.standard_normal(size) + 0.5).astype("float32")


def convolved(which, shape, there, precision, after, cut=None):
    """Return what a pass gives with what is done behind it."""
    if which == "forward":
        given = there["x"], there["weight"], shape.sizes, precision, there["bias_f"]
        return tensor_cores.conv2d(*given, after, cut)
    given = there["dy"], there["weight"], shape.sizes, precision, there["bias_c"]
    return tensor_cores.conv2d_input_grad(*given, after, cut)


def numbers_of(result):
    """Return the numbers of a result in float64, (rows, channels)."""
    numbers = result.real() if isinstance(result, Factor) else result
    return host(numbers).astype("float64").reshape(-1, numbers.shape[-1])


class Asked:
    """Batch norm's part: what it asks for with some channels, and what the answer has to be."""

    def __init__(self, device, channels, batches=1, slope=0.2, affine=True):
        self.rng, self.device, self.channels, self.batches, self.slope = (
            np.random.default_rng(3), device, channels, batches, slope,
        )  # fmt: skip
        self.affine = affine

    def drawn(self, *size):
        return (self.rng.random(size) + 0.5).astype("float32")

    def there(self, array):
        return backend.to_device(array, self.device)

    def statistics(self):
        self.before = self.drawn(2, self.channels)
        self.running = [self.there(array) for array in self.before.copy()]
        return Statistics((*self.running, 0.1), self.channels, self.batches, 1e-5)

    def check_statistics(self, y, sums, tolerance=16 * EPS32):
        mean, var, rstd = (host(array).reshape(self.batches, -1) for array in sums)
        moved_mean, moved_var = self.before.astype("float64")
        for i, part in enumerate(np.split(y, self.batches)):
            wanted = sum(part) / len(part)  # (C,), by a loop over the rows
            squares = sum((row - wanted) ** 2 for row in part)
            scale = np.abs(part).max()
            close(mean[i], wanted, tolerance * scale)
            close(var[i], squares / len(part), tolerance * scale**2)
            close(rstd[i], 1 / np.sqrt(var[i].astype("float64") + 1e-5), tolerance * rstd[i])
            moved_mean += 0.1 * (wanted - moved_mean)
            moved_var += 0.1 * (squares / (len(part) - 1) - moved_var)
        close(host(self.running[0]), moved_mean, tolerance * scale)
        close(host(self.running[1]), moved_var, tolerance * scale**2)

    def gradients(self, shape, precision, out=(None, None), stored=True):
        self.x = self.drawn(*shape) * 2 - 1.5
        x = self.there(self.x)
        if stored and precision in factors.DTYPES:
            x = Factor(factors.factor(x, precision), precision)
            self.x = host(x.real())
        many = (self.batches, self.channels) if self.batches > 1 else (self.channels,)
        self.mean, self.rstd = self.drawn(*many), self.drawn(*many)
        self.scale, self.shift = (self.drawn(self.channels) if self.affine else None for _ in range(2))
        given = self.mean, self.rstd, self.scale, self.shift
        return Gradients(x, *(None if array is None else self.there(array) for array in given), self.slope, out)

    def check_gradients(self, dy, sums, tolerance=16 * EPS32):
        dscale, dshift, per_batch = map(host, sums)
        total = 0
        for i, (part, x) in enumerate(
            zip(np.split(dy, self.batches), np.split(self.x.reshape(-1, self.channels), self.batches), strict=True)
        ):
            mean, rstd = (array.reshape(self.batches, -1)[i].astype("float64") for array in (self.mean, self.rstd))
            x_hat = (x.astype("float64") - mean) * rstd
            z = x_hat * self.scale + self.shift if self.affine else x_hat
            dz = part * np.where(z > 0, 1, self.slope)
            wanted = np.stack([sum(dz), sum(dz * x_hat)])  # (2, C), by a loop over the rows
            allowed = tolerance * np.stack([np.abs(dz).sum(0), np.abs(dz * x_hat).sum(0)])
            close(per_batch[i], wanted, allowed)
            total = total + per_batch[i]
        assert np.array_equal(total[0], dshift) and np.array_equal(total[1], dscale)


def close(found, wanted, tolerance):
    assert np.all(np.abs(found - wanted) <= tolerance), np.abs(found - wanted).max()


def cuts(device, index, which):
    """Return some of the ways to cut a product up, others for each shape.

    The forward kernel of tall tiles has no registers for sums, and makes none.
    """
    step = 7 if device == "cuda" else 3
    return [None, *(cut for cut in MMA_CUTS[index % step :: step] if which != "forward" or cut.tile is not TALL)]


@everywhere
@every_format
@every_pass
@pytest.mark.parametrize("index", range(len(EVEN)))
def test_sums_are_those_of_the_result(device, precision, which, index):
    """Every tile and split; tiles with few rows; results that are stored rounded, too."""
    shape = EVEN[index]
    there = rounded(on(device, arrays(shape, normal)), precision)
    channels, size = (shape.f, shape.sizes.y_shape) if which == "forward" else (shape.c, shape.sizes.x_shape)
    for number, cut in enumerate(cuts(device if precision == "tf32" else "cuda", index, which)):
        asked, rounds = Asked(device, channels, slope=(0.2, 0.0, 1.0)[number % 3]), number % 2 and precision != "tf32x3"
        result = convolved(which, shape, there, precision, After(rounds=rounds, norm=asked.statistics()), cut)
        assert isinstance(result, Summed) and isinstance(result.numbers, Factor) == bool(rounds)
        asked.check_statistics(numbers_of(result.numbers), result.sums)
        plain = convolved(which, shape, there, precision, After(rounds=rounds), cut)
        assert np.array_equal(numbers_of(plain), numbers_of(result.numbers))
        wanted = asked.gradients(size, precision, stored=number % 3)
        result = convolved(which, shape, there, precision, After(rounds=rounds, norm=wanted), cut)
        asked.check_gradients(numbers_of(result.numbers), result.sums)


@everywhere
@every_pass
@pytest.mark.parametrize("cut", [None, Plan(HUGE, 1), Plan(WIDE, 3), Plan(TALL, 1), Plan(SMALL, 2)])
def test_two_batches(device, which, cut):
    """Each has statistics of its own, and moves the averages in its turn."""
    if device == "cuda" and cut not in (None, Plan(WIDE, 3)):
        pytest.skip("one tile is enough for the device's own compiler")
    if (which, cut) == ("forward", Plan(TALL, 1)):
        pytest.skip("tall tiles have no registers for sums in the forward pass")
    there = rounded(on(device, arrays(TWO, normal)), "tf32")
    channels, size = (TWO.f, TWO.sizes.y_shape) if which == "forward" else (TWO.c, TWO.sizes.x_shape)
    asked = Asked(device, channels, batches=2, affine=False)
    result = convolved(which, TWO, there, "tf32", After(norm=asked.statistics()), cut)
    asked.check_statistics(numbers_of(result.numbers), result.sums)
    result = convolved(which, TWO, there, "tf32", After(norm=asked.gradients(size, "tf32")), cut)
    asked.check_gradients(numbers_of(result.numbers), result.sums)


@everywhere
@every_pass
def test_sums_repeat_bit_for_bit_and_leave_the_counters_zero(device, which, monkeypatch):
    shape, noted = EVEN[0], []
    there = rounded(on(device, arrays(shape, normal)), "tf32")
    channels, size = (shape.f, shape.sizes.y_shape) if which == "forward" else (shape.c, shape.sizes.x_shape)
    counters = epilogue.arrivals

    def noting(*given):
        noted.append(counters(*given))
        return noted[-1]

    monkeypatch.setattr(epilogue, "arrivals", noting)
    runs = []
    for _ in range(50 if device == "cpu" else 5):
        asked = Asked(device, channels)
        made = convolved(which, shape, there, "tf32", After(norm=asked.statistics()), Plan(SMALL, 3)).sums
        made += convolved(which, shape, there, "tf32", After(norm=asked.gradients(size, "tf32")), Plan(SMALL, 3)).sums
        runs.append([host(array) for array in (*made, *asked.running)])
    assert all(np.array_equal(a, b) for run in runs for a, b in zip(run, runs[0], strict=True))
    assert len(noted) == 2 * len(runs) and not any(host(array).any() for array in noted)


@everywhere
def test_gradients_go_where_they_are_wanted(device):
    """An optimiser's buffers, which begin anywhere."""
    shape, flat = EVEN[0], backend.to_device(np.full(2 * EVEN[0].c + 1, 7, "float32"), device)
    out = flat[1 : shape.c + 1], flat[shape.c + 1 :]
    there = rounded(on(device, arrays(shape, normal)), "tf32")
    asked = Asked(device, shape.c)
    wanted = asked.gradients(shape.sizes.x_shape, "tf32", out)
    result = convolved("input_grad", shape, there, "tf32", After(norm=wanted))
    assert result.sums[0] is out[0] and result.sums[1] is out[1] and host(flat)[0] == 7
    asked.check_gradients(numbers_of(result.numbers), result.sums)


def statistics(channels, batches=1):
    return Statistics(None, channels, batches, 1e-5)


@pytest.mark.parametrize(
    "which, shape, wanted",
    [
        ("input_grad", EIGHTS[2], statistics(8)),  # phases of unequally many pixels
        ("forward", EVEN[0], statistics(24, 3)),  # 20 rows in a batch: a tile of 64 would lie in two
        ("forward", EVEN[0], statistics(16)),  # other channels, which batch norm will refuse
        ("forward", Shape(1, 2, 2, 8, 8, (2, 2)), statistics(8)),  # a single row, which it will refuse, too
    ],
)
def test_what_a_launch_does_not_sum_up(which, shape, wanted):
    """Then the result is a plain array, as without the question."""
    there = rounded(on("cpu", arrays(shape, normal)), "tf32")
    result = convolved(which, shape, there, "tf32", After(norm=wanted), Plan(SMALL, 1))
    assert np.array_equal(result, convolved(which, shape, there, "tf32", After(), Plan(SMALL, 1)))


@pytest.mark.parametrize("precision, x", [("tf32", "view"), ("tf32", "bf16"), ("bf16", "fp16")])
def test_an_x_in_another_format_is_not_read(precision, x):
    """The kernels read batch norm's x as float32 or in the format of their factors."""
    shape, asked = EVEN[0], Asked("cpu", EVEN[0].c)
    wanted = asked.gradients(shape.sizes.x_shape, "tf32x3" if x == "view" else x)
    if x == "view":
        wanted = wanted._replace(x=np.repeat(wanted.x, 2, axis=0)[::2])
    there = rounded(on("cpu", arrays(shape, normal)), precision)
    assert not isinstance(convolved("input_grad", shape, there, precision, After(norm=wanted)), Summed)


@everywhere
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_stays_in_its_channel(device, bad):
    shape = EVEN[0]
    there = rounded(on(device, arrays(shape, normal)), "tf32")
    there["bias_f"][3] = bad
    result = convolved("forward", shape, there, "tf32", After(norm=statistics(shape.f)))
    for array in result.sums:
        assert np.array_equal(np.isfinite(host(array)), np.arange(shape.f) != 3)


FEW = [(7, 40), (9, 3), (64, 64), (130, 96), (2047, 8), (65, 4, 4, 64)]


@everywhere
@pytest.mark.parametrize("precision, stored", [("tf32", False), *itertools.product(factors.STORED, [False, True])])
@pytest.mark.parametrize("shape", FEW, ids=str)
def test_batch_norm_of_few_rows_in_one_launch(device, precision, shape, stored, monkeypatch):
    """Statistics, averages and the rounded result are those of two launches, up to the order of additions."""
    launched, launch, results = [], kernels.launch, []
    monkeypatch.setattr(kernels, "launch", lambda *args, **more: (launched.append(args[0]), launch(*args, **more)))
    for fuses in (True, False):
        asked = Asked(device, shape[-1])
        x, affine = asked.there(asked.drawn(*shape) - 1.2), [asked.there(asked.drawn(shape[-1])) for _ in range(2)]
        running = asked.statistics().running
        x = Factor(factors.factor(x, precision), precision) if stored else x
        launched.clear()
        with backend.use("kernels"), fusing(fuses):
            y, *sums = backend.batchnorm(x, *affine, 1e-5, 0.2, running, 1, precision)
        assert (len(launched) == 1) == fuses
        asked.check_statistics(numbers_of(x), sums)
        results.append(numbers_of(y))
    bits = {"tf32": 10, "bf16": 7, "fp16": 10}[precision]
    assert np.abs(results[0] - results[1]).max() <= 2.0**-bits * np.abs(results[1]).max()
