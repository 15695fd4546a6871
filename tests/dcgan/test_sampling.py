"""dcgan.sampling: z, and pictures that depend on their z alone or, if asked for, on the others too."""

import numpy as np
import pytest

from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.presets import dcgan64
from dcgan.sampling import BATCH, draw_z, sample
from gpunet import backend, layers

TINY = {"width": 2, "image_size": 8, "z_dim": 3, "batch_size": 4, "samples": 6, "channels": 1}


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


@pytest.mark.parametrize("distribution, low, high", [("normal", None, None), ("uniform", -1, 1), ("unsigned", 0, 1)])
def test_z(distribution, low, high):
    config = Config(z_dist=distribution, z_dim=100)
    z = draw_z(np.random.default_rng(0), 300, config)
    assert z.shape == (300, 1, 1, 100) and z.dtype == np.float32
    mean, std = (0, 1) if low is None else ((low + high) / 2, (high - low) / 12**0.5)
    assert abs(z.mean() - mean) < 0.02 and abs(z.std() - std) < 0.02
    if low is not None:
        assert z.min() >= low and z.max() <= high
    assert (draw_z(np.random.default_rng(0), 7, config) == z[:7]).all()


def test_a_picture_depends_on_its_z_alone():
    """Any count, any neighbours; G is left as it was, its running statistics used and untouched."""
    with backend.use("reference"):
        rng = np.random.default_rng(0)
        G = dcgan64.generator(Config(image_size=16, z_dim=5, width=4))
        G.forward(rng.standard_normal((8, 1, 1, 5), dtype="float32") * 3 + 1)  # running statistics of some kind
        G.forget()
        before = G.state_dict()
        z = draw_z(rng, 2 * BATCH + 3, Config(z_dim=5))
        many = sample(G, z)
        assert many.shape == (2 * BATCH + 3, 16, 16, 3) and many.dtype == np.uint8
        for count in (1, 2, BATCH, BATCH + 1):
            assert (sample(G, z[:count]) == many[:count]).all()
        assert G.training
        assert all((before[name] == array).all() for name, array in G.state_dict().items())
        G.eval()
        assert (many[:5] == backend.real_to_images(G.forward(z[:5]))).all()


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_sampling_statistics(statistics):
    """Running averages: a picture depends on its z alone. The batch's: on the others too, as in training mode."""
    gan = GAN(Config(**TINY, sampling_statistics=statistics), np.random.default_rng(0), "cpu")
    rng = np.random.default_rng(1)
    z, others = draw_z(rng, 32, gan.config), draw_z(rng, 32, gan.config)
    before = gan.G.state_dict()
    first = sample(gan.G, z)
    mixed = sample(gan.G, np.concatenate([z[:16], others[16:]]))[:16]
    assert (first[:16] == mixed).all() == (statistics == "running")
    assert all((before[name] == array).all() for name, array in gan.G.state_dict().items())
    if statistics == "batch":
        assert (first == backend.real_to_images(gan.G.train().forward(z))).all()


def test_batch_norm_may_evaluate_by_the_batch():
    layer, x = layers.BatchNorm(2, batch_statistics=True).eval(), np.array([[1, 10], [3, 30]], "float32")
    np.testing.assert_allclose(layer.forward(x), [[-1, -1], [1, 1]], rtol=1e-4)
    assert layer.buffers["running_mean"].tolist() == [0, 0] and layer.buffers["running_var"].tolist() == [1, 1]
