"""dcgan.steps: whole training steps follow a PyTorch twin, written independently, in float64."""

import numpy as np
import pytest

from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.steps import discriminator_step, generator_step
from gpunet import backend
from gpunet.optim import Adam
from torch_twins import torch_twin

STEPS, BATCH = 10, 8
SCHEDULES = {
    "1:1": {},
    "label smoothing on both sides": {"real_target": 0.9, "fake_target": 0.1, "generator_target": 0.8},
    "two G steps with the same z": {"ratio": "1:2"},
    "two G steps with new z": {"ratio": "1:2", "fresh_z": True},
    "G at every third batch with new z": {"ratio": "3:1", "fresh_z": True},
    "G at every second batch, same z": {"ratio": "2:1"},
}


def make_gan(cell, **settings):
    """A small GAN in float64."""
    gan = GAN(Config(width=4, z_dim=5, image_size=16, channels=3, **settings), np.random.default_rng(1), cell.device)
    for name in "GD":
        net = getattr(gan, name).to(dtype="float64")
        setattr(gan, f"adam_{name}", Adam(net.parameters(), gan.config.lr, (0.5, 0.999)))
    return gan


def make_data(cell):
    """Real pictures for every step, and a long enough row of z."""
    rng = np.random.default_rng(2)
    real, z = rng.uniform(-1, 1, (STEPS, BATCH, 16, 16, 3)), rng.standard_normal((3 * STEPS, BATCH, 1, 1, 5))
    return cell.array(real), cell.array(z)


def torch_update(torch, adam, *answers):
    """Return the sum of the losses of pairs (answers, target), after one step down it."""
    bce = torch.nn.BCEWithLogitsLoss()
    loss = sum(bce(logits, torch.full_like(logits, target)) for logits, target in answers)
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss.item()


def torch_training(torch, gan, real, z):
    """Yield (loss_d, loss_g or None) of each step, as PyTorch does it: autograd, detach, its own Adam and BCE."""
    G, D = torch_twin(torch, gan)
    yield G, D
    config = gan.config
    adam_G, adam_D = (torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (G, D))
    real, z = (torch.tensor(backend.to_numpy(array)).permute(0, 1, 4, 2, 3) for array in (real, z))
    next_z = iter(z)
    for i, x in enumerate(real):
        zs = next(next_z)
        fake = G(zs)
        on_real, on_fake = (D(x), config.real_target), (D(fake.detach()), config.fake_target)
        loss_d, loss_g = torch_update(torch, adam_D, on_real, on_fake), None
        if (i + 1) % config.ratio[0] == 0:
            for k in range(config.ratio[1]):
                if config.fresh_z:
                    fake = G(next(next_z))
                elif k > 0:
                    fake = G(zs)
                loss_g = torch_update(torch, adam_G, (D(fake), config.generator_target))
        yield loss_d, loss_g


@pytest.mark.parametrize("settings", SCHEDULES.values(), ids=SCHEDULES)
def test_ten_steps_follow_pytorch(cell, settings):
    torch = pytest.importorskip("torch")
    gan, (real, z) = make_gan(cell, **settings), make_data(cell)
    twin = torch_training(torch, gan, real, z)
    G, D = next(twin)
    zs = iter(z)
    for i, expected in enumerate(twin):
        stats = gan.step(i + 1, real[i], [next(zs) for _ in range(gan.draws(i + 1))])
        assert float(stats["loss_d"]) == pytest.approx(expected[0], rel=1e-11)
        assert ("loss_g" in stats) == (expected[1] is not None)
        if expected[1] is not None:
            assert float(stats["loss_g"]) == pytest.approx(expected[1], rel=1e-11)
    for ours, theirs in ((gan.G, G), (gan.D, D)):
        for (name, mine), parameter in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            values = parameter.detach().numpy()
            values = values.transpose(2, 3, 1, 0) if values.ndim == 4 else values
            np.testing.assert_allclose(backend.to_numpy(mine.data), values, rtol=1e-9, atol=1e-13, err_msg=name)
        running = [b.numpy() for b in theirs.buffers() if b.ndim]
        for (name, mine), values in zip(ours.named_buffers(), running, strict=True):
            np.testing.assert_allclose(backend.to_numpy(mine), values, rtol=1e-9, err_msg=name)


def test_each_step_trains_its_own_network_only(cell):
    gan, (real, z) = make_gan(cell), make_data(cell)
    before = {name: getattr(gan, name).state_dict() for name in "GD"}

    def trained(name):
        now = {key: parameter.data for key, parameter in getattr(gan, name).named_parameters()}
        return [bool((now[key] != before[name][key]).any()) for key in now]

    fake, _ = discriminator_step(gan.G, gan.D, gan.adam_D, real[0], z[0])
    assert all(trained("D")) and not any(trained("G"))
    before["D"] = gan.D.state_dict()
    gradients = [backend.to_numpy(parameter.grad).copy() for parameter in gan.D.parameters()]
    generator_step(gan.G, gan.D, gan.adam_G, fake)
    assert all(trained("G")) and not any(trained("D"))
    for parameter, gradient in zip(gan.D.parameters(), gradients, strict=True):  # none was computed, either
        assert (backend.to_numpy(parameter.grad) == gradient).all()
    assert all(parameter.trainable for parameter in gan.D.parameters())  # thawed again


def test_numbers_reported(cell):
    """d_real and d_fake are mean probabilities, and loss_d is what they say where D has one answer for all."""
    gan, (real, z) = make_gan(cell), make_data(cell)
    for parameter in gan.D.parameters():
        parameter.data[...] = 0  # D answers 1/2, whatever it sees
    fake, stats = discriminator_step(gan.G, gan.D, gan.adam_D, real[0], z[0])
    assert fake.shape == real[0].shape
    assert float(stats["d_real"]) == float(stats["d_fake"]) == 0.5
    assert float(stats["loss_d"]) == pytest.approx(2 * np.log(2), rel=1e-12)
