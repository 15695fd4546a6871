"""dcgan.stepper: on cuda a step replayed as one graph gives the bits of the step itself, whatever changes per step."""

import numpy as np
import pytest

from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.presets import config_of
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend, kernels

TINY = {"preset": "carpedm20-mnist", "classes": 3, "width": 1, "image_size": 8, "z_dim": 3, "batch_size": 4}


def losses(graph, **options):
    """Six steps with other pictures, labels, mirrorings and another learning rate in each."""
    config = config_of({**TINY, **options})
    gan, rng = GAN(config, np.random.default_rng(0), "cuda"), np.random.default_rng(1)
    stepper, found = Stepper(gan, "cuda", graph), []
    with stepper.running():
        for number in range(1, 7):
            gan.adam_G.lr = gan.adam_D.lr = 1e-2 / number
            images = rng.integers(0, 256, (4, 8, 8, 1), dtype="uint8")
            zs = [draw_z(rng, 4, config) for _ in range(gan.draws(number))]
            flip, labels = rng.random(4) < 0.5, rng.integers(0, 3, 4).astype("int32")
            stats = stepper(number, Inputs(images, zs, flip, labels))
            found.append({name: float(value) for name, value in stats.items()})
    return found


@pytest.mark.cuda
def test_launches_of_a_step(monkeypatch):
    """Each has its price: 92 for dcgan64 with both its numbers for the log, and a few more for a scaled loss."""
    counts = []
    for precision in ("tf32", "fp16"):
        config = Config(width=2, z_dim=3, batch_size=2, channels=3, precision=precision)
        gan, rng = GAN(config, np.random.default_rng(0), "cuda"), np.random.default_rng(1)
        stepper, launched, launch = Stepper(gan, "cuda", graph=False), [], kernels.launch

        def noted(entry, *arguments, to=launched, go=launch, **more):
            to.append(entry)
            go(entry, *arguments, **more)

        with backend.use("kernels"), backend.use_precision(precision), monkeypatch.context() as patch:
            patch.setattr(kernels, "launch", noted)
            stepper(1, Inputs(np.zeros((2, 64, 64, 3), "uint8"), [draw_z(rng, 2, config)]))
        counts.append(len(launched))
    assert counts[0] <= 95 and counts[1] == counts[0] + 2 * 3  # for either network: scale, unscale and decide


@pytest.mark.cuda
@pytest.mark.parametrize("options", [{"ratio": "1:1"}, {"ratio": "2:1", "fresh_z": True}], ids=["1:1", "2:1"])
def test_a_graph_is_the_step_bit_for_bit(options):
    with backend.use("kernels"):
        assert losses(True, **options) == losses(False, **options)
