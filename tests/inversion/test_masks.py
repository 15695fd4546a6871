"""Masks of dcgan.complete and the blending of what was drawn: as written out by loops and dense equations."""

import numpy as np
import pytest
from PIL import Image

from dcgan.data.recipe import Recipe
from dcgan.errors import UserError
from dcgan.inversion import masks
from dcgan.inversion.blending import blended

RECIPE = Recipe((12, 9), None, 3)


def test_the_centre_and_a_box_miss_half_of_each_side():
    centre = masks.hole("centre", RECIPE, 0)
    assert centre.sum() == 6 * 5 and centre[3:9, 2:7].all()
    boxes = [masks.hole("box", RECIPE, seed) for seed in range(5)]
    for box in boxes:
        rows, columns = (np.flatnonzero(box.any(axis=axis)) for axis in (1, 0))
        assert box.sum() == 30 and np.ptp(rows) == 5 and np.ptp(columns) == 4
    assert len({box.tobytes() for box in boxes}) > 1 and (boxes[1] == masks.hole("box", RECIPE, 1)).all()


def test_random_pixels():
    missing, again = (masks.hole("random", Recipe((100, 80)), 3) for _ in range(2))
    assert missing.mean() == pytest.approx(0.8, abs=0.02) and (missing == again).all()


def test_a_file_says_in_white_what_is_missing(tmp_path):
    pixels = np.zeros((24, 18), "uint8")
    pixels[:12] = 255
    Image.fromarray(pixels).save(tmp_path / "hole.png")
    missing = masks.hole(str(tmp_path / "hole.png"), RECIPE, 0)
    assert missing[:5].all() and not missing[7:].any() and missing.shape == (12, 9)
    rgba = np.full((12, 9, 4), 0, "uint8")
    rgba[:, 4:, 3] = 255  # black there; transparent, and so missing, to the left
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    assert masks.hole(str(tmp_path / "clear.png"), RECIPE, 0)[:, :4].all()


@pytest.mark.parametrize(
    "colour, message", [(0, "no pixel to fill"), (255, "no pixel to keep"), (None, "expected centre, box, random")]
)
def test_masks_that_cannot_be(tmp_path, colour, message):
    path = tmp_path / "mask.png"
    if colour is not None:
        Image.new("L", (9, 12), colour).save(path)
    with pytest.raises(UserError, match=message):
        masks.hole(str(path), RECIPE, 0)


def test_misspelt_masks_name_the_nearest():
    with pytest.raises(UserError, match="did you mean centre"):
        masks.hole("center", RECIPE, 0)


def test_weights_count_the_missing_pixels_in_the_window():
    missing = np.random.default_rng(0).random((12, 9)) < 0.4
    expected = np.zeros((12, 9))
    for h, w in zip(*np.nonzero(~missing), strict=True):
        window = missing[max(0, h - 3) : h + 4, max(0, w - 3) : w + 4]
        expected[h, w] = 0.1 + window.sum() / 49
    assert np.allclose(masks.weights(missing)[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["centre", "box", "random"])
def test_a_drawing_that_is_lighter_everywhere_leaves_no_trace(name):
    picture = np.random.default_rng(1).integers(0, 200, (12, 9, 3)).astype("uint8")
    missing = masks.hole(name, RECIPE, 2)
    filled = blended(picture, picture + np.array([40, 20, 0], "uint8"), missing)
    assert np.abs(filled.astype(int) - picture).max() <= 1


def test_the_equations_are_solved():
    """Against a dense matrix, one row for each missing pixel; what is not missing stays as it is."""
    rng = np.random.default_rng(4)
    picture, drawn = rng.integers(60, 200, (2, 7, 6, 1)).astype("uint8")
    missing = rng.random((7, 6)) < 0.6
    places = [tuple(place) for place in np.argwhere(missing)]
    matrix, right = np.zeros((len(places),) * 2), np.zeros(len(places))
    for i, (h, w) in enumerate(places):
        for other in ((h - 1, w), (h + 1, w), (h, w - 1), (h, w + 1)):
            if 0 <= other[0] < 7 and 0 <= other[1] < 6:
                matrix[i, i] += 1
                if missing[other]:
                    matrix[i, places.index(other)] -= 1
                else:
                    right[i] += int(picture[other][0]) - int(drawn[other][0])
    filled = blended(picture, drawn, missing)
    assert (filled[~missing] == picture[~missing]).all()
    expected = np.clip(drawn[missing][:, 0] + np.linalg.solve(matrix, right), 0, 255)
    assert np.abs(filled[missing][:, 0] - expected).max() < 0.6
