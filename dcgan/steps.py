"""Training a GAN: the discriminator's step and the generator's (Goodfellow et al., 2014, algorithm 1).

    D maximises  mean log D(x) + mean log(1 - D(G(z)))
    G maximises  mean log D(G(z))          (the form that still has a gradient while D wins)

D's output is a logit; D(x) is its sigmoid. Every loss and mean is an array on the device: nothing here waits for it.
`optimizer.scaled` gives back the gradient it gets, except for products in fp16 (gpunet/backend/loss_scale.py).
"""

from __future__ import annotations

from dcgan.augment import View
from gpunet.backend import bce_of_halves, bce_with_logits, join
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
    view: View | None = None,
) -> tuple[Array, Stats]:
    """Train D once, on real pictures (N, H, W, C) and on G's for z; return G's pictures, ready for `generator_step`.

    G learns nothing here: its backward is not called. Targets off 1 and 0 smooth D's labels. view: what D sees of
    pictures; None: them as they are.
    """
    see = view or View()
    fake = G.forward(z)  # (N, H, W, C)
    optimizer.zero_grad()
    with D.joined_batches(2):  # one pass over real and fake; batch norm keeps their statistics apart
        logits = D.forward(see(join(real, fake), batches=2))
        # The mean of -log D(x) plus that of -log(1 - D(G(z))); and the means of D(x) and of D(G(z)).
        loss, (d_real, d_fake), dlogits = bce_of_halves(logits, (real_target, fake_target))
        D.backward(optimizer.scaled(dlogits), input_grad=False)
    optimizer.step()
    return fake, {"loss_d": loss, "d_real": d_real, "d_fake": d_fake}


def generator_step(
    G: Layer, D: Layer, optimizer: Adam, fake: Array, target: float = 1.0, view: View | None = None
) -> Stats:
    """Train G once, through D as it is now, and the view; fake: what G's latest forward pass returned.

    D only passes the gradient on: its own weights are frozen.
    """
    see = view or View()
    optimizer.zero_grad()
    with D.frozen():
        loss, dlogits = bce_with_logits(D.forward(see(fake)), target)  # -log D(G(z))
        G.backward(see.backward(D.backward(optimizer.scaled(dlogits))), input_grad=False)
    optimizer.step()
    return {"loss_g": loss}
