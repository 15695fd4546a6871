"""DiffAugment against its published formulas in PyTorch, whose autograd judges the backward pass, in every cell."""

import numpy as np
import pytest

from cases import EPS32, assert_close
from gpunet import backend
from torch_twins import diffaugment

SHAPES = [(3, 7, 5, 3), (2, 8, 8, 1), (4, 5, 9, 1), (2, 1, 6, 3), (2, 12, 4, 3), (1, 1, 1, 1), (3, 16, 11, 2)]
POLICIES = ["color", "translation", "cutout", "color,translation", "color,cutout", "color,translation,cutout"]
TOLERANCE = 1e-10  # float64 on both sides


def drawn(shape, policy, seed=0):
    """Pictures (N, H, W, C), a gradient, the numbers (N, 7) of a policy, and the size of the rectangle."""
    rng, (n, h, w, _) = np.random.default_rng(seed), shape
    x, dy, numbers = rng.standard_normal(shape), rng.standard_normal(shape), np.zeros((n, 7))
    if "color" in policy:
        numbers[:, :3] = np.stack([rng.random(n) - 0.5, 2 * rng.random(n), rng.random(n) + 0.5], axis=1)
    if "translation" in policy:
        numbers[:, 3:5] = np.stack([rng.integers(-size // 2, size // 2 + 1, n) for size in (h, w)], axis=1)
    cut = (int(h / 2 + 0.5), int(w / 2 + 0.5)) if "cutout" in policy else (0, 0)
    if "cutout" in policy:
        offsets = np.stack([rng.integers(0, size + 1 - c % 2, n) for size, c in zip((h, w), cut, strict=True)], axis=1)
        numbers[:, 5:] = offsets - np.array(cut) // 2
    return x, dy, numbers, cut


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_both_passes_are_pytorchs(cell, shape, policy):
    torch = pytest.importorskip("torch")
    x, dy, numbers, cut = drawn(shape, policy)
    tensor = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    expected = diffaugment(torch, tensor, numbers, policy, cut)
    expected.backward(torch.tensor(dy.transpose(0, 3, 1, 2).copy()))
    how = cell.array(numbers), cut, "color" in policy
    y = backend.augment(cell.array(x), *how)
    assert_close(y, expected.detach().numpy().transpose(0, 2, 3, 1), TOLERANCE, "y")
    dx = backend.augment_backward(cell.array(dy), *how)
    assert_close(dx, tensor.grad.numpy().transpose(0, 2, 3, 1), TOLERANCE, "dx")


@pytest.mark.parametrize("shape", SHAPES)
def test_float32(cell, shape):
    x, dy, numbers, cut = drawn(shape, POLICIES[-1], 1)
    for f, given in ((backend.augment, x), (backend.augment_backward, dy)):
        with backend.use("reference"):
            expected = f(given, numbers, cut)
        assert_close(f(cell.array(given, "float32"), cell.array(numbers, "float32"), cut), expected, 20 * EPS32)


def test_nothing_is_written_into_and_no_policy_changes_nothing(cell):
    x, dy, numbers, cut = drawn((2, 5, 4, 3), POLICIES[-1])
    given = [cell.array(array) for array in (x, dy, numbers)]
    backend.augment(given[0], given[2], cut)
    backend.augment_backward(given[1], given[2], cut)
    for array, before in zip(given, (x, dy, numbers), strict=True):
        assert_close(array, before, 0)
    for f in (backend.augment, backend.augment_backward):
        assert_close(f(given[0], 0 * given[2], colour=False), x, 0)
    backwards = given[0][:, ::-1]  # not contiguous
    assert_close(backend.augment(backwards, given[2], cut), backend.augment(cell.array(x[:, ::-1]), given[2], cut), 0)


def test_a_picture_that_is_not_finite_spoils_no_other(cell):
    x, _, numbers, cut = drawn((3, 4, 4, 3), POLICIES[-1])
    x[1, 2, 2, 0] = np.nan
    y = backend.to_numpy(backend.augment(cell.array(x), cell.array(numbers), cut))
    assert np.isfinite(y[[0, 2]]).all()


def test_misuse_is_refused(cell):
    x = cell.array(np.zeros((2, 3, 3, 1)))
    for wrong in (np.zeros((2, 6)), np.zeros((3, 7)), np.zeros(7)):
        with pytest.raises(ValueError, match=r"augment: got x \(2, 3, 3, 1\) and numbers .*, expected \(N, H, W, C\)"):
            backend.augment(x, cell.array(wrong))
    with pytest.raises(ValueError, match="augment: got x"):
        backend.augment_backward(x[0], cell.array(np.zeros((2, 7))))
