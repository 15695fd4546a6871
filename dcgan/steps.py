"""Training a GAN: the discriminator's step and the generator's (Goodfellow et al., 2014, algorithm 1).

    D maximises  mean log D(x) + mean log(1 - D(G(z)))
    G maximises  mean log D(G(z))          (the form that still has a gradient while D wins)

D's output is a logit; D(x) is its sigmoid. Other losses are in dcgan/losses.py, gradient penalties in
dcgan/penalties.py. Every loss and mean is an array on the device: nothing here waits for it. `optimizer.scaled` gives
back the gradient it gets, except for products in fp16 (gpunet/backend/loss_scale.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from dcgan.losses import LOSSES, Loss
from dcgan.penalties import Penalty
from gpunet.backend import between, join
from gpunet.backend.devices import Array
from gpunet.layers import Layer
from gpunet.optim import Adam

Stats = dict[str, Array]  # the numbers for the log by name, 0-d arrays


def discriminator_step(
    G: Layer,
    D: Layer,
    optimizer: Adam,
    real: Array,
    z: Array,
    real_target: float = 1.0,
    fake_target: float = 0.0,
    loss: Loss = LOSSES["ns"],
    penalties: Sequence[Penalty] = (),
    mix: Array | None = None,
    clip: float | None = None,
) -> tuple[Array, Stats]:
    """Train D once, on real pictures (N, H, W, C) and on G's for z; return G's pictures, ready for `generator_step`.

    G learns nothing here: its backward is not called. Targets off 1 and 0 smooth D's labels. penalties add their
    gradients to the loss's; mix (N,) says where between a real and a made picture the one of WGAN-GP takes its own.
    clip: the largest size of D's weights after the step.
    """
    fake = G.forward(z)  # (N, H, W, C)
    optimizer.zero_grad()
    with D.joined_batches(2):  # one pass over real and fake; batch norm keeps their statistics apart
        logits = D.forward(join(real, fake))
        # ns: the mean of -log D(x) plus that of -log(1 - D(G(z))); and the means of D(x) and of D(G(z)).
        loss_d, means, dlogits = loss.of_D(logits, (real_target, fake_target))
        D.backward(optimizer.scaled(dlogits), input_grad=False)
    stats = {"loss_d": loss_d} | dict(zip(loss.names, means, strict=True))
    for penalty in penalties:
        x = real if penalty.name == "r1" else between(real, fake, mix)
        stats[penalty.name] = penalty.add(D, optimizer, x)
    optimizer.step()
    if clip is not None:
        optimizer.clip(clip)
    return fake, stats


def generator_step(
    G: Layer, D: Layer, optimizer: Adam, fake: Array, target: float = 1.0, loss: Loss = LOSSES["ns"]
) -> Stats:
    """Train G once, through D as it is now; fake: what G's latest forward pass returned.

    D only passes the gradient on: its own weights are frozen.
    """
    optimizer.zero_grad()
    with D.frozen():
        loss_g, dlogits = loss.of_G(D.forward(fake), target)  # ns: -log D(G(z))
        G.backward(D.backward(optimizer.scaled(dlogits)), input_grad=False)
    optimizer.step()
    return {"loss_g": loss_g}
