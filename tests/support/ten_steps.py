"""Ten training steps in float64 on the ranks of mpirun, or on one: `python ten_steps.py FOLDER CASES`.

CASES: a list of options of a config, as JSON; those that are not given are SMALL's. Every rank draws the numbers of the
whole batch and keeps its share. Rank 0 writes weights, Adam's moments, running averages and the losses of the first
case to FOLDER/0.npz, and so on, with the names of what is not the same, bit for bit, at all ranks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from dcgan.config import Config
from dcgan.data.share import Share
from dcgan.gan import GAN
from gpunet import backend, distributed
from gpunet.backend.devices import Array
from gpunet.distributed.mpi import join
from gpunet.optim import Adam

SMALL = {"width": 4, "image_size": 16, "channels": 1, "z_dim": 6, "batch_size": 8, "lr": 2e-3, "ema": 0}
STEPS = 10


def in_double(config: Config, device: str) -> GAN:
    """Return a GAN whose networks and optimisers compute in float64."""
    gan = GAN(config, np.random.default_rng(1), device)
    for name in "GD":
        net = getattr(gan, name).to(dtype="float64")
        adam = Adam(net.parameters(), config.lr, (0.5, 0.999), clip_grad=config.clip_grad, accumulate=config.accumulate)
        setattr(gan, f"adam_{name}", adam)
    return gan


def trained(config: Config, steps: int = STEPS, device: str = "cpu") -> dict[str, np.ndarray]:
    """Return all numbers of a GAN after the steps, and the losses, at this rank."""
    group, rng = distributed.ranks(), np.random.default_rng(2)
    gan, share = in_double(config, device), Share(group.rank, group.size, config.accumulate)
    count, losses = config.pictures_per_step, []

    def mine(drawn: np.ndarray) -> Array:
        return backend.to_device(share.of(drawn), device)

    for number in range(1, steps + 1):
        real = np.tanh(rng.standard_normal((count, 16, 16, 1)) + rng.standard_normal((count, 1, 1, 1)))
        zs = [rng.standard_normal((count, 1, 1, config.z_dim)) for _ in range(gan.draws(number))]
        losses.append(gan.step(number, mine(real), [mine(z) for z in zs]))
    found = {"losses": np.array([float(stats[name]) for stats in losses for name in sorted(stats)])}
    for name, part in gan.state_dict().items():
        found |= {f"{name} {key}": np.asarray(value) for key, value in part.items()}
    return found


def all_in_double(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array, "float64") for name, array in found.items()}


def unlike(found: dict[str, np.ndarray], group: distributed.Ranks) -> list[str]:
    """Return, at rank 0, the names of the numbers that some rank has otherwise than rank 0."""
    own, of_first = all_in_double(found), all_in_double({name: array.copy() for name, array in found.items()})
    for array in of_first.values():
        group.broadcast(array)
    names = [name for name, array in own.items() if not np.array_equal(array, of_first[name])]
    return sorted(set(sum(group.gather(names) or [], [])))


def main() -> None:
    """Train with each of the options, on the ranks that there are."""
    path, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
    place = distributed.find()
    group = join(place) if place else distributed.ALONE
    backend.use("reference")
    for i, options in enumerate(cases):
        with distributed.among(group):
            found = trained(Config(**SMALL | options))
        names = unlike(found, group)
        if group.rank == 0:
            np.savez(path / f"{i}.npz", unlike=names, **found)
    group.finish()


if __name__ == "__main__":
    main()
