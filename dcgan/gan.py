"""GAN: the two networks of a config with their optimisers, trained batch by batch and saved as one state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dcgan.config import Config
from dcgan.presets import find
from dcgan.steps import Stats, discriminator_step, generator_step
from gpunet import backend
from gpunet.backend.arrays import Array
from gpunet.optim import Adam


class GAN:
    """G and D of a config, their weights drawn from rng (G's first), on a device, each with its Adam."""

    def __init__(self, config: Config, rng: np.random.Generator, device: str) -> None:
        preset = find(config.preset)
        self.config = config
        self.G, self.D = preset.generator(config), preset.discriminator(config)
        for net in (self.G, self.D):
            preset.initialise(net, rng)
            net.to(device)
        betas = (config.beta1, config.beta2)
        self.adam_G, self.adam_D = (Adam(net.parameters(), config.lr, betas) for net in (self.G, self.D))

    def generator_steps(self, number: int) -> int:
        """Return how often G is trained on the number-th batch: with ratio n:m, m times if n divides number."""
        d_steps, g_steps = self.config.ratio
        return g_steps if number % d_steps == 0 else 0

    def draws(self, number: int) -> int:
        """Return how many z batches the number-th step takes: one, and with fresh_z one more per step of G."""
        return 1 + self.generator_steps(number) * self.config.fresh_z

    def step(self, number: int, real: Array, zs: Sequence[Array]) -> Stats:
        """Train on one batch, the number-th from 1: D once, G `generator_steps` times.

        real (N, H, W, C) in [-1, 1]; zs: `draws(number)` arrays z (N, 1, 1, z_dim).
        """
        fake, stats = discriminator_step(self.G, self.D, self.adam_D, real, zs[0], self.config.real_target)
        for i in range(self.generator_steps(number)):
            if i > 0 or self.config.fresh_z:  # G has changed, or its z shall: pictures anew
                self.G.forget()
                fake = self.G.forward(zs[1 + i] if self.config.fresh_z else zs[0])
            stats.update(generator_step(self.G, self.D, self.adam_G, fake, self.config.fake_target))
        self.G.forget()  # pictures that no generator step used
        return stats

    def state_dict(self) -> dict[str, Any]:
        """Return copies of both networks' and both optimisers' states, as NumPy arrays and numbers."""
        return {name: _on_host(part.state_dict()) for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a `state_dict`, from any device. Raises ValueError where it does not fit the networks."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {"G": self.G, "D": self.D, "adam_G": self.adam_G, "adam_D": self.adam_D}


def _on_host(state: dict[str, Any]) -> dict[str, Any]:
    return {name: backend.to_numpy(value) if hasattr(value, "shape") else value for name, value in state.items()}
