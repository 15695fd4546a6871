"""Batch norm over ranks: R ranks of n rows give what one rank with all R n rows gives, forward and backward.

Over 300 lines: every test makes the same passes, on ranks and on one, and compares them.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tensor_core_nets
from cases import Cell, assert_close, host
from gpunet import backend, layers, loops
from gpunet.backend import batchnorm_ranks
from gpunet.backend.choices import fusing
from gpunet.gradcheck import LIMIT, check_layer, off_kinks
from gpunet.layers import BatchNorm, LeakyReLU, ReLU, Sequential
from gpunet.layers.base import Layer
from tensor_core_nets import down, on_tensor_cores, up
from threads_as_ranks import Waiting, on_ranks

EXACT = 1e-12
EPS = 1e-5
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


def shares(x, size, batches=1):
    """Return each rank's rows: its share of every one of the joined batches."""
    parts = x.reshape(batches, size, -1, *x.shape[1:])  # (batches, ranks, rows, ...)
    return [np.ascontiguousarray(parts[:, rank]).reshape(-1, *x.shape[1:]) for rank in range(size)]


def whole(results, batches=1):
    """Put the ranks' shares together again."""
    parts = [host(each).reshape(batches, -1, *each.shape[1:]) for each in results]
    return np.concatenate(parts, axis=1).reshape(-1, *parts[0].shape[2:])


def passes(layer, x, dy, batches=1):
    """Return y and dx of one pass; gradients and averages stay in the layer."""
    with layer.joined_batches(batches):
        y = layer.forward(x)
        return host(y), host(layer.backward(dy.copy()))  # dy may be overwritten


def passes_on_ranks(make, x, dy, size, cell, batches=1, dtype="float64", messages=None):
    """Return y and dx of all rows, and the ranks' layers.

    A rank's loss is the mean over its own pictures. So its dy is `size` times that of the mean over all.
    """
    xs, dys = shares(x, size, batches), shares(size * dy, size, batches)

    def work(ranks):
        layer = make()
        with layer.among_ranks(ranks):
            of_rank = cell.array(xs[ranks.rank], dtype), cell.array(dys[ranks.rank], dtype)
            return layer, *passes(layer, *of_rank, batches)

    made, y, dx = zip(*on_ranks(size, work, messages), strict=True)
    return whole(y, batches), whole(dx, batches) / size, made


# name: the layers, the shape of all rows on all ranks, joined batches
TABLE = {
    "spatial, relu": (lambda: (BatchNorm(5), ReLU()), (12, 3, 2, 5), 1),
    "dense": (lambda: (BatchNorm(3, momentum=0.3),), (24, 3), 1),
    "one row on each rank": (lambda: (BatchNorm(4, scale=False), LeakyReLU()), (6, 4), 1),
    "one row of each batch on each rank": (lambda: (BatchNorm(3),), (12, 3), 2),
    "two batches, leaky relu": (lambda: (BatchNorm(2, shift=False), LeakyReLU(0.2)), (24, 2, 3, 2), 2),
    "three batches, bare": (lambda: (BatchNorm(33, scale=False, shift=False),), (18, 1, 2, 33), 3),
    "many rows": (lambda: (BatchNorm(2), LeakyReLU(0.1)), (12, 17, 19, 2), 1),
}
every_row = pytest.mark.parametrize("name", TABLE)
every_size = pytest.mark.parametrize("size", [2, 3, 6])


def made(name, cell, dtype="float64"):
    """Return a function that makes the same random net each time, x and dy of all rows."""
    make, shape, batches = TABLE[name]
    rng = np.random.default_rng(7)
    x, dy = rng.standard_normal((2, *shape))
    x[: shape[0] // batches] = 3 + 2 * x[: shape[0] // batches]  # each batch has a mean and a spread of its own
    x += np.linspace(-1, 1, shape[0]).reshape(-1, *[1] * (len(shape) - 1))  # and so has each rank

    def net():
        net, draw = Sequential(*make()), np.random.default_rng(8)
        for parameter in net.parameters():
            parameter.data = 1 + 0.3 * draw.standard_normal(parameter.data.shape)
        return net.to(cell.device, dtype)

    return net, x, dy, batches


@every_row
@every_size
def test_ranks_are_one_rank_with_all_rows(name, size, cell):
    """Values, dx, running averages; and gradients of parameters, as the sum over ranks divided by their number."""
    net, x, dy, batches = made(name, cell)
    alone, messages = net(), []
    y, dx = passes(alone, cell.array(x), cell.array(dy), batches)
    found_y, found_dx, ranks = passes_on_ranks(net, x, dy, size, cell, batches, messages=messages)
    assert_close(found_y, y, EXACT, "y")
    assert_close(found_dx, dx, EXACT, "dx")
    for i, (parameter_name, parameter) in enumerate(alone.named_parameters()):
        total = sum(host(each.parameters()[i].grad) for each in ranks)
        assert_close(total / size, host(parameter.grad), EXACT, parameter_name)
    for buffer_name, average in alone.named_buffers():
        of_ranks = [host(dict(each.named_buffers())[buffer_name]) for each in ranks]
        assert_close(of_ranks[0], host(average), EXACT, buffer_name)
        assert all(np.array_equal(each, of_ranks[0]) for each in of_ranks), "ranks keep the same averages, bit for bit"
    channels = x.shape[-1]
    assert messages == [(2, batches, size, channels), (batches, 2, channels)], "one message for each direction"


@pytest.mark.parametrize("slope", [1.0, 0.0, 0.2])
def test_against_plain_loops(cell, slope):
    """The definition, number by number, for all rows at once."""
    rng, size, rows = np.random.default_rng(3), 3, 4
    x, dy = rng.standard_normal((2, size * rows, 2)) + 0.5
    scale, shift = np.array([0.7, -1.3]), np.array([0.2, -0.1])

    def work(ranks):
        here = slice(ranks.rank * rows, (ranks.rank + 1) * rows)
        given = [cell.array(array) for array in (scale, shift)]
        y, mean, _, rstd = backend.batchnorm(cell.array(x[here]), *given, EPS, slope, ranks=ranks)
        more = (cell.array(x[here]), mean, rstd, *given, slope)
        return y, *backend.batchnorm_backward(cell.array(dy[here].copy()), *more, ranks=ranks)

    y, dx, dscale, dshift = zip(*on_ranks(size, work), strict=True)
    z = loops.batchnorm(x, scale, shift, EPS)
    assert_close(whole(y), np.where(z > 0, z, slope * z), EXACT, "y")
    dz = np.where(z > 0, dy, slope * dy)
    wanted, *sums = loops.batchnorm_backward(dz, x, scale, EPS)
    assert_close(whole(dx), wanted, EXACT, "dx")
    assert_close(sum(map(host, dscale)), sums[0], EXACT, "dscale")
    assert_close(sum(map(host, dshift)), sums[1], EXACT, "dshift")
    for own, part in zip(dshift, shares(dz, size), strict=True):  # not that of all ranks
        assert_close(own, part.sum(axis=0), EXACT, "dshift of a rank")


class OnRanks(Layer):
    """Batch norm with a leaky ReLU, whose rows are shared out over ranks; all add to the same gradients."""

    def __init__(self, size, channels, batches):
        super().__init__()
        self.nets, self.joined = [BatchNorm(channels, eps=0.1) for _ in range(size)], batches
        for net in self.nets:
            net.slope, net.scale, net.shift = 0.2, self.nets[0].scale, self.nets[0].shift

    def _on_ranks(self, way, array):
        xp, size = backend.array_module(array), len(self.nets)
        of_ranks = [
            backend.to_device(part, backend.device_of(array)) for part in shares(host(array), size, self.joined)
        ]

        def work(ranks):
            net = self.nets[ranks.rank]
            with net.among_ranks(ranks), net.joined_batches(self.joined):
                return getattr(net, way)(of_ranks[ranks.rank])

        return xp.asarray(whole(on_ranks(size, work), self.joined))

    def forward(self, x):
        return self._on_ranks("forward", x)

    def backward(self, dy, input_grad=True):
        return self._on_ranks("backward", dy)


@pytest.mark.parametrize("size, batches", [(2, 1), (3, 2)])
def test_gradients(cell, size, batches):
    """By central differences: rank r's dx holds what its x does to the answers of all ranks."""
    layer, rng = OnRanks(size, 2, batches).to(cell.device, "float64"), np.random.default_rng(0)
    errors = check_layer(layer, cell.array(off_kinks(rng, (12, 2, 1, 2))), rng, directions=4)
    assert max(errors.values()) < LIMIT, errors


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_message_is_noticed(cell, lost, monkeypatch):
    """Without the forward pass's message, or without the backward pass's, dx is another: the tests above can fail."""
    net, x, dy, batches = made("spatial, relu", cell)
    _, dx = passes(net(), cell.array(x), cell.array(dy), batches)
    if lost:
        monkeypatch.setattr(batchnorm_ranks, "mean_over", lambda sums, ranks: None)
    else:

        def own(mean, var, rows, ranks):
            """Return this rank's mean and m2 as those of every rank."""
            repeated = [array.reshape(-1, 1, mean.shape[-1]).repeat(ranks.size, 1) for array in (mean, var * rows)]
            return tuple(np.ascontiguousarray(array) if cell.device == "cpu" else array.copy() for array in repeated)

        monkeypatch.setattr(batchnorm_ranks, "moments_of_all", own)
    found = passes_on_ranks(net, x, dy, 2, cell, batches)[1]
    assert np.abs(found - dx).max() > 1e-2 * np.abs(dx).max()


@pytest.mark.parametrize("dtype, mean, limit", [("float32", 1e3, 2e-3), ("float64", 1e6, 1e-8)])
def test_a_large_mean_costs_no_digits(cell, dtype, mean, limit):
    """E[x^2] - mean^2 would leave nothing of a variance of 1: its squares hold 1e6 in float32, 1e12 in float64."""
    x = (mean + np.random.default_rng(1).standard_normal((64, 3))).astype(dtype).astype("float64")

    def work(ranks):
        part = cell.array(shares(x, ranks.size)[ranks.rank], dtype)
        return backend.batchnorm(part, None, None, EPS, ranks=ranks)[2]

    for var in on_ranks(4, work):
        assert_close(var, x.var(axis=0), limit, "var")


@every_row
def test_float32(name, cell):
    net, x, dy, batches = made(name, cell, "float32")
    double, *_ = made(name, cell)
    y, dx = passes(double(), cell.array(x), cell.array(dy), batches)
    found_y, found_dx, _ = passes_on_ranks(net, x, dy, 2, cell, batches, "float32")
    assert found_y.dtype == found_dx.dtype == "float32"
    assert_close(found_y, y, 2e-6, "y")
    assert_close(found_dx, dx, 1e-5, "dx")


def test_one_rank_takes_the_plain_path(cell):
    """The same bits, and no message."""
    net, x, dy, batches = made("two batches, leaky relu", cell, "float32")
    x, dy, messages = x.astype("float32"), dy.astype("float32"), []
    alone = passes(net(), cell.array(x, "float32"), cell.array(dy, "float32"), batches)
    found = passes_on_ranks(net, x, dy, 1, cell, batches, "float32", messages)
    assert all(np.array_equal(a, b) for a, b in zip(alone, found[:2], strict=True)) and not messages


def test_evaluation_sends_nothing(cell):
    """Running averages are statistics that all ranks have."""
    messages = []

    def work(ranks):
        net = BatchNorm(2).to(cell.device, "float64").eval()
        with net.among_ranks(ranks), net.saving():
            return passes(net, cell.array(np.ones((3, 2))), cell.array(np.ones((3, 2))))

    y, dx = on_ranks(2, work, messages)[1]
    assert not messages and np.allclose(y, 1) and np.allclose(dx, 1, atol=1e-4)


def test_the_block_ends_when_it_raises_and_one_row_in_all_is_refused():
    def work(ranks):
        net = BatchNorm(2)
        with pytest.raises(ZeroDivisionError), net.among_ranks(ranks):
            assert net.ranks is ranks
            raise ZeroDivisionError
        assert net.ranks is None
        with pytest.raises(ValueError, match="got one row"):
            net.forward(np.zeros((1, 2), "float32"))  # not among ranks

    on_ranks(2, work)


def test_a_rank_that_makes_another_pass_ends_all():
    """The stand-in for ranks: what would hang for ever raises."""
    x = np.zeros((4, 2), "float32")

    def work(ranks):
        net = BatchNorm(2)
        with net.among_ranks(ranks):
            return net.forward(x) if ranks.rank else None

    with pytest.raises(Waiting, match="1 of 2"):
        on_ranks(2, work)


# ---- factors: tensor cores, which the CPU imitates ----

NETS = {
    "discriminator": (
        lambda: (down(3, 8), LeakyReLU(), down(8, 16), BatchNorm(16), LeakyReLU(), down(16, 24), BatchNorm(24),
                 LeakyReLU(), down(24, 8)),
        (8, 16, 16, 3), 2,
    ),
    "generator": (
        lambda: (layers.ConvTranspose2d(8, 16, 2, bias=False), BatchNorm(16), ReLU(), up(16, 8), BatchNorm(8), ReLU(),
                 up(8, 3, True), layers.Tanh()),
        (8, 1, 1, 8), 1,
    ),
}  # fmt: skip
TOLERANCE = {"tf32": 1e-3, "bf16": 2e-2}  # a sum in another order may move a number to its neighbour


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name, precision, fuses", list(itertools.product(NETS, TOLERANCE, [True, False])))
def test_rounded_factors(device, name, precision, fuses):
    """A convolution next to batch norm sums up its result on each rank; those sums go to all ranks."""
    make, shape, batches = NETS[name]

    def net():
        return tensor_core_nets.built(make(), shape, device)[0]

    rng = np.random.default_rng(5)
    x = rng.standard_normal(shape).astype("float32")
    x *= np.linspace(0.5, 2, shape[0]).astype("float32")[:, None, None, None]  # ranks differ
    cell, messages = Cell(device, "kernels"), []
    with on_tensor_cores(precision), fusing(fuses):
        alone = net()
        y = alone.forward(cell.array(x, "float32"))
        alone.forget()
        dy = rng.standard_normal(y.shape).astype("float32")
        alone = net()
        expected = passes(alone, cell.array(x, "float32"), cell.array(dy, "float32"), batches)
        *found, ranks = passes_on_ranks(net, x, dy, 2, cell, batches, "float32", messages)
    assert len(messages) == 4
    for i, parameter in enumerate(alone.parameters()):
        expected += (host(parameter.grad),)
        found.append(sum(host(each.parameters()[i].grad) for each in ranks) / 2)
    expected += tuple(host(buffer) for _, buffer in alone.named_buffers())
    found += [host(buffer) for _, buffer in ranks[0].named_buffers()]
    for a, b in zip(found, expected, strict=True):
        assert np.linalg.norm(a - b) <= TOLERANCE[precision] * np.linalg.norm(b)
