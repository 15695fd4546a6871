"""dcgan.losses: whole steps with each of them, and with penalties, follow a PyTorch twin in float64; misuse."""

from __future__ import annotations

import numpy as np
import pytest

from cases import assert_close
from dcgan import losses
from dcgan.config import Config
from dcgan.config import loss as options
from dcgan.errors import UserError
from dcgan.run import advice
from gpunet import backend
from running import content, run_train
from small_gan import BATCH, make_gan

STEPS = 6
RUNS = {  # options of six steps; alternating, D is trained in four of them
    "hinge": {"loss": "hinge"},
    "ls": {"loss": "ls", "real_target": 0.9, "fake_target": 0.1, "generator_target": 0.8},
    "wgan": {"loss": "wgan", "clip_weights": 0.05, "ratio": "2:1"},
    "wgan-gp": {"loss": "wgan-gp", "ratio": "1:2"},
    "wgan-gp with other numbers": {"loss": "wgan-gp", "gp": 2.0, "ratio": "2:1", "alternate": True},
    "ns and R1": {"r1": 3.0, "r1_every": 1},
    "ns and R1 at every second step of D": {"r1": 3.0, "r1_every": 2, "ratio": "2:1", "alternate": True},
    "hinge and R1 at every fourth step": {"loss": "hinge", "r1": 0.5, "r1_every": 4},
    "wgan-gp and R1": {"loss": "wgan-gp", "r1": 1.0, "r1_every": 3},
}


def torch_networks(torch, gan):
    """G and D in PyTorch with the weights of ours."""
    nn = torch.nn
    G = nn.Sequential(
        nn.ConvTranspose2d(3, 2, 4, 1, 0, bias=False), nn.BatchNorm2d(2), nn.ReLU(),
        nn.ConvTranspose2d(2, 1, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(nn.Conv2d(1, 3, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(3, 1, 4))
    for ours, theirs in ((gan.G, G.double()), (gan.D, D.double())):
        for mine, parameter in zip(ours.parameters(), theirs.parameters(), strict=True):
            values = backend.to_numpy(mine.data)
            parameter.data = torch.tensor(values.transpose(3, 2, 0, 1).copy() if values.ndim == 4 else values)
    return G, D


def torch_loss_of_D(torch, c, on_real, on_fake):
    """The losses of the papers, written out."""
    if c.loss == "ns":
        return -(torch.sigmoid(on_real).log().mean() + (1 - torch.sigmoid(on_fake)).log().mean())
    if c.loss == "hinge":
        return torch.relu(1 - on_real).mean() + torch.relu(1 + on_fake).mean()
    if c.loss == "ls":
        return ((on_real - c.real_target) ** 2).mean() / 2 + ((on_fake - c.fake_target) ** 2).mean() / 2
    return on_fake.mean() - on_real.mean()


def torch_loss_of_G(torch, c, on_fake):
    if c.loss == "ns":
        return -torch.sigmoid(on_fake).log().mean()
    return ((on_fake - c.generator_target) ** 2).mean() / 2 if c.loss == "ls" else -on_fake.mean()


def torch_penalties(torch, c, D, real, fake, mix, due):
    """Return {name: penalty} as the papers have them, by autograd."""
    found = {}
    if c.r1 and due:
        x = real.clone().requires_grad_()
        (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        found["r1"] = c.r1 / 2 * (g * g).sum((1, 2, 3)).mean()
    if c.loss == "wgan-gp":
        mix = mix[:, None, None, None]
        x = (mix * real + (1 - mix) * fake).requires_grad_()
        (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        found["gp"] = (10.0 if c.gp is None else c.gp) * (((g * g).sum((1, 2, 3)).sqrt() - 1) ** 2).mean()
    return found


def torch_training(torch, gan, batches):
    """Yield the numbers of each step as PyTorch gets them, with the networks at last."""
    c, (G, D), updates = gan.config, torch_networks(torch, gan), 0
    adam_G, adam_D = (torch.optim.Adam(net.parameters(), c.lr, (0.5, 0.999)) for net in (G, D))
    for number, (real, z, mix) in enumerate(batches, 1):
        real, z, mix = torch.tensor(real).movedim(3, 1), torch.tensor(z).movedim(3, 1), torch.tensor(mix)
        (trains_D, g_steps), found = gan.plan(number), {}
        fake = G(z)
        if trains_D:
            found = torch_penalties(torch, c, D, real, fake.detach(), mix, updates % c.r1_every == 0)
            loss = torch_loss_of_D(torch, c, D(real), D(fake.detach()))
            adam_D.zero_grad()
            (loss + sum(value * (c.r1_every if name == "r1" else 1) for name, value in found.items())).backward()
            adam_D.step()
            updates += 1
            found["loss_d"] = loss
            if c.loss == "wgan":
                for parameter in D.parameters():
                    parameter.data.clamp_(-c.clip_weights, c.clip_weights)
        for i in range(g_steps):
            found["loss_g"] = torch_loss_of_G(torch, c, D(fake if i == 0 else G(z)))
            adam_G.zero_grad()
            found["loss_g"].backward()
            adam_G.step()
        yield {name: value.item() for name, value in found.items()}, (G, D)


def make_batches():
    rng = np.random.default_rng(3)
    return [
        (rng.uniform(-1, 1, (BATCH, 8, 8, 1)), rng.standard_normal((BATCH, 1, 1, 3)), rng.random(BATCH))
        for _ in range(STEPS)
    ]


@pytest.mark.parametrize("given", RUNS.values(), ids=RUNS)
def test_steps_follow_pytorch(cell, given):
    torch = pytest.importorskip("torch")
    gan, batches = make_gan(cell.device, **given), make_batches()
    nets: tuple = ()
    for number, (expected, nets) in enumerate(torch_training(torch, gan, batches), 1):  # noqa: B007
        real, z, mix = (cell.array(array) for array in batches[number - 1])
        stats = gan.step(number, real, [z], mix=mix if gan.mixes(number) else None)
        assert {name for name in stats if "real" not in name and "fake" not in name} == set(expected)
        for name, value in expected.items():
            assert float(stats[name]) == pytest.approx(value, rel=1e-8, abs=1e-10), (number, name)
    for ours, theirs in zip((gan.G, gan.D), nets, strict=True):
        for (name, mine), parameter in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            values = parameter.detach().numpy()
            assert_close(mine.data, values.transpose(2, 3, 1, 0) if values.ndim == 4 else values, 1e-8, name)


def test_scores_and_probabilities_have_names_of_their_own():
    for name in options.LOSSES:
        gan, (real, z, mix) = make_gan(loss=name), make_batches()[0]
        stats = gan.step(1, real, [z], mix=mix if name == "wgan-gp" else None)
        means = {"d_real", "d_fake"} if name == "ns" else {"score_real", "score_fake"}
        assert set(stats) == {"loss_d", "loss_g", *means, *(["gp"] if name == "wgan-gp" else [])}
    assert tuple(losses.LOSSES) == options.LOSSES


def test_no_sign_is_read_from_scores():
    """They are no probabilities: a large difference says nothing."""
    for row in advice.rows():
        scores = [{"step": step, "score_real": 50.0, "score_fake": -50.0} for step in range(1, 2 * advice.STEPS)]
        assert not any(map(row.note, scores)) and row.finding() is None


MISUSE = [
    ("--loss foo", "--loss: got 'foo', expected one of ns, hinge, ls, wgan, wgan-gp"),
    ("--loss hinge --real-target 0.9", "--real-target: got 0.9, but --loss hinge has no targets: leave it at 1"),
    ("--loss wgan --fake-target 0.1", "--fake-target: got 0.1, but --loss wgan has no targets: leave it at 0"),
    ("--loss wgan-gp --generator-target 0.9", "--generator-target: got 0.9, but --loss wgan-gp has no targets"),
    ("--clip-weights 0.1", "--clip-weights: got 0.1 with --loss ns, expected --loss wgan"),
    ("--loss wgan --gp 3", "--gp: got 3.0 with --loss wgan, expected --loss wgan-gp; a gradient penalty with any"),
    ("--r1 -1", "--r1: got '-1', expected a number in [0, inf)"),
    ("--r1-every 4", "--r1-every: got 4 without --r1, expected --r1 X with it"),
    ("--r1 1 --r1-every 0", "--r1-every: got '0', expected a whole number of at least 1"),
    ("--r1 1", "--r1: the discriminator of --preset dcgan64 has BatchNorm, which a gradient penalty cannot pass"),
    ("--loss wgan-gp --preset carpedm20-mnist", "--loss wgan-gp: the discriminator of --preset carpedm20-mnist has Ba"),
]


@pytest.mark.parametrize("line, message", MISUSE)
def test_misuse_is_one_line(tmp_path, monkeypatch, capsys, line, message):
    monkeypatch.chdir(tmp_path)
    assert run_train("--device cpu --implementation reference --image-size 16 --steps 1 --width 2", line) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {message}") and told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_targets_are_allowed_where_they_mean_something():
    for name in ("ns", "ls"):
        losses.check(Config(loss=name, real_target=0.9, fake_target=0.1, generator_target=0.8))
    with pytest.raises(UserError):
        losses.check(Config(loss="hinge", real_target=0.9))


RESUMED = (
    "--loss hinge", "--loss ls --real-target 0.9", "--loss wgan", "--loss wgan-gp --norm-d layer --r1 1 --r1-every 3",
    "--r1 5 --r1-every 3 --norm-d none --ratio 2:1 --alternate", "--loss wgan-gp --norm-d instance --accumulate 2",
    "--loss hinge --r1 5 --r1-every 3 --norm-d layer --augment color,cutout",
)  # fmt: skip


@pytest.mark.parametrize("given", RESUMED)
@pytest.mark.usefixtures("numbers_for_plot")
def test_a_resumed_run_is_the_whole_one(often, runs, given):
    assert run_train(*often, given, "--steps 8") == 0
    assert run_train(*often, given, "--steps 4") == 0
    assert run_train("--resume", runs / "0002-dcgan64", "--steps 8", "--no-progress") == 0
    a, b = content(runs / "0002-dcgan64"), content(runs / "0001-dcgan64")
    assert [name for name in b if a[name] != b[name]] == []
