"""Adam over a flat buffer: all parameters of a network that it holds in a single pass; and the clipping of weights."""

from __future__ import annotations

from gpunet import kernels
from gpunet.backend import factors, launches
from gpunet.backend.devices import Array, array_module, operation
from gpunet.backend.factors import Factor
from gpunet.backend.loss_scale import SKIP
from gpunet.backend.threads import by_rows

# Places in the optimiser's small state array (4,) of float64, which lives on the device beside the parameters. The
# other two are the kernels': what they work out once per step for all parameters.
LR, STEP = 0, 1


@operation
def adam_update(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    state: Array,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float = 0.0,
    scaling: Array | None = None,
    rounded: Factor | None = None,
    advance: bool = True,
) -> None:
    """Take one Adam step in place on flat arrays (size,); state[LR] is the learning rate, state[STEP] counts up.

        g = grad + weight_decay * param                          the gradient of weight_decay / 2 * |param|^2 added
        m = b1 m + (1 - b1) g,    v = b2 v + (1 - b2) g^2
        param -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    scaling: of a scaled loss (loss_scale.py); its SKIP leaves everything as it is. rounded (size,) gets the new
    parameters as a factor for tensor cores (factors.py); it is for the kernels only. advance=False: state[STEP] has
    counted this step already, for other arrays of the same network.
    Kingma & Ba, "Adam", 2015, algorithm 1. Rate and count are read on the device, so a captured step replays correctly.
    """
    xp, real = array_module(param), param.dtype.type
    b1, b2 = betas
    if scaling is not None and scaling[SKIP]:
        return
    state[STEP] += advance
    step_size = (state[LR] / (1 - b1 ** state[STEP])).astype(param.dtype)
    rescale = (1 / xp.sqrt(1 - b2 ** state[STEP])).astype(param.dtype)  # 1 / sqrt(1 - b2^t), applied to sqrt(v)

    def body(param: Array, g: Array, m: Array, v: Array) -> None:
        if weight_decay:
            g = g + real(weight_decay) * param
        m *= real(b1)
        m += real(1 - b1) * g
        v *= real(b2)
        v += real(1 - b2) * g * g
        denominator = xp.sqrt(v)
        denominator *= rescale
        denominator += real(eps)
        param -= step_size * m / denominator

    by_rows(body, param, grad, m, v)


@adam_update.kernel
def adam_update_kernel(
    param, grad, m, v, state, betas, eps, weight_decay=0.0, scaling=None, rounded=None, advance=True
) -> None:
    b1, b2 = betas
    if advance:
        kernels.launch("adam.adam_advance", 1, 1, (state, scaling, b1, b2))
    args = (param, m, v, grad, state, param.size, b1, 1 - b1, b2, 1 - b2, eps, weight_decay)
    if rounded is None:
        launches.elements("adam.adam_update", args, param.size)
    else:
        launches.elements(f"{factors.file_of(rounded.precision)}.adam_update", (rounded.numbers, *args), param.size)


@operation
def clip_weights(param: Array, limit: float) -> None:
    """Bring a flat array of parameters into [-limit, limit], in place (Arjovsky et al., "Wasserstein GAN", 2017)."""
    array_module(param).clip(param, -limit, limit, out=param)


@clip_weights.kernel
def clip_weights_kernel(param: Array, limit: float) -> None:
    launches.elements("adam.clip_weights", (param, param.size, limit), param.size)
