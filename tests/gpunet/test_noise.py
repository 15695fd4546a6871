"""Noise from a counter: the words of Philox by its authors, the numbers by plain loops, and that they are normal."""

import math

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from gpunet import backend
from gpunet.backend.noise import keys_of, philox

ONES = 0xFFFFFFFF
# (counter, keys, words) of philox4x32-10 in the file kat_vectors of Random123, the authors' library
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def by_loops(counter, keys):
    """Philox on Python's integers."""
    a, b, c, d = counter
    k0, k1 = keys
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (second >> 32) ^ b ^ k0, second & ONES, (first >> 32) ^ d ^ k1, first & ONES
        k0, k1 = (k0 + 0x9E3779B9) & ONES, (k1 + 0xBB67AE85) & ONES
    return a, b, c, d


def normal_by_loops(size, sigma, step, keys, call):
    """The numbers that are added, element by element."""
    quarter, numbers = -(-size // 4), np.zeros(4 * -(-size // 4))
    for q in range(quarter):
        u = [(word + 0.5) / 2**32 for word in by_loops((q, call, step, 0), keys)]
        for pair in range(2):
            radius = sigma * math.sqrt(-2 * math.log(u[2 * pair]))
            for half, wave in enumerate((math.cos, math.sin)):
                numbers[q + (2 * pair + half) * quarter] = radius * wave(2 * math.pi * u[2 * pair + 1])
    return numbers[:size]


@pytest.mark.parametrize("counter, keys, words", KNOWN)
def test_known_words(counter, keys, words):
    found = philox(tuple(np.array([word], "uint64") for word in counter), np.array(keys, "uint64"))
    assert tuple(int(word[0]) for word in found) == words == by_loops(counter, keys)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 50 * EPS32)])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 255, 1025])
def test_every_element_gets_its_number(cell, size, dtype, tolerance):
    x, keys = np.random.default_rng(0).standard_normal(size), (ONES, 12345)
    noise = cell.array([0.3, 4_000_000_000, *keys])
    given = cell.array(x, dtype)
    y = backend.add_noise(given, noise, 2)
    assert_close(y, x + normal_by_loops(size, 0.3, 4_000_000_000, keys, 2), tolerance)
    assert y.dtype == dtype and host(given).tolist() == x.astype(dtype).tolist()


def test_the_numbers_are_normal(cell):
    """Mean, variance, skew and kurtosis, and a neighbour, a step, a call and a seed all go their own ways."""
    size, zero = 400_001, cell.array(np.zeros(400_001), "float32")
    draws = [
        host(backend.add_noise(zero, cell.array([1.0, step, *keys_of(seed)]), call)).astype("float64")
        for step, seed, call in ((1, 0, 0), (1, 0, 1), (2, 0, 0), (1, 1, 0))
    ]
    limit = 5 / math.sqrt(size)
    for i, x in enumerate(draws):
        moments = [x.mean(), (x**2).mean() - 1, (x**3).mean(), (x**4).mean() - 3]
        spreads = [1, math.sqrt(2), math.sqrt(15), math.sqrt(96)]  # of x, x^2, x^3 and x^4
        assert all(abs(m) < limit * spread for m, spread in zip(moments, spreads, strict=True)), moments
        assert abs((x[1:] * x[:-1]).mean()) < limit and abs((x[: size // 2] * x[-(size // 2) :]).mean()) < 2 * limit
        assert all(abs((x * other).mean()) < limit for other in draws[:i])


def test_keys_differ_with_the_seed():
    keys = {tuple(keys_of(seed)) for seed in (0, 1, 2, 2**32, 2**64, 2**127)}
    assert len(keys) == 6 and all(0 <= key <= ONES for pair in keys for key in pair)


@pytest.mark.cuda
def test_cpu_and_gpu_make_the_same_numbers():
    noise, x = np.array([0.5, 7.0, 11.0, 13.0]), np.zeros(1000)
    with backend.use("kernels"):
        on_gpu = backend.add_noise(backend.to_device(x, "cuda"), backend.to_device(noise, "cuda"), 0)
        assert_close(on_gpu, backend.add_noise(x, noise, 0), 1e-13)
