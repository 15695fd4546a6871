"""The generator's step, which must not train D

G draws pictures from z, D answers with a logit for each, and G learns to make D's answers large. The gradient goes
backward through D on its way to G. Write that step with the layers and the optimiser of this project:

    fake = G.forward(z)                                   pictures
    logits = D.forward(fake)                              D's answers (N, 1)
    loss, dlogits = backend.bce_with_logits(logits, t)    the loss for the target t, and its derivative by the logits
    dfake = D.backward(dlogits)                           through D: adds D's own gradients up as well!
    G.backward(dfake)                                     adds to the gradients of G's parameters
    optimizer.zero_grad()                                 forgets the gradients of G's parameters
    optimizer.step()                                      trains G by its gradients

The trap: after your step D has to be what it was. Its weights may not move, it may keep no gradients of this step
(its own next step would add them up), and it may not stay frozen. `with D.frozen():` is a block in which D computes
no gradients of its parameters. Gradients of G from an earlier step may still be there when yours begins. Return the
loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import backend, layers, optim
from puzzles.answer import Stopped, Trying

FUNCTION, RESULTS = "generator_step", ("loss",)
STUB = """
from gpunet import backend


def generator_step(G, D, optimizer, z):
    loss = None
    return loss
"""
HINT = """
optimizer.zero_grad() first. Then everything between D.forward and D.backward in the block `with D.frozen():`, and
optimizer.step() at the end. The optimiser holds G's parameters alone. Which target? G wants D to say "real".
"""
SEED = 3


def made() -> tuple[Any, Any, Any, np.ndarray]:
    """Return G, D, G's optimiser and z; G has gradients that are left from somewhere, D has some of its own."""
    rng = np.random.default_rng(SEED)
    G = layers.Sequential(layers.Linear(4, 6), layers.Tanh()).to(dtype="float64")
    D = layers.Sequential(layers.Linear(6, 5), layers.LeakyReLU(0.2), layers.Linear(5, 1)).to(dtype="float64")
    for parameter in (*G.parameters(), *D.parameters()):
        parameter.data[...] = rng.standard_normal(parameter.data.shape)
    optimizer = optim.Adam(G.parameters(), lr=0.1, betas=(0.5, 0.999))
    for parameter in (*G.parameters(), *D.parameters()):
        parameter.add_grad(_left, rng.standard_normal(parameter.data.shape))
    return G, D, optimizer, rng.standard_normal((8, 4))


def _left(gradient: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return a gradient, in `out` where the optimiser has a place for it."""
    return np.add(gradient, 0, out=out)


def right(target: float = 1.0, clear: bool = True) -> tuple[float, list[np.ndarray]]:
    """Return the loss and G's parameters after the step; target 0 and clear=False are the classic mistakes."""
    G, D, optimizer, z = made()
    with backend.use("reference"):
        if clear:
            optimizer.zero_grad()
        loss, dlogits = backend.bce_with_logits(D.forward(G.forward(z)), target)
        G.backward(D.backward(dlogits))
        optimizer.step()
    return float(loss), [parameter.data for parameter in G.parameters()]


def _same(arrays: Any, others: Any) -> bool:
    return all(np.allclose(a, b, 0, 1e-9) for a, b in zip(arrays, others, strict=True))


def judge(code: Any, trying: Trying) -> tuple[bool, list[str]]:
    """Return whether the step trains G as it should and leaves D alone, with a sentence about each."""
    function = code.function(FUNCTION)
    G, D, optimizer, z = made()
    before = [(p.data.copy(), p.grad.copy()) for p in D.parameters()]
    with trying("a step of a small G and D"), backend.use("reference"):  # nothing has to be compiled
        loss = function(G, D, optimizer, z)
    if loss is None:
        raise Stopped("loss is None: the step is still to be written.")
    if np.shape(loss) != ():
        raise Stopped(f"the step returns something of shape {np.shape(loss)}, expected the loss, one number")
    said = [_of_loss(float(loss)), _of_G([p.data for p in G.parameters()]), *_of_D(D, before)]
    return all(ok for ok, _ in said), [sentence for _, sentence in said]


def _of_loss(loss: float) -> tuple[bool, str]:
    if np.isclose(loss, right()[0]):
        return True, "The loss is right."
    if np.isclose(loss, right(target=0.0)[0]):
        return False, "The loss has the target 0: so G learns to be found out. G wants D to say real, 1."
    return False, f"The loss is {loss:.5f}, expected {right()[0]:.5f}."


def _of_G(found: list[np.ndarray]) -> tuple[bool, str]:
    G = made()[0]
    if _same(found, right()[1]):
        return True, "G is trained as it should be."
    if _same(found, [p.data for p in G.parameters()]):
        return False, "G has not moved: optimizer.step() is missing, or comes before there are gradients."
    if any(_same(found, right(target, clear=False)[1]) for target in (0.0, 1.0)):
        return False, "G moves by old gradients, too: call optimizer.zero_grad() before the backward pass."
    if _same(found, right(target=0.0)[1]):
        return False, "G moves the wrong way, by the target 0."
    return False, "G is trained in a wrong way: its parameters are not those of one step by the loss's gradient."


def _of_D(D: Any, before: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[bool, str]]:
    parameters = D.parameters()
    kept = _same([p.data for p in parameters], [data for data, _ in before])
    weights = "D's weights are what they were." if kept else "D's weights have moved: only G may be trained here."
    if any(p.grad is None for p in parameters):
        same, gradients = False, "D's own gradients are gone: leave them as they are. In D.frozen() D computes none."
    else:
        same = _same([p.grad for p in parameters], [grad for _, grad in before])
        gradients = "D keeps no gradients of this step." if same else (
            "D keeps gradients of this step: its own next step would add them up. Go through D in `with D.frozen():`."
        )  # fmt: skip
    free = all(p.trainable for p in parameters)
    frozen = "D is not frozen any more." if free else "D stays frozen: its next step would not train it."
    return [(kept, weights), (same, gradients), (free, frozen)]
