"""The loss, of one batch and of two joined ones, against its definition; joining."""

import math

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from gpunet import backend, loops
from gpunet.backend.join import launch_join


@pytest.mark.parametrize("target", [0.0, 1, 0.9, "array"])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 50 * EPS32)])
def test_bce_equals_its_definition(cell, target, dtype, tolerance):
    rng = np.random.default_rng(0)
    logits, targets = 3 * rng.standard_normal((3, 4)), rng.random((3, 4))
    targets = targets if target == "array" else np.full((3, 4), float(target))
    given = cell.array(targets, dtype) if target == "array" else target
    loss, dlogits = backend.bce_with_logits(cell.array(logits, dtype), given)
    assert loss.shape == () and backend.device_of(loss) == cell.device and dlogits.dtype == dtype
    losses = [loops.bce(*pair)[0] for pair in zip(logits.ravel(), targets.ravel(), strict=True)]
    assert_close(loss, math.fsum(losses) / 12, tolerance, "loss")
    assert_close(dlogits, (1 / (1 + np.exp(-logits)) - targets) / 12, tolerance, "dlogits")


def test_bce_of_confident_logits_is_finite(cell):
    """At logits of +-1000 exp overflows and log(p) is -inf; the loss is 1000 on the wrong side, 0 on the right."""
    for logit, target, loss, dlogit in [(1000, 0, 1000, 1), (1000, 1, 0, 0), (-1000, 1, 1000, -1), (-1000, 0, 0, 0)]:
        result = backend.bce_with_logits(cell.array([logit], "float32"), target)
        assert [float(value) for value in map(np.squeeze, map(host, result))] == [loss, dlogit]


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 50 * EPS32)])
@pytest.mark.parametrize("half", [1, 3, 31, 32, 33, 600])
def test_bce_of_halves_is_that_of_two_batches(cell, half, dtype, tolerance):
    logits = 3 * np.random.default_rng(0).standard_normal((2 * half, 1))
    loss, means, dlogits = backend.bce_of_halves(cell.array(logits, dtype), (0.9, 0.2))
    p, t = 1 / (1 + np.exp(-logits)), np.repeat([[0.9], [0.2]], half, axis=0)
    assert loss.shape == () and means.shape == (2,) and {loss.dtype, means.dtype, dlogits.dtype} == {np.dtype(dtype)}
    losses = [loops.bce(*pair)[0] for pair in zip(logits.ravel(), t.ravel(), strict=True)]
    assert_close(loss, math.fsum(losses) / half, tolerance, "loss")
    assert_close(means, [p[:half].mean(), p[half:].mean()], tolerance, "means")
    assert_close(dlogits, (p - t) / half, tolerance, "dlogits")


def test_bce_of_halves_refuses_what_has_none(cell):
    for shape in ((3, 1), (0, 1), ()):
        with pytest.raises(ValueError, match="expected two batches of one size joined"):
            backend.bce_of_halves(cell.array(np.zeros(shape)), (1.0, 0.0))


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 50 * EPS32)])
@pytest.mark.parametrize("size", [1, 3, 31, 32, 33, 600])
@pytest.mark.parametrize("targets", [(1.0, -1.0), (0.9, 0.2), (1.0,)], ids=str)
@pytest.mark.parametrize("formula", ["linear", "square", "hinge"])
def test_losses_of_answers_equal_pytorch(cell, formula, targets, size, dtype, tolerance):
    torch = pytest.importorskip("torch")
    of_answer = {
        "linear": lambda x, t: -t * x,
        "square": lambda x, t: (x - t) ** 2 / 2,
        "hinge": lambda x, t: torch.relu(1 - t * x),
    }[formula]
    x = 2 * np.random.default_rng(0).standard_normal((len(targets) * size, 1))
    given = cell.array(x, dtype)
    answers = torch.tensor(host(given).astype("float64"), requires_grad=True)
    parts = list(zip(answers.chunk(len(targets)), targets, strict=True))
    expected = sum(of_answer(part, t).mean() for part, t in parts)
    expected.backward()
    loss, means, dlogits = backend.loss_of_answers(given, formula, targets)
    assert loss.shape == () and means.shape == (len(targets),) and {loss.dtype, means.dtype} == {np.dtype(dtype)}
    assert_close(loss, expected.item(), 2 * tolerance, "loss")
    assert_close(means, [part.mean().item() for part, _ in parts], 20 * tolerance, "means")
    assert_close(dlogits, answers.grad.numpy(), tolerance, "dlogits")


def test_losses_of_answers_at_the_kink_and_beyond_numbers(cell):
    """The hinge has no derivative at 1: there it is 0, PyTorch's choice. A NaN stays one."""
    _, _, dlogits = backend.loss_of_answers(cell.array([1.0, 0.5, 2.0, -1.0]), "hinge", (1.0, -1.0))
    assert host(dlogits).tolist() == [0, -0.5, 0.5, 0]
    for formula in ("linear", "square", "hinge"):
        loss, means, dlogits = backend.loss_of_answers(cell.array([np.nan, 0.0]), formula, (1.0,))
        assert np.isnan([float(loss), float(means[0])]).all()
        assert formula == "linear" or np.isnan(host(dlogits)[0])


def test_losses_of_answers_refuse_what_fits_no_batches(cell):
    for shape, targets in (((3, 1), (1.0, 0.0)), ((0, 1), (1.0,)), ((3, 1), (1.0, 0.0, 1.0))):
        with pytest.raises(ValueError, match="expected"):
            backend.loss_of_answers(cell.array(np.zeros(shape)), "linear", targets)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
def test_join(cell, dtype):
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 99, (rows, 2, 3)).astype(dtype) for rows in (1, 400, 0, 2, 3)]
    for count in range(1, 6):
        for chosen in (parts[:count], parts[-count:]):
            joined = backend.join(*(cell.array(part, dtype) for part in chosen))
            assert joined.dtype == dtype and joined.flags.c_contiguous
            assert np.array_equal(host(joined), np.concatenate(chosen))
    whole = cell.array(np.arange(12).reshape(4, 3), dtype)
    assert host(backend.join(whole[:, 0], whole[::2, 1])).tolist() == [0, 3, 6, 9, 1, 7]  # views that are no blocks
    with pytest.raises(ValueError):
        backend.join(whole, whole[:, :2])


@pytest.mark.parametrize("sizes", [[1023], [1024], [1025], [1, 1023, 1], [1024, 1024], [500, 24, 501, 3]])
def test_the_kernel_that_joins(cell, sizes):
    """Also on the CPU, where backend.join copies; sizes round the edges of a block."""
    parts = [np.random.default_rng(size).integers(0, 2**31, size).astype("int32") for size in sizes]
    joined = launch_join(*(cell.array(part, "int32") for part in parts))
    assert np.array_equal(host(joined), np.concatenate(parts))


def test_bce_refuses_a_target_of_another_shape(cell):
    with pytest.raises(ValueError, match=r"target of shape \(3,\), expected a number or shape \(3, 1\)"):
        backend.bce_with_logits(cell.array(np.zeros((3, 1))), cell.array(np.zeros(3)))
