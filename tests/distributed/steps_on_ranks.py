"""What test_steps.py runs on every rank: `python steps_on_ranks.py`. Ten steps in float64, by all ranks and by one.

Every rank trains twice, from the same weights: with its share of each batch among all ranks, and with whole batches
alone. Weights, moments, averages and the numbers of the log have to be the same to 1e-12.
"""

from __future__ import annotations

import traceback
from typing import Any

import numpy as np

from dcgan.augment import View
from dcgan.config import Config
from dcgan.data import ArraySource
from dcgan.gan import GAN
from dcgan.trainer import Trainer
from gpunet import backend, distributed, layers
from gpunet.average import Average
from gpunet.distributed import ALONE, gradients
from gpunet.distributed.mpi import join
from gpunet.optim import Adam

STEPS, CLOSE = 10, 1e-12
BASE = {"width": 2, "z_dim": 3, "image_size": 8, "channels": 1, "batch_size": 8, "steps": 2 * STEPS, "lr": 1e-3,
        "flip": True, "last_batch": "wrap"}  # fmt: skip
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "parts of a batch": {"accumulate": 3, "batch_size": 4},
    "clipped gradients, two G steps, fresh z": {"clip_grad": 0.05, "ratio": "1:2", "fresh_z": True},
    "penalties": {"r1": 10.0, "r1_every": 2, "loss": "wgan-gp"},
    "what D sees": {"augment": "color,translation,cutout", "instance_noise": 0.1},
    "noise, parts and decay": {"instance_noise": 0.1, "accumulate": 2, "batch_size": 4, "l2": 1e-3, "loss": "hinge"},
    "clipped weights, alternating": {"loss": "wgan", "alternate": True, "ratio": "2:1", "lr_schedule": "linear"},
    "spectral norm": {"spectral_norm": True, "loss": "ls"},
}


def networks(spectral: bool) -> tuple[layers.Sequential, layers.Sequential]:
    """Return G and D without batch norm, whose answers depend on the other pictures of a batch."""
    conv, turned = layers.Conv2d, layers.ConvTranspose2d
    G = layers.Sequential(turned(3, 4, 4), layers.ReLU(), turned(4, 1, 4, 2, 1), layers.Tanh())
    first, last = conv(1, 3, 4, 2, 1), conv(3, 1, 4)
    if spectral:
        first, last = layers.SpectralNorm(first), layers.SpectralNorm(last)
    return G, layers.Sequential(first, layers.LeakyReLU(0.2), last)


def in_float64(gan: GAN) -> None:
    """Give a GAN small networks in float64, drawn from one seed, with optimisers of the current group."""
    rng, config = np.random.default_rng(2), gan.config
    gan.G, gan.D = networks(config.spectral_norm)
    for net in (gan.G, gan.D):
        for parameter in net.parameters():
            parameter.data[...] = rng.standard_normal(parameter.data.shape) / 2
        for layer in net.walk():
            if isinstance(layer, layers.SpectralNorm):
                layer.settle()
        net.to("cpu", "float64")
    gan.adam_G, gan.adam_D = (
        Adam(net.parameters(), rate, (0.5, 0.999), 1e-8, config.l2, None, config.clip_grad, config.accumulate)
        for net, rate in zip((gan.G, gan.D), config.rates, strict=True)
    )
    gan.average_G = Average(gan.G, gan.adam_G, 0.9)


def trained(given: dict[str, Any], group: distributed.Ranks) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
    """Return what ten steps of a group leave, and the numbers of each step."""
    pixels = np.random.default_rng(0).integers(0, 256, (21, 8, 8, 1), dtype="uint8")
    with distributed.among(group), backend.use("reference"):
        trainer, numbers = Trainer(Config(**BASE | given), ArraySource(pixels, "", ""), "cpu"), []
        in_float64(trainer.gan)
        with trainer._loader() as loader:
            for number in range(1, STEPS + 1):
                batch = next(loader)
                inputs = trainer._inputs(batch)
                trainer._set_learning_rates(batch.epoch + 1)
                real = backend.images_to_real(inputs.images, "float64", inputs.flip)
                view = View(trainer.config, inputs.changes, inputs.noise)
                mix = None if inputs.mix is None else inputs.mix.astype("float64")
                zs = [z.astype("float64") for z in inputs.zs]
                stats = trainer.gan.step(number, real, zs, None, view, mix)
                numbers.append({name: float(value) for name, value in stats.items()})
                trainer.step, trainer.start = number, batch.next_start
        state = trainer.gan.state_dict()
    return {f"{part} {name}": np.asarray(value) for part, own in state.items() for name, value in own.items()}, numbers


def compare(name: str, group: distributed.Ranks) -> None:
    """Fail where the ranks' training is not that of one process."""
    arrays, numbers = trained(CASES[name], group)
    expected, expected_numbers = trained(CASES[name], ALONE)
    assert arrays.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(arrays[key], value, rtol=0, atol=CLOSE, err_msg=f"{name}: {key}")
    for step, (found, wanted) in enumerate(zip(numbers, expected_numbers, strict=True), 1):
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            where = f"{name}: {key} of step {step}"
            np.testing.assert_allclose(found[key], value, rtol=CLOSE, atol=CLOSE, err_msg=where)


class Counting:
    """Counts the sums that a group begins."""

    def __init__(self, group: distributed.Ranks) -> None:
        self.begun, begin = 0, group.begin_sum

        def counted(array):
            self.begun += 1
            return begin(array)

        group.begin_sum = counted  # type: ignore[method-assign]


def main() -> None:
    place = distributed.find()
    assert place is not None
    group = join(place)
    try:
        gradients.BUCKET = 64  # numbers: several buckets in each network
        counting = Counting(group)
        for name in CASES:
            before = counting.begun
            compare(name, group)
            print(f"rank {group.rank}: {name}: {counting.begun - before} sums")
    except BaseException:
        traceback.print_exc()
        group.abort(1)
    group.finish()


if __name__ == "__main__":
    main()
