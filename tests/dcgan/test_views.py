"""dcgan.augment: what is drawn; steps of networks whose D sees changed pictures, against PyTorch's autograd."""

import numpy as np
import pytest

from dcgan.augment import View, cutout, draw, noise_of
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.gan import GAN
from gpunet import backend
from gpunet.optim import Adam
from torch_twins import diffaugment, torch_twin

BATCH = 8


@pytest.mark.parametrize("height, width, moved, cut", [(64, 64, (8, 8), (32, 32)), (28, 12, (4, 2), (14, 6)),
                                                       (7, 4, (1, 1), (4, 2)), (1, 2, (0, 0), (1, 1))])  # fmt: skip
def test_numbers_that_are_drawn(height, width, moved, cut):
    """Each number of the published ranges comes up, and no other; every set has its own."""
    config = Config(image_size=(height, width), augment="color,translation,cutout", batch_size=4000)
    numbers = draw(np.random.default_rng(0), config, 2)
    assert numbers.shape == (2, 4000, 7) and numbers.dtype == np.float32 and cutout(config) == cut
    assert not (numbers[0] == numbers[1]).all(axis=1).any()
    for place, low, high in ((0, -0.5, 0.5), (1, 0, 2), (2, 0.5, 1.5)):
        values = numbers[..., place]
        assert low <= values.min() < low + 0.01 and high - 0.01 < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03)
    for i, size in enumerate((height, width)):
        assert sorted(set(numbers[..., 3 + i].ravel())) == list(range(-moved[i], moved[i] + 1))
        offsets = range(size + 1 - cut[i] % 2)
        assert sorted(set(numbers[..., 5 + i].ravel())) == [offset - cut[i] // 2 for offset in offsets]


@pytest.mark.parametrize("word, places", [("color", (0, 1, 2)), ("translation", (3, 4)), ("cutout", (5, 6))])
def test_one_policy_alone(word, places):
    config = Config(augment=word)
    numbers = draw(np.random.default_rng(0), config, 3)
    assert [i for i in range(7) if numbers[..., i].any()] == list(places)
    assert cutout(config) == ((32, 32) if word == "cutout" else (0, 0))


def test_without_options_nothing_is_drawn():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert draw(rng, Config(), 3) is None and noise_of(Config(), 1, 0.0) is None
    assert rng.bit_generator.state == before
    view, x = View(), np.zeros(3)
    assert view(x) is x and view.backward(x) is x


def test_noise_falls_to_nothing():
    config = Config(instance_noise=0.2, seed=2**100)
    first, half = noise_of(config, 1, 0.0), noise_of(config, 51, 0.5)
    assert first[:2].tolist() == [0.2, 1] and half[:2].tolist() == [0.1, 51]
    assert first[2:].tolist() == half[2:].tolist() != noise_of(Config(instance_noise=0.2), 1, 0.0)[2:].tolist()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"augment": "colour"}, "--augment: got 'colour', expected some of color,translation,cutout, .*mean color?"),
        ({"augment": "color,"}, "--augment: got 'color,', expected some of"),
        ({"augment": ""}, "--augment: got '', expected some of"),
        ({"instance_noise": -1}, r"--instance-noise: got '-1', expected a number in \[0, inf\)"),
        ({"clip_grad": 0}, r"--clip-grad: got '0', expected a number in \(0, inf\)"),
        ({"accumulate": 0}, "--accumulate: got '0', expected a whole number of at least 1"),
        ({"lr_d": "fast"}, r"--lr-d: got 'fast', expected a number in \(0, inf\)"),
        ({"lr_g": 0}, r"--lr-g: got '0', expected a number in \(0, inf\)"),
    ],
)  # fmt: skip
def test_options_that_are_wrong(options, message):
    with pytest.raises(UserError, match=message):
        Config(**options)
    assert Config(augment="cutout, color,cutout").augment == "color,cutout"


def make_gan(cell, **options):
    """A GAN for pictures of 16x16, in float64."""
    config = Config(width=4, z_dim=5, image_size=16, channels=3, batch_size=BATCH, **options)
    gan = GAN(config, np.random.default_rng(1), cell.device)
    for name in "GD":
        net = getattr(gan, name).to(dtype="float64")
        setattr(gan, f"adam_{name}", Adam(net.parameters(), 2e-4, (0.5, 0.999), clip_grad=config.clip_grad))
    return gan


def torch_steps(torch, gan, real, zs, numbers, noise):
    """Yield (loss_d, loss_g, the norms of both gradients) of each step, with the published functions and autograd.

    noise: what is added to pictures, real ones and G's in D's step (2 BATCH, C, H, W) and then in G's.
    """
    G, D = torch_twin(torch, gan)
    yield G, D
    config, bce = gan.config, torch.nn.BCEWithLogitsLoss()
    adams = [torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (G, D)]
    most = config.clip_grad or 1e9

    def update(adam, net, loss):
        adam.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), most)
        adam.step()
        return float(loss.detach()), float(norm)

    def seen(x, own, added):
        return diffaugment(torch, x, own, config.augment or "", cutout(config)) + torch.tensor(added)

    ones, zeros = torch.ones(BATCH, 1, 1, 1, dtype=torch.float64), torch.zeros(BATCH, 1, 1, 1, dtype=torch.float64)
    for x, z, own, (for_D, for_G) in zip(real, zs, numbers, noise, strict=True):
        x, z = (torch.tensor(a).permute(0, 3, 1, 2) for a in (x, z))
        fake = G(z)
        on_real, on_fake = D(seen(x, own[0], for_D[:BATCH])), D(seen(fake.detach(), own[1], for_D[BATCH:]))
        of_D = update(adams[1], D, bce(on_real, ones) + bce(on_fake, zeros))
        of_G = update(adams[0], G, bce(D(seen(fake, own[2], for_G)), ones))
        yield (of_D[0], of_G[0], of_D[1], of_G[1])


@pytest.mark.parametrize(
    "options",
    [
        {"augment": "color,translation,cutout"},
        {"augment": "translation", "clip_grad": 0.1},
        {"instance_noise": 0.3},
        {"augment": "color,cutout", "instance_noise": 0.1, "clip_grad": 1e-2},
    ],
    ids=lambda options: " ".join(options),
)
def test_steps_follow_pytorch(cell, options):
    torch = pytest.importorskip("torch")
    gan, rng, steps = make_gan(cell, **options), np.random.default_rng(2), 3
    real, zs = rng.uniform(-1, 1, (steps, BATCH, 16, 16, 3)), rng.standard_normal((steps, BATCH, 1, 1, 5))
    drawn = [draw(rng, gan.config, gan.views(1)) for _ in range(steps)]
    numbers = [np.zeros((3, BATCH, 7)) if one is None else one.astype("float64") for one in drawn]
    fields = [noise_of(gan.config, i + 1, i / steps) for i in range(steps)]
    twin = torch_steps(torch, gan, real, zs, numbers, [added(field) for field in fields])
    G, D = next(twin)
    for i, expected in enumerate(twin):
        view = View(gan.config, *(None if a is None else cell.array(a) for a in (drawn[i], fields[i])))
        stats = gan.step(i + 1, cell.array(real[i]), [cell.array(zs[i])], None, view)
        assert [float(stats["loss_d"]), float(stats["loss_g"])] == pytest.approx(expected[:2], rel=1e-9)
        if "clip_grad" in options:
            assert [float(stats["grad_d"]), float(stats["grad_g"])] == pytest.approx(expected[2:], rel=1e-8)
        else:
            assert "grad_d" not in stats and "grad_g" not in stats
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for mine, parameter in zip(ours.parameters(), theirs.parameters(), strict=True):
            values = parameter.detach().numpy()
            values = values.transpose(2, 3, 1, 0) if values.ndim == 4 else values
            np.testing.assert_allclose(backend.to_numpy(mine.data), values, rtol=1e-8, atol=1e-12)


def added(field):
    """The noise of a step, (2 BATCH, C, H, W) for D and (BATCH, C, H, W) for G, by the reference on the CPU."""
    made = []
    for call, count in enumerate((2 * BATCH, BATCH)):
        zero = np.zeros((count, 16, 16, 3))
        with backend.use("reference"):
            made.append((zero if field is None else backend.add_noise(zero, field, call)).transpose(0, 3, 1, 2))
    return made
