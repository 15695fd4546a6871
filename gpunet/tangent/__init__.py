"""The tangent of a network: how its answers change along a direction, and what that says about its parameters.

A gradient penalty is a function of g, the gradient of D's answers by the pictures, so its own gradient needs the
derivative of a derivative. docs/gradient-penalty.md derives how it is computed without one (v = dpenalty/dg is a
constant here):

    g = J^T 1                       D's backward pass, which gives the pictures' gradient
    d<g, v> / dtheta                <g, v> = sum of J v, D's derivative along v: one tangent pass forward ...
                                    ... and one pass backward through it, which gives the parameters' gradients

J is the derivative of a layer's y by its x, at one x. Each kind of layer has its rule here, a `Tangent`:

    linear layers               J does not depend on x: the tangent is the layer itself without its bias
    ReLU, LeakyReLU             J is the mask of 1 and slope, which does not change with x, either
    LayerNorm, InstanceNorm     J depends on x: the pass backward goes to t and to x, and so to all layers before

Batch norm has no rule: with it a picture's answer depends on the other pictures, and g would mean something else.

    base.py      what a rule is, and the gradient of a penalty by one pass of each kind
    plain.py     the rules of Sequential and of layers without parameters
    weights.py   the rules of layers with weights
    norms.py     the rules of LayerNorm and InstanceNorm
"""

from gpunet.tangent import norms, plain, weights
from gpunet.tangent.base import Tangent, linearise, penalise, without_rule
