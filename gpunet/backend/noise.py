"""Normal noise from a counter: the same numbers on every device and after every resume, with no state to save.

A usual generator is a state that each draw changes. Here a number is a function of where it is needed:

    words    = Philox(counter = (block, call, step, 0), keys)     four words of 32 bits
    u        = (word + 1/2) / 2^32                                in (0, 1)
    n0, n1   = sigma sqrt(-2 log u0) (cos 2 pi u1, sin 2 pi u1)   normal, by Box & Muller (1958)
    n2, n3   = the same of u2 and u3

Philox mixes the counter with two keys in ten rounds of multiplications: a code, of which nobody can tell the counter
from the result. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011. Every thread of a GPU makes its own
numbers at once, and a captured step that reads sigma and step from an array replays correctly.

`noise` (4,) of float64 holds SIGMA, STEP and two keys of 32 bits. The four numbers of block q go to the elements q,
q + quarter, q + 2 quarter and q + 3 quarter, where quarter is a fourth of the elements, rounded up.
The kernel is in kernels/noise.cu.
"""

from __future__ import annotations

import numpy as np

from gpunet import kernels
from gpunet.backend.devices import Array, array_module, operation
from gpunet.backend.launches import contiguous, empty

SIGMA, STEP, KEY = 0, 1, 2  # places in `noise`; KEY has two
MULTIPLIERS, WEYL = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)  # Salmon et al., table 2 and section 3.3
WORD = 0xFFFFFFFF
ROUNDS = 10
THREADS = 256


def keys_of(seed: int) -> np.ndarray:
    """Return two keys (2,), uint32, of a run's seed, which may be a number of 128 bits."""
    return np.random.SeedSequence(seed, spawn_key=(0x6E6F697365,)).generate_state(2)  # no other use of the seed has it


def philox(counter: tuple[Array, ...], keys: Array) -> tuple[Array, ...]:
    """Return the four words of each counter; words and the two keys are uint64 arrays of numbers below 2^32."""
    a, b, c, d = counter
    for i in range(ROUNDS):
        first, second = ((key + i * step) & WORD for key, step in zip(keys, WEYL, strict=True))
        high, low = MULTIPLIERS[0] * a >> 32, MULTIPLIERS[0] * a & WORD
        second_high, second_low = MULTIPLIERS[1] * c >> 32, MULTIPLIERS[1] * c & WORD
        a, b, c, d = second_high ^ b ^ first, second_low, high ^ d ^ second, low
    return a, b, c, d


@operation
def add_noise(x: Array, noise: Array, call: int) -> Array:
    """Return x, of any shape, plus normal numbers; call: which draw of the step this is, from 0."""
    xp, real = array_module(x), x.dtype.type
    quarter = -(-x.size // 4)
    q, zero, whole = xp.arange(quarter, dtype="uint64"), xp.zeros(quarter, "uint64"), noise.astype("uint64")
    words = philox((q, zero + call, zero + whole[STEP], zero), whole[KEY:])
    u = [(word.astype(x.dtype) + real(0.5)) * real(2.0**-32) for word in words]
    normal = []
    for first, second in ((u[0], u[1]), (u[2], u[3])):
        radius, angle = noise[SIGMA].astype(x.dtype) * xp.sqrt(-2 * xp.log(first)), real(2 * np.pi) * second
        normal += [radius * xp.cos(angle), radius * xp.sin(angle)]
    return x + xp.concatenate(normal)[: x.size].reshape(x.shape)


@add_noise.kernel
def add_noise_kernel(x: Array, noise: Array, call: int) -> Array:
    x = contiguous(x)
    y, quarter = empty(x, *x.shape), -(-x.size // 4)
    if quarter:
        args = (y, x, noise, x.size, quarter, call)
        kernels.launch("noise.add_noise", -(-quarter // THREADS), THREADS, args)
    return y
