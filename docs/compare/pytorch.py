"""The step in PyTorch, as its DCGAN tutorial has it: autograd computes the backward passes."""

from __future__ import annotations

import numpy as np
import torch
from problem import BETAS, EPS, LR, SLOPE, Weights
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce


def generator() -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(8, 8, 4, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1, bias=False), nn.Tanh(),
    )  # fmt: skip


def discriminator() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(SLOPE),
        nn.Conv2d(4, 8, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(SLOPE),
        nn.Conv2d(8, 1, 4, bias=False),
    )  # fmt: skip


def step(weights: Weights, real: np.ndarray, z: np.ndarray) -> tuple[dict[str, float], Weights]:
    """Train D once, then G once; return both losses and the new weights."""
    G, D = generator().double(), discriminator().double()
    load(G, weights["G"])
    load(D, weights["D"])
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), LR, BETAS, EPS) for net in (G, D))
    pictures = torch.tensor(real).permute(0, 3, 1, 2)  # (N, C, H, W)
    ones, zeros = torch.ones(len(z), dtype=torch.double), torch.zeros(len(z), dtype=torch.double)

    adam_d.zero_grad()
    fake = G(torch.tensor(z)[:, :, None, None])
    loss_d = bce(D(pictures).flatten(), ones) + bce(D(fake.detach()).flatten(), zeros)  # G learns nothing here
    loss_d.backward()
    adam_d.step()

    adam_g.zero_grad()
    loss_g = bce(D(fake).flatten(), ones)  # D gets gradients, too, which the next zero_grad throws away
    loss_g.backward()
    adam_g.step()
    return {"loss_d": loss_d.item(), "loss_g": loss_g.item()}, {"G": saved(G), "D": saved(D)}


def names(net: nn.Sequential) -> dict[str, torch.Tensor]:
    """Return the parameters by this project's names: batch norm's weight and bias are scale and shift."""
    norms = {str(i) for i, layer in enumerate(net) if isinstance(layer, nn.BatchNorm2d)}
    found = {}
    for name, parameter in net.named_parameters():
        layer, kind = name.split(".")
        found[f"{layer}.{'scale' if kind == 'weight' else 'shift'}" if layer in norms else name] = parameter
    return found


def load(net: nn.Sequential, weights: dict[str, np.ndarray]) -> None:
    """Copy weights in: a kernel (KH, KW, A, B) is (B, A, KH, KW) here."""
    with torch.no_grad():
        for name, parameter in names(net).items():
            value = torch.tensor(weights[name])
            parameter.copy_(value.permute(3, 2, 0, 1) if value.ndim == 4 else value)


def saved(net: nn.Sequential) -> dict[str, np.ndarray]:
    """Return the weights in this project's layout."""
    values = {name: parameter.detach() for name, parameter in names(net).items()}
    return {name: (v.permute(2, 3, 1, 0) if v.ndim == 4 else v).numpy() for name, v in values.items()}
