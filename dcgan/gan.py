"""GAN: the two networks of a config with their optimisers, trained batch by batch and saved as one state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import repeat
from typing import Any

import numpy as np

from dcgan.augment import View
from dcgan.between import fake_for
from dcgan.config import Config
from dcgan.penalties import Objective, Penalty, objective, penalties
from dcgan.presets import find, initialiser
from dcgan.steps import Stats, discriminator_step, generator_step
from gpunet import backend, distributed
from gpunet.average import Average
from gpunet.backend.cells import Bytes
from gpunet.backend.choices import rounding
from gpunet.backend.devices import Array, array_module, device_of
from gpunet.backend.loss_scale import FIRST
from gpunet.optim import Adam

MicroBatch = tuple[Array | Bytes, Any, View, Any]  # real pictures (N, H, W, C), labels (N,) or None, view, mix or None


class GAN:
    """G and D of a config, their weights drawn from rng (G's first), on a device, each with its Adam.

    `average_G` is the moving average of G's weights, which draws the samples; None with ema = 0.
    """

    def __init__(self, config: Config, rng: np.random.Generator, device: str) -> None:
        preset, initialise = find(config.preset), initialiser(config)
        self.config = config
        self.G, self.D = preset.generator(config), preset.discriminator(config)
        for net in (self.G, self.D):
            initialise(net, rng)
            net.to(device)
        betas, scale = (config.beta1, config.beta2), FIRST if config.precision == "fp16" else None
        self.adam_G, self.adam_D = (
            Adam(net.parameters(), rate, betas, 1e-8, config.l2, scale, config.clip_grad, config.accumulate)
            for net, rate in zip((self.G, self.D), config.rates, strict=True)
        )
        with self._rounding():
            pass  # the weights are rounded now, not in the first step
        self.average_G = Average(self.G, self.adam_G, config.ema) if config.ema else None

    @property
    def rates(self) -> tuple[float, float]:
        """The learning rates of G and of D. Setting them takes effect at the next step."""
        return self.adam_G.lr, self.adam_D.lr

    @rates.setter
    def rates(self, values: tuple[float, float]) -> None:
        self.adam_G.lr, self.adam_D.lr = values

    def plan(self, number: int) -> tuple[bool, int]:
        """Return whether the number-th batch, from 1, trains D, and how often it trains G.

        With ratio n:m every batch trains D, and every n-th G, m times; alternating, m batches G, the next n D.
        """
        d_steps, g_steps = self.config.ratio
        if self.config.alternate:  # ratio 2:1 is G, D, D, G, D, D ...
            turn_of_D = (number - 1) % (d_steps + g_steps) >= g_steps
            return turn_of_D, int(not turn_of_D)
        return True, g_steps if number % d_steps == 0 else 0

    def penalties(self, number: int) -> tuple[Penalty, ...]:
        """Return the gradient penalties that the number-th batch, from 1, adds to D's loss."""
        if not self.plan(number)[0]:
            return ()
        before, (d_steps, g_steps) = number - 1, self.config.ratio
        if self.config.alternate:  # each turn of g_steps + d_steps batches begins with those of G
            turns, in_turn = divmod(before, g_steps + d_steps)
            before = turns * d_steps + in_turn - g_steps
        return penalties(self.config, before)

    def mixes(self, number: int) -> bool:
        """Return whether the number-th step takes a `mix`."""
        return any(penalty.name == "gp" for penalty in self.penalties(number))

    def draws(self, number: int) -> int:
        """Return how many batches of z the number-th step takes: one, or with fresh_z one for every update."""
        trains_D, g_steps = self.plan(number)
        return trains_D + g_steps if self.config.fresh_z else 1

    def views(self, number: int) -> int:
        """Return how many sets of numbers the `View` of the number-th step takes: real pictures, and G's each time."""
        trains_D, g_steps = self.plan(number)
        return 2 * trains_D + g_steps

    def step(
        self,
        number: int,
        real: Array | Bytes,
        zs: Sequence[Array],
        labels: Array | None = None,
        view: View | None = None,
        mix: Array | None = None,
    ) -> Stats:
        """Train on one batch, the number-th from 1, as `plan` says.

        real (N, H, W, C), in the range of G's pictures; zs: `draws(number)` arrays z (N, 1, 1, z_dim); labels (N,) of
        the real pictures, int32, if the networks are told them: G then makes pictures of the same classes. view: what D
        sees of pictures; None: them as they are. mix (N,): what WGAN-GP takes (`mixes`). With --accumulate the batch is
        cut into so many parts of equal size, and every update takes the mean of their gradients. Among several ranks
        all arrays are this rank's share, gradients are means over all ranks, and so are the numbers that are returned.
        """
        (trains_D, g_steps), config = self.plan(number), self.config
        parts, fake, stats = config.accumulate, None, Stats()
        views, wanted = (view or View()).parts(parts), objective(config, self.penalties(number))
        batches = list(zip(cut(real, parts), cut(labels, parts), views, cut(mix, parts), strict=True))
        next_z = iter(zs) if config.fresh_z else repeat(zs[0])
        with self._rounding(), self._among_ranks():
            if trains_D:
                fake, stats = self._train_D(batches, cut(next(next_z), parts), wanted)
            for i in range(g_steps):
                ready = fake if i == 0 and not config.fresh_z else None  # else G has changed, or gets another z
                stats.update(self._train_G(batches, cut(next(next_z), parts), wanted, ready))
        self.G.forget()  # if no generator step used the pictures
        return over_ranks(stats)

    def _train_D(
        self, batches: Sequence[MicroBatch], zs: Sequence[Array], wanted: Objective
    ) -> tuple[Array | None, Stats]:
        """Update D once; return G's pictures if G is ready to learn from them: if they are of one batch."""
        found = []
        for (real, labels, view, mix), z in zip(batches, zs, strict=True):
            self.G.forget()
            with self._told(labels):
                fake, stats = discriminator_step(self.G, self.D, self.adam_D, real, z, view, wanted, mix)
            found.append(stats)
        return fake if len(batches) == 1 else None, mean_of(found) | _norm("grad_d", self.adam_D)

    def _train_G(
        self, batches: Sequence[MicroBatch], zs: Sequence[Array], wanted: Objective, fake: Array | None
    ) -> Stats:
        """Update G once; fake: its pictures of a pass whose backward is still to come, None: they are drawn here."""
        found = []
        for (real, labels, view, _), z in zip(batches, zs, strict=True):
            with self._told(labels):
                if fake is None or len(batches) > 1:
                    self.G.forget()
                    fake = fake_for(self.G, self.D, z, view, real.shape)
                found.append(generator_step(self.G, self.D, self.adam_G, fake, view, wanted))
        return mean_of(found) | _norm("grad_g", self.adam_G)

    @contextmanager
    def _told(self, labels: Array | None) -> Iterator[None]:
        """Within the block both networks know the labels of the batch."""
        with self.G.given(labels), self.D.given(labels):
            yield

    @contextmanager
    def _rounding(self) -> Iterator[None]:
        """Within the block convolutions on tensor cores take weights that Adam has rounded."""
        precision = rounding(device_of(self.adam_G.data[0]), self.adam_G.data[0].dtype)
        with self.adam_G.rounding(precision), self.adam_D.rounding(precision):
            yield

    @contextmanager
    def _among_ranks(self) -> Iterator[None]:
        """Within the block batch norm takes the pictures of all ranks for one batch, if --sync-bn says so."""
        group = distributed.ranks() if self.config.sync_bn else distributed.ALONE
        with self.G.among_ranks(group), self.D.among_ranks(group):
            yield

    def averaged(self) -> AbstractContextManager:
        """Within the block G computes with the moving average of its weights, if there is one."""
        return self.average_G.in_use() if self.average_G else nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the networks', the optimisers' and the average's states, as NumPy arrays and numbers."""
        return {name: _on_host(part.state_dict()) for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a `state_dict`, from any device. Raises ValueError where it does not fit the networks.

        An average that the state lacks, as states of older versions do, begins with G's weights.
        """
        for name, part in self._parts().items():
            if name in state or name != "average_G":
                part.load_state_dict(state[name])
            else:
                part.restart()
        for adam in (self.adam_G, self.adam_D):
            adam.changed()

    def _parts(self) -> dict[str, Any]:
        parts = {"G": self.G, "D": self.D, "adam_G": self.adam_G, "adam_D": self.adam_D}
        return parts | ({"average_G": self.average_G} if self.average_G else {})


def cut(array: Array | Bytes | None, count: int) -> Sequence[Any]:
    """Return `count` equal parts of an array (N, ...), one after another; of None as many None."""
    if array is None or count == 1:
        return [array] * count
    each = array.shape[0] // count
    parts = [slice(i * each, (i + 1) * each) for i in range(count)]
    return [array.part(which) if isinstance(array, Bytes) else array[which] for which in parts]


def mean_of(found: Sequence[Stats]) -> Stats:
    """Return the means of the numbers of several batches."""
    if len(found) == 1:
        return found[0]
    xp = array_module(next(iter(found[0].values())))
    return {name: xp.asarray(sum(stats[name] for stats in found) / len(found)) for name in found[0]}


def over_ranks(stats: Stats) -> Stats:
    """Return the means over all ranks of 0-d arrays."""
    group = distributed.ranks()
    if group.size == 1:
        return stats
    numbers = backend.join(*(value.reshape(1) for value in stats.values()))
    group.sum(numbers)
    numbers /= group.size
    return dict(zip(stats, numbers, strict=True))


def _norm(name: str, optimizer: Adam) -> Stats:
    """Return the norm of the newest gradient for the log, where gradients are clipped."""
    return {} if optimizer.norm is None else {name: optimizer.norm}


def _on_host(state: dict[str, Any]) -> dict[str, Any]:
    return {name: backend.to_numpy(value) if hasattr(value, "shape") else value for name, value in state.items()}
