"""Training a GAN: the discriminator's step and the generator's (Goodfellow et al., 2014, algorithm 1).

    D maximises  mean log D(x) + mean log(1 - D(G(z)))
    G maximises  mean log D(G(z))          (the form that still has a gradient while D wins)

D's output is a logit; D(x) is its sigmoid. Every loss and mean is an array on the device: nothing here waits for it.
"""

from __future__ import annotations

from gpunet.backend import bce_with_logits, join, sigmoid
from gpunet.backend.arrays import Array
from gpunet.layers import Layer
from gpunet.optim import Adam

Stats = dict[str, Array]  # what the log wants to know, as 0-d arrays


def discriminator_step(
    G: Layer, D: Layer, optimizer: Adam, real: Array, z: Array, real_target: float = 1.0, fake_target: float = 0.0
) -> tuple[Array, Stats]:
    """Train D once, on real pictures (N, H, W, C) and on G's for z; return G's pictures, ready for `generator_step`.

    G learns nothing here: its backward is not called. Targets off 1 and 0 smooth D's labels.
    """
    fake = G.forward(z)  # (N, H, W, C)
    optimizer.zero_grad()
    with D.joined_batches(2):  # one pass over real and fake; batch norm keeps their statistics apart
        on_real, on_fake = logits = halves(D.forward(join(real, fake)))
        loss_real, dreal = bce_with_logits(on_real, real_target)  # -log D(x)
        loss_fake, dfake = bce_with_logits(on_fake, fake_target)  # -log(1 - D(G(z)))
        D.backward(join(dreal, dfake), input_grad=False)
    optimizer.step()
    d_real, d_fake = (sigmoid(half).mean() for half in logits)
    return fake, {"loss_d": loss_real + loss_fake, "d_real": d_real, "d_fake": d_fake}


def halves(x: Array) -> tuple[Array, Array]:
    """Return views of the first and the second half of a joined batch."""
    return x[: len(x) // 2], x[len(x) // 2 :]


def generator_step(G: Layer, D: Layer, optimizer: Adam, fake: Array, target: float = 1.0) -> Stats:
    """Train G once, through D as it is now; fake: what G's latest forward pass returned.

    D only passes the gradient on: its own weights are frozen.
    """
    optimizer.zero_grad()
    with D.frozen():
        loss, dlogits = bce_with_logits(D.forward(fake), target)  # -log D(G(z))
        G.backward(D.backward(dlogits), input_grad=False)
    optimizer.step()
    return {"loss_g": loss}
