"""Training a GAN: the discriminator's step and the generator's (Goodfellow et al., 2014, algorithm 1).

    D maximises  mean log D(x) + mean log(1 - D(G(z)))
    G maximises  mean log D(G(z))

In the paper G first minimises log(1 - p), p = D(G(z)). While D is sure that G's pictures are made, p is near 0: there
log(1 - p) has slope -p, nearly 0, in D's logit, but -log p has slope p - 1, nearly -1 (docs/lessons/7-gan-step.md).
D's output is a logit; D(x) is its sigmoid. Other losses are in dcgan/losses.py, gradient penalties in
dcgan/penalties.py. Every loss and mean is an array on the device: nothing here waits for it. `optimizer.scaled` gives
back the gradient it gets, except for products in fp16 (gpunet/backend/loss_scale.py).
"""

from __future__ import annotations

from dcgan.augment import View
from dcgan.between import both, handing_back
from dcgan.penalties import ADVERSARIAL, Objective, at
from gpunet.backend.cells import Bytes
from gpunet.backend.devices import Array
from gpunet.layers import Layer
from gpunet.optim import Adam

Stats = dict[str, Array]  # the numbers for the log by name, 0-d arrays


def discriminator_step(
    G: Layer, D: Layer, optimizer: Adam, real: Array | Bytes, z: Array,
    view: View | None = None, objective: Objective = ADVERSARIAL, mix: Array | None = None,
) -> tuple[Array, Stats]:  # fmt: skip
    """Train D once, on real pictures (N, H, W, C) and on G's for z; return G's pictures, ready for `generator_step`.

    G learns nothing here: its backward is not called. view: what D sees of pictures; None: them as they are.
    objective: the loss and what is added to it (dcgan/penalties.py); mix (N,): see `penalties.at`.
    """
    see = view or View()
    fake, seen = both(G, D, real, z, see, bool(objective.penalties))  # (N, H, W, C), (2 N, H, W, C): real, then fake
    optimizer.zero_grad()
    asked = objective.loss.of_D(objective.targets)
    summing = optimizer.summing(D, last=not objective.penalties)
    # One pass goes over both halves; batch norm keeps their statistics apart.
    with D.joined_batches(2), D.answering(asked), summing:
        # Non-saturating loss (ns): the mean of -log D(x) plus that of -log(1 - D(G(z))); and D's two mean answers.
        loss, means, dlogits = asked.of(D.forward(seen))
        D.backward(optimizer.scaled(dlogits), input_grad=False)
    stats = {"loss_d": loss} | dict(zip(objective.loss.names, means, strict=True))
    for penalty in objective.penalties:
        stats[penalty.name] = penalty.add(D, optimizer, at(penalty, seen, mix))
    optimizer.step()
    if objective.clip is not None:
        optimizer.clip(objective.clip)
    return fake, stats


def generator_step(
    G: Layer, D: Layer, optimizer: Adam, fake: Array, view: View | None = None, objective: Objective = ADVERSARIAL
) -> Stats:
    """Train G once, through D as it is now, and the view; fake: what G's latest forward pass returned.

    D only passes the gradient on: its own weights are frozen.
    """
    see = view or View()
    optimizer.zero_grad()
    asked = objective.loss.of_G(objective.generator_target)
    with D.frozen(), handing_back(D, fake), D.answering(asked), optimizer.summing(G):
        loss, _, dlogits = asked.of(D.forward(see(fake)))  # non-saturating: the mean of -log D(G(z))
        G.backward(see.backward(D.backward(optimizer.scaled(dlogits))), input_grad=False)
    optimizer.step()
    return {"loss_g": loss}
