"""dcgan.gan: which batch trains which network; training with a scaled loss, which has the bits of training without."""

import numpy as np
import pytest

from cases import host
from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend
from gpunet.backend.loss_scale import SCALE
from gpunet.optim import Adam

TINY = {"width": 2, "image_size": 8, "z_dim": 3, "batch_size": 4, "channels": 1}


@pytest.fixture
def reference():
    with backend.use("reference"):
        yield


def test_turns(reference):
    def plans(**options):
        gan = GAN(Config(**TINY, **options), np.random.default_rng(0), "cpu")
        return [gan.plan(number) for number in range(1, 7)], [gan.draws(number) for number in range(1, 7)]

    assert plans() == ([(True, 1)] * 6, [1] * 6)
    assert plans(ratio="3:2", fresh_z=True) == ([(True, 0), (True, 0), (True, 2)] * 2, [1, 1, 3] * 2)
    assert plans(alternate=True, fresh_z=True) == ([(False, 1), (True, 0)] * 3, [1] * 6)
    assert plans(ratio="2:1", alternate=True) == ([(False, 1), (True, 0), (True, 0)] * 2, [1] * 6)


def test_alternating_batches_train_one_network_each(reference):
    gan, rng = GAN(Config(**TINY, alternate=True), np.random.default_rng(0), "cpu"), np.random.default_rng(1)
    for number, (trained, other) in enumerate(["GD", "DG", "GD"], 1):
        before = {name: getattr(gan, name).state_dict() for name in "GD"}
        real, z = rng.standard_normal((4, 8, 8, 1), "float32"), draw_z(rng, 4, gan.config)
        stats = gan.step(number, real, [z])
        changed = {
            name: [(p.data != before[name][key]).any() for key, p in getattr(gan, name).named_parameters()]
            for name in "GD"
        }
        assert all(changed[trained]) and not any(changed[other])
        assert set(stats) == ({"loss_g"} if trained == "G" else {"loss_d", "d_real", "d_fake"})


def train(cell, scale, overflow=()):
    """Four tiny steps, with infinite gradients in some; return both networks' weights as bytes, and the GAN."""
    gan, rng = GAN(Config(width=2, z_dim=3, image_size=8, channels=1, batch_size=4, lr=0.01),
                   np.random.default_rng(0), cell.device), np.random.default_rng(1)  # fmt: skip
    for name in "GD":
        net = getattr(gan, name)
        setattr(gan, f"adam_{name}", Adam(net.parameters(), 0.01, (0.5, 0.999), weight_decay=0.1, loss_scale=scale))
    for step in range(4):
        if step in overflow:
            gan.adam_D.scaling[SCALE] = np.inf
        real = cell.array(rng.standard_normal((4, 8, 8, 1)), "float32")
        with np.errstate(all="ignore"):
            gan.step(step + 1, real, [cell.array(rng.standard_normal((4, 1, 1, 3)), "float32")])
        if step in overflow:
            gan.adam_D.scaling[SCALE] = scale
    return [host(net.state_dict()[name]).tobytes() for net in (gan.G, gan.D) for name in net.state_dict()], gan


def test_any_scale_gives_the_bits_of_none(cell):
    plain, _ = train(cell, None)
    for scale in (1.0, 2.0**10, 2.0**24):
        assert train(cell, scale)[0] == plain


def test_a_training_step_that_overflows_leaves_that_network_alone(cell):
    _, gan = train(cell, 2.0**10, overflow=[0, 1, 2, 3])
    untouched = GAN(gan.config, np.random.default_rng(0), cell.device)
    for (name, mine), other in zip(gan.D.named_parameters(), untouched.D.parameters(), strict=True):
        assert (host(mine.data) == host(other.data)).all(), name
    assert gan.adam_D.state_dict()["step"] == 0 and gan.adam_G.state_dict()["step"] == 4
    assert not any((host(a.data) == host(b.data)).all()
                   for a, b in zip(gan.G.parameters(), untouched.G.parameters(), strict=True))  # fmt: skip


@pytest.mark.cuda
@pytest.mark.parametrize("graph", [False, True], ids=["launches", "graph"])
def test_fp16_training_skips_overflows_inside_a_graph(graph):
    """D's first layer gets gradients of about 1/8: times 2^21 they are beyond fp16, times 2^10 they are not."""
    config = Config(width=8, z_dim=3, image_size=8, channels=1, batch_size=4, precision="fp16")
    gan, rng = GAN(config, np.random.default_rng(0), "cuda"), np.random.default_rng(1)
    gan.D.parameters()[-1].data *= 64  # the last layer's weights, of about 0.02, through which the gradients come
    gan.adam_D.scaling[SCALE] = 2.0**21
    gan.adam_G.scaling[SCALE] = 2.0**10
    scales, stepper = [], Stepper(gan, "cuda", graph)
    with backend.use("kernels"), backend.use_precision("fp16"), stepper.running():
        for number in range(1, 7):
            images = rng.integers(0, 256, (4, 8, 8, 1), dtype="uint8")
            stepper(number, Inputs(images, [draw_z(rng, 4, config)]))
            scales.append(float(gan.adam_D.scaling[SCALE]))
    taken = gan.adam_D.state_dict()["step"]
    assert scales[0] == 2.0**20 and 0 < taken < 6 and scales[-1] == 2.0 ** (21 - (6 - taken))
    assert gan.adam_G.state_dict()["step"] == 6 and gan.adam_G.state_dict()["good_steps"] == 6
    assert all(np.isfinite(host(data)).all() for data in gan.adam_D.data)


def trained(config, steps=3, state=None):
    """Return a GAN after some steps, from a state if there is one."""
    gan, rng = GAN(config, np.random.default_rng(0), "cpu"), np.random.default_rng(1)
    if state:
        gan.load_state_dict(state)
    for number in range(1, steps + 1):
        gan.step(number, rng.standard_normal((4, 8, 8, 1), "float32"), [draw_z(rng, 4, config)])
    return gan


def test_the_average_of_g_is_saved_and_changes_no_other_number(reference):
    with_average, without = trained(Config(**TINY)), trained(Config(**TINY, ema=0))
    saved = with_average.state_dict()
    assert without.average_G is None and set(saved) - set(without.state_dict()) == {"average_G"}
    for part, values in without.state_dict().items():
        assert all(np.array_equal(saved[part][name], value) for name, value in values.items()), part
    assert set(saved["average_G"]) == set(saved["G"])
    assert any((saved["average_G"][name] != value).any() for name, value in saved["G"].items())
    with with_average.averaged():
        assert all((value == saved["average_G"][name]).all() for name, value in with_average.G.state_dict().items())
    assert all((value == saved["G"][name]).all() for name, value in with_average.G.state_dict().items())


def test_a_state_without_an_average_begins_one(reference):
    saved = trained(Config(**TINY, ema=0)).state_dict()
    gan = trained(Config(**TINY), 0, saved)
    assert all((value == saved["G"][name]).all() for name, value in gan.state_dict()["average_G"].items())
    again = trained(Config(**TINY, ema=0), 0, trained(Config(**TINY)).state_dict())  # one not wanted is left
    assert again.average_G is None
