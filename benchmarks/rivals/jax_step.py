"""JAX's training step of dcgan64: one function, compiled by XLA into one program for the CPU.

Like PyTorch's fast ways it runs G once per step, computes no gradients of D in G's update and keeps running statistics.
The state is donated: XLA overwrites the old state with the new one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.rivals.jax_networks import bce, discriminator, from_torch, generator, to_torch

MOMENTUM, EPS = 0.1, 1e-8


class Net(NamedTuple):
    """A network's parameters in PyTorch's order, Adam's two moments of each, and (mean, variance) of each norm."""

    parameters: list[Any]
    m: list[Any]
    v: list[Any]
    running: list[tuple[Any, Any]]


def use_cpu(threads: int) -> None:
    """Make XLA run on the CPU with `threads` threads; without effect once XLA has started."""
    os.environ["PJRT_NPROC"] = str(threads)
    jax.config.update("jax_platforms", "cpu")


def new_net(name: str, arrays: Mapping[str, np.ndarray]) -> Net:
    """Return the network "G" or "D" with the values of a PyTorch state dict."""
    own = [array for key, array in arrays.items() if key.endswith(("weight", "bias"))]
    parameters = [jnp.array(from_torch(name, number, array)) for number, array in enumerate(own)]
    means, variances = ([jnp.array(a) for key, a in arrays.items() if key.endswith(end)] for end in ("_mean", "_var"))
    m, v = ([jnp.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    return Net(parameters, m, v, list(zip(means, variances, strict=True)))


def adam(net: Net, gradients: list[Any], lr: Any, number: Any, betas: Sequence[float]) -> Net:
    """Return the network after update `number`, counted from 1."""
    b1, b2 = betas
    m = [b1 * old + (1 - b1) * g for old, g in zip(net.m, gradients, strict=True)]
    v = [b2 * old + (1 - b2) * g * g for old, g in zip(net.v, gradients, strict=True)]
    rate, root = lr / (1 - b1**number), jnp.sqrt(1 - b2**number)
    new = [p - rate * a / (jnp.sqrt(b) / root + EPS) for p, a, b in zip(net.parameters, m, v, strict=True)]
    return net._replace(parameters=new, m=m, v=v)


def seeing(net: Net, *passes: Any) -> Net:
    """Return the network with its running statistics updated by each pass's means and variances."""
    running = net.running
    for seen in passes:
        running = jax.tree.map(lambda old, new: old + MOMENTUM * (new - old), running, seen)
    return net._replace(running=running)


def train(plain: Mapping[str, Any], keep: bool, state: Any, real: Any, z: Any, lr: Any) -> tuple[Any, Any, Any]:
    """Train D, then G through the new D on the same pictures; return the new state, losses and gradients (`keep`)."""
    (G, D, number), (real_target, fake_target, target) = state, plain["targets"]
    number = number + 1
    fake, back, seen_by_G = jax.vjp(lambda parameters: generator(parameters, z), G.parameters, has_aux=True)

    def loss_of_D(parameters: list[Any]) -> tuple[Any, Any]:
        (on_real, first), (on_fake, second) = (discriminator(parameters, pictures) for pictures in (real, fake))
        return bce(on_real, real_target) + bce(on_fake, fake_target), (first, second)

    def loss_of_G(pictures: Any) -> tuple[Any, Any]:
        logits, seen = discriminator(D.parameters, pictures)
        return bce(logits, target), seen

    (loss_d, seen), to_D = jax.value_and_grad(loss_of_D, has_aux=True)(D.parameters)
    D = seeing(adam(D, to_D, lr, number, plain["betas"]), *seen)
    (loss_g, third), to_fake = jax.value_and_grad(loss_of_G, has_aux=True)(fake)
    (to_G,) = back(to_fake)
    G = seeing(adam(G, to_G, lr, number, plain["betas"]), seen_by_G)
    gradients = {"G": to_G, "D": to_D} if keep else {}
    return (G, seeing(D, third), number), {"loss_d": loss_d, "loss_g": loss_g}, gradients


class JaxStep:
    """The training step of a workload of dcgan64, with the methods of TorchStep.

    values: the to_torch(...) of G and of D. real: pictures (N, H, W, C) from -1 to 1. z: (N, z_dim).
    """

    def __init__(self, plain: Mapping[str, Any], values: Sequence[Mapping[str, np.ndarray]], real: Any, z: Any) -> None:
        G, D = (new_net(name, arrays) for name, arrays in zip("GD", values, strict=True))
        self.state, self.lr = (G, D, jnp.zeros((), "int32")), plain["lr"]
        self.real, self.z = jnp.array(real), jnp.array(z)
        self.gradients: dict[str, list[np.ndarray]] = {}
        self._run = {keep: jax.jit(functools.partial(train, plain, keep), donate_argnums=0) for keep in (False, True)}

    def set_lr(self, lr: float) -> None:
        """Train with this learning rate from here on."""
        self.lr = lr

    def step(self, keep_gradients: bool = False) -> dict[str, Any]:
        """Train D and G; return the losses when everything is computed."""
        done = self._run[keep_gradients](self.state, self.real, self.z, self.lr)
        self.state, losses, gradients = jax.block_until_ready(done)
        for name, arrays in gradients.items():
            self.gradients[name] = [to_torch(name, number, array) for number, array in enumerate(arrays)]
        return losses

    def values_of_D(self) -> np.ndarray:
        """Return all parameters of D as one vector, in PyTorch's order."""
        return np.concatenate([to_torch("D", n, array).ravel() for n, array in enumerate(self.state[1].parameters)])
