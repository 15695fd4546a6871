"""The loss of an inversion: its gradient by z through G, and through D for features and prior, in every cell."""

import numpy as np
import pytest

from cases import assert_close, host
from dcgan import presets
from dcgan.inversion import judged
from dcgan.inversion.effort import Effort, Networks
from dcgan.inversion.objective import Objective, means
from dcgan.losses import LOSSES

ROWS = 3


def networks(cell, **given):
    """Small networks in float64 whose batch norms have random averages."""
    config = presets.config_of({"width": 2, "image_size": 16, "z_dim": 4, "channels": 1, **given})
    preset, rng, nets = presets.find(config.preset), np.random.default_rng(0), []
    for net in (preset.generator(config), preset.discriminator(config)):
        for name, array in net._named_arrays():
            array[...] = 0.5 + rng.random(array.shape) if "var" in name else 0.5 * rng.standard_normal(array.shape)
        nets.append(net.to(cell.device, "float64").eval())
    return Networks(*nets, config)


def weights_of_rows(rng):
    weights = rng.random((ROWS, 16, 16, 1))
    weights[:, 4:9, 3:12] = 0
    return weights


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"low_pass": True},
        {"features_weight": 0.3},
        {"prior": 0.2},
        {"prior": 0.2, "features_weight": 0.5, "weighted": True},
        {"weighted": True},
        {"prior": 0.2, "features_weight": 0.5, "config": {"preset": "resnet"}},
        {"prior": 0.2, "config": {"loss": "hinge"}},
    ],
    ids=lambda given: "-".join(given) or "pixels",
)
def test_the_gradient_equals_central_differences(cell, given):
    given = dict(given)
    rng, nets = np.random.default_rng(1), networks(cell, **given.pop("config", {}))
    weights = cell.array(weights_of_rows(rng)) if given.pop("weighted", False) else None
    effort, (G, D, config) = Effort(**given), nets
    targets = cell.array(rng.uniform(-1, 1, (ROWS, 16, 16, 1)))
    z, v = rng.standard_normal((2, ROWS, 1, 1, 4))

    def loss(at):
        x = G.forward(cell.array(at))
        losses, dx = objective(x, effort.low_pass)
        of_G = LOSSES[config.loss].of_G(1.0).of(judged.forward(D, x).answers)[0]
        D.forget()
        return float(losses.sum()) + effort.prior * ROWS * float(of_G), dx

    with judged.differentiated(D), G.saving(), G.frozen():
        objective = Objective(nets, effort, targets, weights)
        dz = host(G.backward(loss(z)[1].copy()))
        sides = []
        for sign in (1, -1):
            sides.append(loss(z + sign * 1e-5 * v)[0])
            G.forget()
    assert float((dz * v).sum()) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-5, abs=1e-9)
    assert all(parameter.grad is None for net in (G, D) for parameter in net.parameters())


def test_rows_are_compared_by_weighted_means(cell):
    """The pixels' part is the weighted mean of squared differences, written out; --low-pass takes means of 4x4."""
    rng, nets = np.random.default_rng(2), networks(cell)
    x, t = rng.uniform(-1, 1, (2, ROWS, 16, 16, 1))
    weights = weights_of_rows(rng)
    losses, _ = Objective(nets, Effort(), cell.array(t), cell.array(weights))(cell.array(x))
    assert_close(losses, [(w * (a - b) ** 2).sum() / w.sum() for w, a, b in zip(weights, x, t, strict=True)], 1e-12)
    losses, _ = Objective(nets, Effort(), cell.array(t))(cell.array(x), low_pass=True)
    windows = (x - t).reshape(ROWS, 4, 4, 4, 4).mean(axis=(2, 4))
    assert_close(losses, (windows**2).mean(axis=(1, 2)), 1e-12)


def test_means_twice_are_means(cell):
    """Also at odd sizes: the gradient of --low-pass relies on it."""
    once = means(cell.array(np.random.default_rng(0).standard_normal((2, 7, 10, 3))))
    assert_close(means(once), once, 1e-12)


def test_rows_that_are_kept_have_their_own_targets(cell):
    rng, nets = np.random.default_rng(3), networks(cell)
    x, t = rng.uniform(-1, 1, (2, ROWS, 16, 16, 1))
    weights, effort = weights_of_rows(rng), Effort(features_weight=0.3)
    with judged.differentiated(nets.D):
        objective = Objective(nets, effort, cell.array(t), cell.array(weights))
        all_losses, all_dx = objective(cell.array(x))
        objective.keep([2, 0])
        losses, dx = objective(cell.array(x[[2, 0]]))
    assert_close(losses, host(all_losses)[[2, 0]], 1e-12)
    assert_close(dx, host(all_dx)[[2, 0]], 1e-12)
