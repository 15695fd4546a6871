"""z by the numbers of a contact sheet: the n-th of a seed, or by the address of a picture that dcgan.generate wrote."""

from __future__ import annotations

import numpy as np

from dcgan import generate_options, sampling
from dcgan.address import Address
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.trained import Trained

MOST = 100_000  # the largest number of a picture


def z_of(config: Config, seed: int, numbers: list[int]) -> np.ndarray:
    """Return the z of pictures of a seed, counted from 1 as `dcgan.generate --seed` does: (N, 1, 1, z_dim)."""
    rng = np.random.default_rng(seed)
    count = sampling.whole_batches(max(numbers))
    drawn = [sampling.draw_z(rng, sampling.BATCH, config) for _ in range(count // sampling.BATCH)]
    return np.concatenate(drawn)[np.array(numbers) - 1]


def picked(option: str, text: str, by: Trained, seed: int) -> tuple[list[str], np.ndarray]:
    """Return the names and the z (N, 1, 1, z_dim) of "1,5-7" or of addresses, "0001-dcgan64_500_3_12,...", or of both.

    Raises UserError for a text that is no such list, or an address of another run or step.
    """
    names: list[str] = []
    zs = []
    for part in text.split(","):
        numbers = generate_options.number_list(part, MOST)
        if numbers is not None and min(numbers) > 0:
            names += map(str, numbers)
            zs.append(z_of(by.config, seed, numbers))
        elif numbers is None and "_" in part:
            where = Address.parse(part.strip())
            if (where.run, where.step) != (by.run, by.step):
                raise UserError(f"{option}: got {where.text()}, expected an address of {by.run}, step {by.step}")
            names.append(f"{where.seed}_{where.index}")
            zs.append(z_of(by.config, where.seed, [min(where.index, MOST)]))
        else:
            raise UserError(f"{option}: got '{text}', expected numbers of pictures from 1, such as 1,5-9, or addresses")
    return names, np.concatenate(zs)
