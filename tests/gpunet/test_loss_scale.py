"""Dynamic loss scaling: what an overflow leaves alone, how the scale moves, and that scales round nothing."""

import numpy as np
import pytest

from cases import host
from gpunet import backend
from gpunet.backend import loss_scale
from gpunet.backend.devices import written
from gpunet.backend.loss_scale import GOOD_STEPS, SCALE, SKIP
from gpunet.layers import Parameter
from gpunet.optim import Adam

SIZES = [1, 5, 1023, 1024, 1025, 3000]  # round the edges of a block


def optimiser(cell, size=5, **options):
    values = np.random.default_rng(0).standard_normal(size)
    return Adam([Parameter(cell.array(values, "float32"))], lr=0.1, **options)


def take_step(adam, cell, gradient):
    """A step with this gradient of the unscaled loss."""
    adam.zero_grad()
    adam.parameters[0].add_grad(written, adam.scaled(cell.array(gradient, "float32")))
    adam.step()


def state(adam):
    """Everything that a skipped step leaves alone, as bytes."""
    return [host(array).tobytes() for array in (*adam.data, *adam.m, *adam.v, adam.state[:2])]


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("size", SIZES)
def test_an_overflow_changes_nothing_and_halves_the_scale(cell, wrong, size):
    adam, gradient = optimiser(cell, size, loss_scale=2.0**16, weight_decay=0.1), np.ones(size)
    take_step(adam, cell, gradient)
    before = state(adam)
    for place in {0, size // 2, size - 1}:
        bad = gradient.copy()
        bad[place] = wrong
        scale = float(adam.scaling[SCALE])
        take_step(adam, cell, bad)
        assert state(adam) == before
        assert host(adam.scaling)[[SCALE, GOOD_STEPS, SKIP]].tolist() == [scale / 2, 0, 1]
    take_step(adam, cell, gradient)
    assert adam.state_dict()["step"] == 2 and adam.state_dict()["good_steps"] == 1


def test_a_scale_too_large_for_float32_recovers(cell):
    """A gradient of 1e33 times 2^20 is infinite; at 2^18 it no longer is."""
    adam = optimiser(cell, loss_scale=2.0**20)
    for scale, steps in [(2.0**19, 0), (2.0**18, 0), (2.0**18, 1)]:
        with np.errstate(over="ignore"):
            take_step(adam, cell, np.full(5, 1e33))
        assert (adam.state_dict()["loss_scale"], adam.state_dict()["step"]) == (scale, steps)


def test_growth(cell):
    """Doubled after every third good step in a row, up to 2^24; never below 1."""
    scaling, good, bad = loss_scale.new_scaling(cell.device, 2.0**22), cell.array([1.0, 0.0]), cell.array([1.0, np.inf])
    exponents = []
    for gradient in [good, good, bad, good, good, good, good, good, good, good, good, good]:
        backend.unscale_gradients(scaling, gradient, grow_every=3)
        exponents.append(int(np.log2(float(scaling[SCALE]))))
    assert exponents == [22, 22, 21, 21, 21, 22, 22, 22, 23, 23, 23, 24]
    for _ in range(3):
        backend.unscale_gradients(scaling, good, grow_every=3)
    assert float(scaling[SCALE]) == 2.0**24
    scaling[SCALE] = 2.0
    for skip in (1.0, 0.0):  # at scale 1 the scale is not to blame
        backend.unscale_gradients(scaling, bad, grow_every=3)
        assert (float(scaling[SCALE]), float(scaling[SKIP])) == (1.0, skip)


def test_two_thousand_good_steps(cell):
    scaling, good = loss_scale.new_scaling(cell.device, 4.0), cell.array([1.0])
    scaling[GOOD_STEPS] = 1998
    for scale in (4.0, 8.0):
        backend.unscale_gradients(scaling, good)
        assert float(scaling[SCALE]) == scale


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES)
def test_scaling_a_gradient(cell, dtype, size):
    values = np.random.default_rng(0).standard_normal(size).astype(dtype)
    scaled = backend.scale_gradient(cell.array(values.copy(), dtype), loss_scale.new_scaling(cell.device, 2.0**20))
    assert scaled.dtype == dtype and host(scaled).tolist() == (values * 2**20).tolist()


@pytest.mark.parametrize("scale", [0.5, 3.0, 2.0**25, float("inf"), float("nan"), 0.0, -2.0])
def test_scales_that_are_none(scale):
    with pytest.raises(ValueError, match="expected a power of two from 1 to 2\\^24"):
        loss_scale.new_scaling("cpu", scale)


def test_a_saved_scale_continues(cell):
    first, second = optimiser(cell, loss_scale=2.0**10), optimiser(cell, loss_scale=2.0)
    take_step(first, cell, np.full(5, np.inf))
    take_step(first, cell, np.ones(5))
    saved = {key: host(value) if hasattr(value, "shape") else value for key, value in first.state_dict().items()}
    assert (saved["loss_scale"], saved["good_steps"], saved["step"]) == (2.0**9, 1, 1)
    second.load_state_dict(saved)
    assert second.state_dict()["loss_scale"] == 2.0**9 and second.state_dict()["good_steps"] == 1
    plain = optimiser(cell)
    plain.load_state_dict(saved)  # a run may go on in another precision, and come back
    assert set(plain.state_dict()) == {"m", "v", "step", "lr"}
    second.load_state_dict({key: host(value) if hasattr(value, "shape") else value
                            for key, value in plain.state_dict().items()})  # fmt: skip
    assert second.state_dict()["loss_scale"] == 2.0**9
