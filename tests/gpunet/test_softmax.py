"""Softmax cross-entropy against its definition, central differences and PyTorch; its edges and misuse."""

import math

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from gpunet import backend

SHAPES = [(1, 1), (1, 10), (7, 3), (31, 2), (1025, 10), (64, 1000)]  # one row; odd sizes; more than a block of rows
PRECISIONS = [("float64", 1e-12), ("float32", 100 * EPS32)]


def drawn(rows, classes):
    rng = np.random.default_rng(rows)
    return 3 * rng.standard_normal((rows, classes)), rng.integers(0, classes, rows).astype("int32")


def definition(row, label):
    """-log p[label] and dx of one row, number by number."""
    powers = [math.exp(x) for x in row]
    p = [power / math.fsum(powers) for power in powers]
    return -math.log(p[label]), [p[k] - (k == label) for k in range(len(row))]


@pytest.mark.parametrize("dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_equals_its_definition(cell, shape, dtype, tolerance):
    logits, labels = drawn(*shape)
    loss, dlogits = backend.softmax_cross_entropy(cell.array(logits, dtype), cell.array(labels, "int32"))
    assert loss.shape == () and backend.device_of(loss) == cell.device
    assert {loss.dtype, dlogits.dtype} == {np.dtype(dtype)}
    losses, rows = zip(*map(definition, logits.tolist(), labels.tolist()), strict=True)
    assert_close(loss, math.fsum(losses) / len(losses), tolerance, "loss")
    assert_close(dlogits, np.array(rows) / len(rows), tolerance, "dlogits")


def test_the_gradient_is_that_of_the_loss(cell):
    logits, labels = drawn(5, 4)
    labels = cell.array(labels, "int32")
    _, dlogits = backend.softmax_cross_entropy(cell.array(logits), labels)
    for place in np.ndindex(5, 4):
        step = np.zeros_like(logits)
        step[place] = 1e-6
        high, low = (float(backend.softmax_cross_entropy(cell.array(logits + s), labels)[0]) for s in (step, -step))
        assert abs((high - low) / 2e-6 - float(dlogits[place])) < 1e-8


def test_it_is_the_loss_of_pytorch(cell):
    torch = pytest.importorskip("torch")
    logits, labels = drawn(33, 10)
    x = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(x, torch.tensor(labels.astype("int64")))
    expected.backward()
    loss, dlogits = backend.softmax_cross_entropy(cell.array(logits), cell.array(labels, "int32"))
    assert_close(loss, expected.item(), 1e-13, "loss")
    assert_close(dlogits, x.grad.numpy(), 1e-13, "dlogits")


def test_logits_of_any_size_give_finite_numbers(cell):
    """exp(1000) overflows; the loss is 1000 on the wrong side and 0 on the right."""
    logits = cell.array([[1000.0, 0.0], [-1000.0, 0.0]], "float32")
    for labels, loss, dlogits in ([0, 1], 0, [[0, 0], [0, 0]]), ([1, 0], 1000, [[0.5, -0.5], [-0.5, 0.5]]):
        found = backend.softmax_cross_entropy(logits, cell.array(labels, "int32"))
        assert float(found[0]) == loss and host(found[1]).tolist() == dlogits


def test_arrays_that_are_no_blocks(cell):
    logits, labels = drawn(6, 4)
    wide, long = np.repeat(logits, 2, axis=1), np.repeat(labels, 2)
    found = backend.softmax_cross_entropy(cell.array(wide)[:, ::2], cell.array(long, "int32")[::2])
    expected = backend.softmax_cross_entropy(cell.array(logits), cell.array(labels, "int32"))
    assert all(np.array_equal(host(a), host(b)) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("shape, count, kind", [((3,), 3, "int32"), ((3, 2), 2, "int32"), ((0, 2), 0, "int32"),
                                                 ((3, 2), 3, "int64")])  # fmt: skip
def test_misuse(cell, shape, count, kind):
    with pytest.raises(ValueError, match=r"expected \(N, K\) of at least one number and int32 \(N,\)"):
        backend.softmax_cross_entropy(cell.array(np.zeros(shape)), cell.array(np.zeros(count), kind))
