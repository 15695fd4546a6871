"""Two batches in one pass, and gradients computed in an optimiser's buffer: faster, and the same numbers."""

import numpy as np
import pytest

from cases import CASES, assert_close, build, host
from gpunet import flat
from gpunet.gradcheck import LIMIT, check_layer, off_kinks
from gpunet.layers import BatchNorm
from gpunet.optim import Adam

EXACT = 1e-12
WITH_PARAMETERS = [case for case in CASES if case.make().parameters()]
every_trained = pytest.mark.parametrize("case", WITH_PARAMETERS, ids=lambda case: case.name.replace(" ", "-"))


def two_passes(layer, batches, cell, rng):
    """Return outputs, output gradients, input gradients of separate passes; parameter gradients are left added up."""
    results = []
    for x in batches:
        y = layer.forward(x)
        dy = cell.array(rng.standard_normal(y.shape))
        y_host = host(y).copy()
        results.append((y_host, host(dy).copy(), host(layer.backward(dy))))
    return (np.concatenate(values) for values in zip(*results, strict=True))


@every_trained
def test_joined_batches_equal_separate_passes(case, cell):
    """Values, gradients and running statistics; the second batch has another mean and spread."""
    separate, first, rng = build(case, cell)
    joined, _, _ = build(case, cell)
    second = cell.array(3 + 2 * rng.standard_normal(case.shape))
    y, dy, dx = two_passes(separate, [first, second], cell, rng)
    with joined.joined_batches(2):
        assert_close(joined.forward(cell.array(np.concatenate([host(first), host(second)]))), y, EXACT, "y")
        assert_close(joined.backward(cell.array(dy)), dx, EXACT, "dx")
    for (name, own), other in zip(joined.named_parameters(), separate.parameters(), strict=True):
        assert_close(own.grad, host(other.grad), EXACT, name)
    for (name, own), (_, other) in zip(joined.named_buffers(), separate.named_buffers(), strict=True):
        assert_close(own, host(other), EXACT, name)


def test_gradients_of_three_joined_batches(cell):
    rng = np.random.default_rng(0)
    layer = BatchNorm(2).to(cell.device, "float64")
    with layer.joined_batches(3):
        errors = check_layer(layer, cell.array(off_kinks(rng, (6, 2, 2))), rng, directions=4)
    assert max(errors.values()) < LIMIT, errors


def test_the_block_ends_when_it_raises_and_uneven_batches_are_refused():
    layer = BatchNorm(2)
    for rows, message in ((5, r"BatchNorm\(2.*got x of shape \(5, 2\), expected 2 batches"), (2, "got one row")):
        with pytest.raises(ValueError, match=message), layer.joined_batches(2):
            layer.forward(np.zeros((rows, 2), "float32"))
    assert layer.batches == 1


@every_trained
def test_gradients_are_gathered_in_the_optimiser_buffer(case, cell):
    """With an optimiser the first gradient is computed in place, later ones are added there."""
    free, x, rng = build(case, cell)
    bound, _, _ = build(case, cell)
    optimiser = Adam(bound.parameters())
    for gradients in optimiser.grad:
        gradients[...] = np.nan  # what an earlier step left there does not matter
    for layer, seed in ((free, 5), (bound, 5)):
        list(two_passes(layer, [x, 2 * x], cell, np.random.default_rng(seed)))
    expected = np.concatenate([host(parameter.grad).ravel() for parameter in free.parameters()])
    gathered = flat.packed(optimiser.grad, [parameter.data for parameter in optimiser.parameters])
    assert_close(gathered, expected, EXACT, "gradients")
    assert all(parameter.grad is parameter.grad_buffer for parameter in bound.parameters())
