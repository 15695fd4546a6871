"""Tangent: what a layer's rule can do; and with the rules the gradient of a penalty on a network's gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet.backend import choices
from gpunet.backend.devices import Array, array_module, device_of
from gpunet.layers import Layer

Pair = tuple[Array | None, Array | None]  # gradients of a scalar by t and by x; None: it does not depend on that


class Tangent:
    """A layer at one x: its value `y` there, and what J does with vectors. `push` comes before `backward`.

    Arrays are handed over: a method may write into them, and does not write into an array that it returned.
    """

    y: Array

    def pull(self, dy: Array) -> Array:
        """Return J^T dy, as `Layer.backward` does, without any gradient of parameters."""
        raise NotImplementedError

    def push(self, t: Array) -> Array:
        """Return J t, the change of y along t, and remember t for `backward`."""
        raise NotImplementedError

    def backward(self, dty: Array, dy: Array | None, input_grad: bool = True) -> Pair:
        """Return the gradients by t and x of a scalar whose gradients by J t and y are dty and dy.

        Adds to the parameters' gradients what the scalar's dependence on them says. With input_grad=False the results
        are not wanted, and may be None.
        """
        raise NotImplementedError


RULES: dict[type[Layer], Callable[[Any, Array], Tangent]] = {}  # kind of layer -> its rule, made of (layer, x)


def rule(*kinds: type[Layer]) -> Callable[[Any], Any]:
    """Make the decorated class the rule of these kinds of layer."""

    def enter(tangent: Any) -> Any:
        RULES.update(dict.fromkeys(kinds, tangent))
        return tangent

    return enter


def penalise(
    net: Layer, x: Array, penalty: Callable[[Array], tuple[Array, Array]], scaled: Callable[[Array], Array]
) -> Array:
    """Add the gradient of a penalty on g to the gradients of a network's parameters; return the penalty, a 0-d array.

    g, of x's shape, is the gradient of the sum of net(x) by x: each sample's answer by that sample. penalty(g) returns
    the penalty and v, its derivative by g. scaled: what multiplies gradients for a product in fp16 (Adam.scaled).
    """
    with _wide_range(x):
        at_x = linearise(net, x)
        g = at_x.pull(array_module(x).ones_like(at_x.y))
        value, v = penalty(g)
        ty = at_x.push(scaled(v))
        at_x.backward(array_module(x).ones_like(ty), None, input_grad=False)
    return value


def _wide_range(x: Array) -> Any:
    """Return a block in which fp16 gives way to tf32: it has the same digits, and v, which is tiny, does not vanish."""
    narrow = choices.rounding(device_of(x), x.dtype) == "fp16"
    return choices.use_precision("tf32" if narrow else choices.precision(device_of(x)))


def linearise(layer: Layer, x: Array) -> Tangent:
    """Return the tangent of a layer at x. Raises ValueError, which names the layer, where it has no rule."""
    if type(layer) not in RULES:
        raise ValueError(f"{layer!r} has no tangent pass, which a gradient penalty needs")
    return RULES[type(layer)](layer, x)


def without_rule(net: Layer) -> list[Layer]:
    """Return the layers of a network that `linearise` refuses."""
    if type(net) not in RULES:
        return [net]
    return [found for _, child in net.children() for found in without_rule(child)]
