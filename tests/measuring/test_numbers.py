"""The numbers of two arrays of features, against public implementations, closed forms and plain loops.

The expected values of JUDGES were computed once on `judged()`, by pytorch-fid 0.3.0 (calculate_frechet_distance),
torch-fidelity 0.4.0 (kid_features_to_metric, one subset of all 260 rows) and prdc 0.2 (compute_prdc).
"""

import math

import numpy as np
import pytest

from dcgan.measuring.frechet import ROWS, frechet_distance, moments
from dcgan.measuring.kernel_distance import kernel_distance, squared_mmd
from dcgan.measuring.neighbours import TILE, neighbours, radii

JUDGES = {
    "frechet": 65.01850051170132,
    "kid": 704.478759765625,
    3: {"precision": 0.5, "recall": 0.23, "density": 0.4512820512820513, "coverage": 0.37666666666666665},
    5: {
        "precision": 0.6269230769230769, "recall": 0.33666666666666667, "density": 0.4823076923076923,
        "coverage": 0.5533333333333333,
    },
}  # fmt: skip


def judged():
    """300 and 260 rows of 12 features, float32."""
    rng = np.random.default_rng(7)
    real = rng.standard_normal((300, 12)) @ rng.standard_normal((12, 12)) + 3
    made = rng.standard_normal((260, 12)) @ rng.standard_normal((12, 12)) * 0.9 + 2.8
    return real.astype("float32"), made.astype("float32")


def test_the_frechet_distance_is_that_of_pytorch_fid():
    real, made = map(moments, judged())
    assert frechet_distance(real, made) == pytest.approx(JUDGES["frechet"], rel=1e-10)
    assert frechet_distance(made, real) == pytest.approx(JUDGES["frechet"], rel=1e-10)


def test_the_kernel_distance_is_that_of_torch_fidelity():
    """Which computes in float32, so it has seven digits."""
    real, made = judged()
    assert squared_mmd(real[:260], made) == pytest.approx(JUDGES["kid"], rel=1e-6)


@pytest.mark.parametrize("k", [3, 5])
def test_the_neighbours_are_those_of_prdc(k):
    found = neighbours(*judged(), k, k)._asdict()
    assert found == pytest.approx(JUDGES[k], rel=1e-12)


def test_each_k_has_its_own_paper():
    """Precision and recall take 3 neighbours, density and coverage 5."""
    found = neighbours(*judged())
    assert (found.precision, found.recall) == (0.5, 0.23)
    assert found[2:] == pytest.approx([JUDGES[5]["density"], JUDGES[5]["coverage"]])


def gaussian(rng, count, mean, deviation):
    """Rows whose moments are exact: the mean, and the covariance diag(deviation^2)."""
    x = rng.standard_normal((count, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False)).T)
    return x * deviation + mean


@pytest.mark.parametrize("shift, scale", [(0, 1), (2, 1), (0, 3), (1.5, 0.25)])
def test_two_gaussians_have_the_closed_form(shift, scale):
    """Of two Gaussians with diagonal covariances: |m1 - m2|^2 + the sum of (s1 - s2)^2."""
    rng, s = np.random.default_rng(0), np.array([1.0, 2.0, 0.5])
    first, second = gaussian(rng, 50, np.zeros(3), s), gaussian(rng, 70, np.full(3, shift), scale * s)
    expected = 3 * shift**2 + ((1 - scale) ** 2 * s**2).sum()
    assert frechet_distance(moments(first), moments(second)) == pytest.approx(expected, abs=1e-9)


def test_covariances_that_do_not_commute():
    """Of zero means and a 2x2 product: tr (C1 C2)^(1/2) = sqrt(tr(C1 C2) + 2 sqrt(det C1 det C2))."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((40, 2)) @ [[2, 1], [0, 1]], rng.standard_normal((30, 2)) @ [[1, 0], [-3, 1]]
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    cross = math.sqrt(np.trace(a @ b) + 2 * math.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * cross
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(expected, rel=1e-12)


def test_fewer_rows_than_features():
    """Both covariances are singular. The singular values of X Y^T give the same trace in another way."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((20, 64)), rng.standard_normal((15, 64)) + 0.1
    a, b = ((rows - rows.mean(0)) / math.sqrt(len(rows) - 1) for rows in (x, y))
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * cross
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(expected, rel=1e-6)


def test_equal_sets_have_no_distance():
    real, _ = judged()
    found = moments(real)  # small eigenvalues lose half of their digits: their roots' errors are 1e-8 of the largest
    assert abs(frechet_distance(found, found)) < 1e-9 * np.trace(found.covariance)
    assert neighbours(real, real)[:2] == (1, 1)
    assert squared_mmd(real, real) < 0  # unbiased: the pairs of a row with itself are left out of two terms of three


def test_the_moments_are_those_of_numpy_whatever_the_mean():
    rows = (np.random.default_rng(3).standard_normal((ROWS + 7, 3)) + 1000).astype("float32")
    found, exact = moments(rows), rows.astype("float64")
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(exact, rowvar=False), rtol=1e-9)


def test_what_is_not_finite_has_no_distance():
    real, made = judged()
    made[3, 4] = np.nan
    assert math.isnan(frechet_distance(moments(real), moments(made)))


def test_the_kernel_distance_by_loops():
    rng = np.random.default_rng(4)
    real, made = rng.standard_normal((5, 3)), rng.standard_normal((4, 3)) + 1

    def mean(x, y, same):
        pairs = [(i, j) for i in range(len(x)) for j in range(len(y)) if not (same and i == j)]
        return math.fsum((float(x[i] @ y[j]) / 3 + 1) ** 3 for i, j in pairs) / len(pairs)

    expected = mean(real, real, True) + mean(made, made, True) - 2 * mean(real, made, False)
    assert squared_mmd(real, made) == pytest.approx(expected, rel=1e-12)


def test_blocks_are_disjoint_and_average():
    rng = np.random.default_rng(5)
    real, made = rng.standard_normal((3000, 4)), rng.standard_normal((2500, 4))
    found = kernel_distance(real, made, np.random.default_rng(0), block=100)
    assert found.blocks == 25 and found.error > 0 and abs(found.value) < 4 * found.error  # one distribution: 0
    whole = kernel_distance(real[:50], made[:50], np.random.default_rng(0))
    assert whole.blocks == 1 and whole.error == 0 and whole.value == pytest.approx(squared_mmd(real[:50], made[:50]))


def test_the_neighbours_by_loops_across_tiles():
    """One set has more rows than a tile; the definitions of the two papers, row by row."""
    rng = np.random.default_rng(6)
    real, made = rng.standard_normal((TILE + 9, 2)), rng.standard_normal((37, 2)) * 1.3
    d = np.sqrt(((real[:, None] - made[None]) ** 2).sum(axis=2))
    of_real = np.array([np.sort(np.sqrt(((real - row) ** 2).sum(axis=1)))[[3, 5]] for row in real])
    of_made = np.array([np.sort(np.sqrt(((made - row) ** 2).sum(axis=1)))[3] for row in made])
    found = neighbours(real, made)
    assert found.precision == np.mean([(d[:, j] <= of_real[:, 0]).any() for j in range(37)])
    assert found.recall == np.mean([(d[i] <= of_made).any() for i in range(len(real))])
    assert found.density == pytest.approx(np.mean([(d[:, j] <= of_real[:, 1]).sum() / 5 for j in range(37)]))
    assert found.coverage == np.mean([d[i].min() <= of_real[i, 1] for i in range(len(real))])


def test_copies_of_few_pictures_are_precise_and_cover_little():
    real, _ = judged()
    found = neighbours(real, np.repeat(real[:10], 20, axis=0))
    assert found.precision == 1 and found.recall < 0.1 and found.coverage < 0.3


def test_radii_leave_the_row_itself_out():
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    first, second = radii(line, (1, 2))
    assert first.tolist() == [1, 1, 4, 16] and second.tolist() == [9, 4, 9, 36]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows(count):
    rows, others = np.zeros((count, 3)), np.zeros((9, 3))
    for function in (lambda: moments(rows), lambda: squared_mmd(rows, others), lambda: neighbours(rows, others)):
        with pytest.raises(ValueError, match="expected at least"):
            function()
