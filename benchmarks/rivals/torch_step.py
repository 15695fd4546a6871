"""PyTorch's training step, in the ways that benchmarks/rivals/names.py names. Imports nothing of our library."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.rivals import torch_networks
from benchmarks.rivals.names import Rival

# All networks share the code of nn.Sequential.forward. Compiled more often than this limit, PyTorch would run it
# uncompiled without saying so.
torch._dynamo.config.recompile_limit = 64
torch._dynamo.config.fail_on_recompile_limit_hit = True

Losses = dict[str, torch.Tensor]


def networks(plain: dict[str, Any]) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return G and D of a workload, with PyTorch's own first weights."""
    torch.manual_seed(0)
    build = getattr(torch_networks, plain["preset"].replace("-", "_"))
    return build(*plain["network"])


class TorchStep:
    """The training step of two networks, run in the way of one rival.

    real: pictures (N, C, H, W) as numbers. zs: (N, z) for every draw. Both are on the device already, so this side is
    spared the conversion from bytes, which our step includes.
    """

    def __init__(self, plain: dict[str, Any], rival: Rival, G: Any, D: Any, real: Any, zs: list[Any]) -> None:
        layout = torch.channels_last if rival.has("channels_last") else torch.contiguous_format
        self.plain, self.rival, self.zs = plain, rival, zs
        self.G, self.D = G.to(real.device, memory_format=layout), D.to(real.device, memory_format=layout)
        self.real = real.contiguous(memory_format=layout)
        options = {"lr": plain["lr"], "betas": plain["betas"], "weight_decay": plain["weight_decay"]}
        options |= {"fused": True} if rival.has("fused") else {}
        self.adam_G, self.adam_D = (torch.optim.Adam(net.parameters(), **options) for net in (self.G, self.D))
        compiled = rival.has("compiled")
        how = {"dynamic": False, "mode": "reduce-overhead" if rival.has("graphs") else "default"}
        self.run_G, self.run_D = (torch.compile(net, **how) if compiled else net for net in (self.G, self.D))
        self.gradients: dict[str, list[Any]] = {}

    def set_lr(self, lr: float) -> None:
        """Train with this learning rate from here on."""
        for adam in (self.adam_G, self.adam_D):
            adam.param_groups[0]["lr"] = lr

    def step(self, keep_gradients: bool = False) -> Losses:
        """Train D, and G as often as the preset says; return the losses, on the device."""
        next_z, g_steps, fresh_z = iter(self.zs), self.plain["g_steps"], self.plain["fresh_z"]
        z = next(next_z)
        fake = self.run_G(z)
        losses = {"loss_d": self._train_D(fake)}
        if keep_gradients:
            self._keep("D", self.D)
        for number in range(g_steps):
            if number or fresh_z:  # G has changed since it drew, or the preset asks for new z
                fake = self.run_G(next(next_z) if fresh_z else z)
            losses["loss_g"] = self._train_G(fake)
        if keep_gradients:
            self._keep("G", self.G)
        return losses

    def values_of_D(self) -> np.ndarray:
        """Return all parameters of D as one vector."""
        return np.concatenate([p.detach().cpu().numpy().ravel() for p in self.D.parameters()])

    def _train_D(self, fake: torch.Tensor) -> torch.Tensor:
        real_target, fake_target, _ = self.plain["targets"]
        self.adam_D.zero_grad()
        loss_real = bce(self.run_D(self.real), real_target)
        loss_real.backward()
        loss_fake = bce(self.run_D(fake.detach()), fake_target)
        loss_fake.backward()
        self.adam_D.step()
        return loss_real.detach() + loss_fake.detach()

    def _train_G(self, fake: torch.Tensor) -> torch.Tensor:
        self.adam_G.zero_grad()
        with frozen(self.D) if self.rival.has("frozen") else contextlib.nullcontext():
            loss = bce(self.run_D(fake), self.plain["targets"][2])
            loss.backward()
        self.adam_G.step()
        return loss.detach()

    def _keep(self, name: str, net: torch.nn.Module) -> None:
        self.gradients[name] = [p.grad.detach().cpu().clone() for p in net.parameters() if p.grad is not None]


def bce(logits: torch.Tensor, target: float) -> torch.Tensor:
    """Return the mean of -(t log D + (1 - t) log(1 - D))."""
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


@contextlib.contextmanager
def frozen(net: torch.nn.Module) -> Iterator[None]:
    """Compute no gradients of the network's parameters in a `with` block."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)
