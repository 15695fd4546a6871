"""dcgan.presets.dcgan64: the published network, every size that halves, and the nearest for one that does not."""

import math
import subprocess
import sys

import numpy as np
import pytest

from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.presets import dcgan64 as models
from gpunet import backend

SIZES = [(8, 8), (16, 16), (28, 28), (32, 32), (64, 32), (32, 64), (64, 48), (96, 96), (128, 32), (10, 12)]


@pytest.fixture(autouse=True)
def reference():
    """Shapes do not depend on the implementation; the layers' own tests run on all."""
    with backend.use("reference"):
        yield


def generator(size, channels, z_dim, width):
    return models.generator(Config(image_size=size, channels=channels, z_dim=z_dim, width=width))


def discriminator(size, channels, width):
    return models.discriminator(Config(image_size=size, channels=channels, width=width))


def count(net):
    return sum(parameter.data.size for parameter in net.parameters())


def test_parameter_counts_are_the_published_ones():
    assert count(generator((64, 64), 3, 100, 64)) == 3_576_704
    assert count(discriminator((64, 64), 3, 64)) == 2_765_568


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(size, channels):
    rng = np.random.default_rng(0)
    G, D = generator(size, channels, 7, 2), discriminator(size, channels, 2)
    x = G.forward(rng.standard_normal((3, 1, 1, 7), dtype="float32"))
    assert x.shape == (3, *size, channels) and np.abs(x).max() <= 1
    logits = D.forward(x)
    assert logits.shape == (3, 1, 1, 1)
    dx = D.backward(np.ones_like(logits))
    assert dx.shape == x.shape
    assert G.backward(dx).shape == (3, 1, 1, 7)


def test_the_ladder_at_64_by_64():
    """State sizes of pytorch/examples dcgan, stage by stage."""
    x, sizes = np.zeros((2, 1, 1, 100), "float32"), []
    for layer in generator((64, 64), 3, 100, 64):
        x = layer.forward(x)
        if not sizes or x.shape[1:] != sizes[-1]:
            sizes.append(x.shape[1:])
    assert sizes == [(4, 4, 512), (8, 8, 256), (16, 16, 128), (32, 32, 64), (64, 64, 3)]
    sizes = []
    for layer in discriminator((64, 64), 3, 64):
        x = layer.forward(x)
        if not sizes or x.shape[1:] != sizes[-1]:
            sizes.append(x.shape[1:])
    assert sizes == [(32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512), (1, 1, 1)]


def test_filters_stop_doubling():
    assert models.ladder((256, 256), 64) == ((4, 4), [1024, 1024, 512, 256, 128, 64])


@pytest.mark.parametrize(
    "size, nearest",
    [((100, 100), "96x96"), ((218, 178), "224x192"), ((7, 7), "8x8"), ((1, 1), "8x8"), ((65, 64), "64x64")],
)
def test_an_impossible_size_names_the_nearest(size, nearest):
    for build in (lambda: generator(size, 3, 10, 4), lambda: discriminator(size, 3, 4)):
        with pytest.raises(UserError, match=f"cannot make pictures of {size[0]}x{size[1]}.*--image-size {nearest}$"):
            build()


def test_nearest_is_nearest():
    """Against a search over all sizes."""

    def builds(size):
        try:
            return bool(models.ladder(size, 1))
        except UserError:
            return False

    possible = [(h, w) for h in range(1, 140) for w in range(1, 140) if builds((h, w))]
    for size in [tuple(pair) for pair in np.random.default_rng(0).integers(6, 110, (60, 2))]:
        nearest = models.nearest_size(size)
        assert nearest in possible
        assert math.dist(nearest, size) <= min(math.dist(other, size) for other in possible) + 1e-9


def test_initial_weights():
    """Weights N(0, 0.02^2), batch norm scales N(1, 0.02^2), shifts 0; the same for the same seed."""
    nets = [generator((64, 64), 3, 100, 16) for _ in range(2)]
    for net in nets:
        models.PRESET.initialise(net, np.random.default_rng(3))
    for (name, a), (_, b) in zip(*(net.named_parameters() for net in nets), strict=True):
        kind, values = name.split(".")[-1], a.data
        mean, std = {"weight": (0, 0.02), "scale": (1, 0.02), "shift": (0, 0)}[kind]
        assert abs(values.mean() - mean) <= 5 * std / math.sqrt(values.size)
        assert abs(values.std() - std) <= 5 * std / math.sqrt(2 * values.size)
        assert (values == b.data).all()


def test_networks_start_without_what_only_data_needs():
    """Reading pictures takes h5py, Pillow and tqdm, which take longer to import than networks to build."""
    program = "import dcgan.gan, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"h5py", "PIL", "tqdm", "matplotlib"} & set(done.stdout.split())
