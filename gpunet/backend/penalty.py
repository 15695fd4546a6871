"""Gradient penalties: what they cost, and their derivative by the gradient g of D; docs/gradient-penalty.md.

    R1        penalty = weight / 2  mean |g|^2        Mescheder et al., "Which training methods for GANs do actually
                                                      converge?", 2018
    WGAN-GP   penalty = weight  mean (|g| - 1)^2      Gulrajani et al., "Improved training of Wasserstein GANs", 2017

g (N, ...) holds the gradient of each sample's answer by that sample; |g| is the root of the sum of all its squares, and
the mean is over the N samples. The kernels are in kernels/penalty.cu.
"""

from __future__ import annotations

from gpunet import kernels
from gpunet.backend.columns import add_groups, column_sum
from gpunet.backend.devices import Array, array_module, on_cuda, operation
from gpunet.backend.launches import ROWS_ON_CPU, contiguous, empty, rows_of_blocks, rows_per_thread

LANES = 32  # as in penalty.cu
SAMPLES_PER_BLOCK = 32  # of the launch with a thread per sample


@operation
def gradient_penalty(g: Array, weight: float, to_one: bool = False) -> tuple[Array, Array]:
    """Return the penalty, a 0-d array, and v (N, ...), its derivative by g.

        to_one=False   weight / 2  mean |g|^2          v = weight g / N
        to_one=True    weight  mean (|g| - 1)^2        v = 2 weight (1 - 1 / |g|) g / N

    Where g = 0, |g| has no derivative: v is 0 there.
    """
    xp, real = array_module(g), g.dtype.type
    flat, each = g.reshape(len(g), -1), real(weight / len(g))
    squares = (flat * flat).sum(axis=1)  # (N,)
    if not to_one:
        return xp.asarray(each * squares.sum() / 2), g * each
    norms = xp.sqrt(squares)
    factors = 2 * each * (norms - 1) / xp.where(norms == 0, real(1), norms)
    factors = xp.where(norms == 0, real(0), factors)
    return xp.asarray((each * (norms - 1) ** 2).sum()), (flat * factors[:, None]).reshape(g.shape)


@gradient_penalty.kernel
def gradient_penalty_kernel(g: Array, weight: float, to_one: bool = False) -> tuple[Array, Array]:
    g, samples, count = contiguous(g), len(g), g.size // len(g)
    terms, factors = empty(g, samples, 1), empty(g, samples)
    args = (terms, factors, _squares(g, samples, count), samples, weight, int(to_one))
    kernels.launch("penalty.weigh_samples", -(-samples // SAMPLES_PER_BLOCK), SAMPLES_PER_BLOCK, args)
    v = empty(g, *g.shape)
    rows_of_blocks("penalty.scale_samples", (v, g, factors, samples, count), samples, count)
    return column_sum(terms).reshape(()), v


def _squares(g: Array, samples: int, count: int) -> Array:
    """Return for each lane of each sample the sum of its squares, (samples * LANES,)."""
    rows = -(-count // LANES)
    each = rows_per_thread(rows, 1, on_cuda(g))
    sums = empty(g, -(-rows // each), samples * LANES)
    whole = count % (LANES * ROWS_ON_CPU) == 0
    kernels.launch("penalty.squares", (len(sums), samples), LANES, (sums, g, count, rows, each), whole=whole)
    while len(sums) > 1:
        sums = add_groups(sums, rows_per_thread(len(sums), 1, on_cuda(sums)))
    return sums[0]


@operation
def between(real: Array, fake: Array, mix: Array) -> Array:
    """Return mix real + (1 - mix) fake: a picture between each real one and a made one; real, fake (N, ...), mix (N,).

    With mix from U(0, 1) it is a random place on the line from one to the other.
    """
    _require_alike(real, fake, mix)
    mix = mix.reshape(-1, *[1] * (real.ndim - 1))
    return mix * real + (1 - mix) * fake


@between.kernel
def between_kernel(real: Array, fake: Array, mix: Array) -> Array:
    _require_alike(real, fake, mix)
    x, samples = empty(real, *real.shape), len(real)
    count = real.size // samples
    args = (x, contiguous(real), contiguous(fake), contiguous(mix), samples, count)
    rows_of_blocks("penalty.between", args, samples, count)
    return x


def _require_alike(real: Array, fake: Array, mix: Array) -> None:
    if real.shape != fake.shape or mix.shape != real.shape[:1]:
        shapes = f"{real.shape}, {fake.shape} and mix {mix.shape}"
        raise ValueError(f"between: got pictures of shapes {shapes}, expected two of one shape and a mix per sample")
