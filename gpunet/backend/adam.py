"""Adam over flat buffers: all parameters of a network that one holds in a single pass; and the clipping of weights.

`adam_update` is the step for one buffer, `adam_step` that of a whole network: on a GPU one launch for all its buffers
and their averages, as long as `choices.fused` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet import kernels
from gpunet.backend import factors, launches
from gpunet.backend.average import STEP, Averages, average_update
from gpunet.backend.choices import fused
from gpunet.backend.devices import Array, array_module, operation
from gpunet.backend.factors import Factor
from gpunet.backend.launches import ELEMENTS_PER_BLOCK, arrivals, at_once
from gpunet.backend.loss_scale import SKIP
from gpunet.backend.threads import by_rows

# Places in the optimiser's small state array (STATE,) of float64, which lives on the device beside the parameters. The
# others are the kernels': what they work out once per step for all parameters.
LR = 0
STATE = 10
Buffer = tuple[Array, Array, Array, Array]  # param, grad, m, v, flat arrays (size,)
NO_BUFFER = (None, None, None, None)


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
def adam_step(
    state: Array,
    buffers: Sequence[Buffer],
    betas: tuple[float, float],
    eps: float,
    weight_decay: float = 0.0,
    scaling: Array | None = None,
    rounded: Factor | None = None,
    averages: Averages | None = None,
) -> None:
    """Take one Adam step in place on one or two buffers of a network, then move their averages (average.py).

    state (STATE,) and the rest: as `adam_update` takes them. rounded: of the first buffer.
    """
    for i, buffer in enumerate(buffers):
        more = (state, betas, eps, weight_decay, scaling, None if i else rounded)
        adam_update(*buffer, *more, advance=i == 0)
    if averages:
        params = [param for param, *_ in buffers]
        for average, now in (*zip(averages.of_parameters, params, strict=True), *averages.of_buffers):
            average_update(average, now, state, averages.most)


@adam_step.kernel
def adam_step_kernel(state, buffers, betas, eps, weight_decay=0.0, scaling=None, rounded=None, averages=None) -> None:
    if not (at_once(state) and fused() and len(buffers) <= 2):
        return adam_step.reference(state, buffers, betas, eps, weight_decay, scaling, rounded, averages)
    first, second = (*buffers, NO_BUFFER)[:2]
    of_parameters, of_buffers, most = averages or Averages((), (), 0.0)
    average, other_average = (*of_parameters, None, None)[:2]
    both, counts = (*of_buffers, (None, None))[0], [_size(a) for a in (first[0], second[0])]
    blocks = sum(-(-count // ELEMENTS_PER_BLOCK) for count in (*counts, _size(both[0])))
    args = (state, scaling, arrivals(state, 1), *_arguments(first, average), *_arguments(second, other_average))
    args = (*args, *both, _size(both[0]), *betas, eps, weight_decay, most)
    entry = "adam" if rounded is None else factors.file_of(rounded.precision)
    args = args if rounded is None else (rounded.numbers, *args)
    kernels.launch(f"{entry}.adam_at_once", blocks, launches.element_threads(state), args)
    for more, now in of_buffers[1:]:
        average_update(more, now, state, most)


def _arguments(buffer: Sequence[Array | None], average: Array | None) -> tuple[Any, ...]:
    """Return what the kernel takes of a buffer: param, m, v, grad, average, size."""
    param, grad, m, v = buffer
    return param, m, v, grad, average, _size(param)


def _size(array: Array | None) -> int:
    return 0 if array is None else array.size


@operation
def clip_weights(param: Array, limit: float) -> None:
    """Bring a flat array of parameters into [-limit, limit], in place (Arjovsky et al., "Wasserstein GAN", 2017)."""
    array_module(param).clip(param, -limit, limit, out=param)


@clip_weights.kernel
def clip_weights_kernel(param: Array, limit: float) -> None:
    launches.elements("adam.clip_weights", (param, param.size, limit), param.size)
