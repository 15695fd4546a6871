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
from benchmarks.rivals.torch_graph import Replayed

# All networks share the code of nn.Sequential.forward. Compiled more often than this limit, PyTorch would run it
# uncompiled without saying so.
torch._dynamo.config.recompile_limit = 64
torch._dynamo.config.fail_on_recompile_limit_hit = True

Losses = dict[str, torch.Tensor]
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
        self.adam_G, self.adam_D = (self._adam(net) for net in (self.G, self.D))
        # Not enabled, it changes nothing.
        scaled = {"device": real.device.type, "enabled": rival.has("fp16"), "init_scale": plain["loss_scale"]}
        self.scale_G, self.scale_D = (torch.amp.GradScaler(**scaled) for _ in range(2))
        for scale in (self.scale_G, self.scale_D):
            scale.scale(torch.zeros((), device=real.device))  # puts its numbers on the device
        how = {"dynamic": False, "mode": "max-autotune-no-cudagraphs" if rival.has("graph") else "default"}
        compiled = rival.has("compiled")
        self.run_G, self.run_D = (torch.compile(net, **how) if compiled else net for net in (self.G, self.D))
        self.gradients: dict[str, list[Any]] = {}
        self.replayed = Replayed(self._train, self.state) if rival.has("graph") else None

    def _adam(self, net: Any) -> torch.optim.Adam:
        lr, options = self.plain["lr"], {"betas": self.plain["betas"], "weight_decay": self.plain["weight_decay"]}
        if self.rival.has("graph"):  # a replay reads the rate from where it lies on the device
            lr, options = torch.tensor(lr, device=self.real.device), options | {"capturable": True}
        options |= {"fused": True} if self.rival.has("fused") else {}
        return torch.optim.Adam(net.parameters(), lr=lr, **options)

    def set_lr(self, lr: float) -> None:
        """Train with this learning rate from here on."""
        for adam in (self.adam_G, self.adam_D):
            (group,) = adam.param_groups
            group["lr"] = group["lr"].fill_(lr) if torch.is_tensor(group["lr"]) else lr

    def step(self, keep_gradients: bool = False) -> Losses:
        """Train D, and G as often as the preset says; return the losses, on the device."""
        losses = self._train(keep_gradients) if self.replayed is None else self.replayed()
        if keep_gradients and self.replayed:  # D is frozen while G learns, so its gradients are still there
            self._keep("D", self.D)
            self._keep("G", self.G)
        return losses

    def _train(self, keep_gradients: bool = False) -> Losses:
        next_z, g_steps, fresh_z = iter(self.zs), self.plain["g_steps"], self.plain["fresh_z"]
        z = next(next_z)
        fake = self._draw(z)
        losses = {"loss_d": self._train_D(fake)}
        if keep_gradients:
            self._keep("D", self.D)
        for number in range(g_steps):
            if number or fresh_z:  # G has changed since it drew, or the preset asks for new z
                fake = self._draw(next(next_z) if fresh_z else z)
            losses["loss_g"] = self._train_G(fake)
        if keep_gradients:
            self._keep("G", self.G)
        return losses

    def state(self) -> list[torch.Tensor]:
        """Return every tensor that a step changes, but for the gradients."""
        nets = [tensor for net in (self.G, self.D) for tensor in (*net.parameters(), *net.buffers())]
        moments = [t for adam in (self.adam_G, self.adam_D) for state in adam.state.values() for t in state.values()]
        scales = [t for scale in (self.scale_G, self.scale_D) for t in vars(scale).values() if torch.is_tensor(t)]
        return [*nets, *moments, *scales]

    def values_of_D(self) -> np.ndarray:
        """Return all parameters of D as one vector."""
        return np.concatenate([p.detach().cpu().numpy().ravel() for p in self.D.parameters()])

    def _draw(self, z: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            return self.run_G(z)

    def _loss(self, pictures: torch.Tensor, target: float) -> torch.Tensor:
        with self._autocast():
            return bce(self.run_D(pictures), target)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Multiply in the rival's mixed precision; a captured step keeps no rounded weights for the next one."""
        if self.rival.mixed is None:
            return contextlib.nullcontext()
        dtype, kept = AUTOCAST[self.rival.mixed], not self.rival.has("graph")
        return torch.autocast(self.real.device.type, dtype, cache_enabled=kept)

    def _train_D(self, fake: torch.Tensor) -> torch.Tensor:
        real_target, fake_target, _ = self.plain["targets"]
        self.adam_D.zero_grad()
        loss_real = self._loss(self.real, real_target)
        self.scale_D.scale(loss_real).backward()
        loss_fake = self._loss(fake.detach(), fake_target)
        self.scale_D.scale(loss_fake).backward()
        self.scale_D.step(self.adam_D)
        self.scale_D.update()
        return loss_real.detach() + loss_fake.detach()

    def _train_G(self, fake: torch.Tensor) -> torch.Tensor:
        self.adam_G.zero_grad()
        with frozen(self.D) if self.rival.has("frozen") else contextlib.nullcontext():
            loss = self._loss(fake, self.plain["targets"][2])
            self.scale_G.scale(loss).backward()
        self.scale_G.step(self.adam_G)
        self.scale_G.update()
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
