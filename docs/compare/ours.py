"""The step with this project's layers: their backward passes are written by hand, the step calls them in order."""

from __future__ import annotations

import numpy as np
from problem import BETAS, EPS, LR, SLOPE, Weights

from dcgan.steps import discriminator_step, generator_step
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, LeakyReLU, ReLU, Sequential, Tanh
from gpunet.optim import Adam


def generator() -> Sequential:
    return Sequential(
        ConvTranspose2d(8, 8, 4, bias=False), BatchNorm(8), ReLU(),
        ConvTranspose2d(8, 4, 4, stride=2, padding=1, bias=False), BatchNorm(4), ReLU(),
        ConvTranspose2d(4, 3, 4, stride=2, padding=1, bias=False), Tanh(),
    )  # fmt: skip


def discriminator() -> Sequential:
    return Sequential(
        Conv2d(3, 4, 4, stride=2, padding=1, bias=False), LeakyReLU(SLOPE),
        Conv2d(4, 8, 4, stride=2, padding=1, bias=False), BatchNorm(8), LeakyReLU(SLOPE),
        Conv2d(8, 1, 4, bias=False),
    )  # fmt: skip


def step(weights: Weights, real: np.ndarray, z: np.ndarray) -> tuple[dict[str, float], Weights]:
    """Train D once, then G once; return both losses and the new weights."""
    G, D = generator().to(dtype=real.dtype), discriminator().to(dtype=real.dtype)
    for name, net in (("G", G), ("D", D)):
        net.load_state_dict(net.state_dict() | weights[name])  # the running averages stay
    adams = [Adam(net.parameters(), LR, BETAS, EPS) for net in (G, D)]

    fake, stats = discriminator_step(G, D, adams[1], real, z[:, None, None])  # z (N, 1, 1, 8)
    stats |= generator_step(G, D, adams[0], fake)
    losses = {name: float(stats[name]) for name in ("loss_d", "loss_g")}
    return losses, {
        name: {key: value for key, value in net.state_dict().items() if key in weights[name]}
        for name, net in (("G", G), ("D", D))
    }
