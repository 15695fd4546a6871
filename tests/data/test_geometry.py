"""Crop and resize: which part of a picture becomes the image."""

import numpy as np
import pytest
from PIL import Image

from dcgan.data import open_source, parse_size
from dcgan.data.recipe import Recipe
from dcgan.errors import UserError

RED, BLUE = (255, 0, 0), (0, 0, 255)


def read(tmp_path, pixels, size, **options):
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.png")
    return open_source(tmp_path, size, progress=False, **options).batch([0])[0]


def with_centre(height, width, inner_height, inner_width):
    """A blue picture with a red rectangle in its centre."""
    pixels = np.full((height, width, 3), BLUE)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    pixels[top : top + inner_height, left : left + inner_width] = RED
    return pixels


@pytest.mark.parametrize("crop, inner", [(108, (108, 108)), ((120, 80), (120, 80))])
@pytest.mark.parametrize("size", [(64, 64), (32, 48)])
def test_crop_takes_exactly_the_centre(tmp_path, crop, inner, size):
    image = read(tmp_path, with_centre(218, 178, *inner), size, crop=crop)
    assert image.shape == (*size, 3)
    assert (image == RED).all()


def test_without_crop_the_shorter_side_fits_and_nothing_is_stretched(tmp_path):
    # As with "resize, then crop the centre", the filter at the edge sees a little of what is cut off: up to 2 pixels.
    assert (read(tmp_path, with_centre(90, 150, 90, 90), (30, 30))[:, 2:-2] == RED).all()
    assert (read(tmp_path, with_centre(150, 90, 60, 90), (20, 30))[2:-2] == RED).all()
    narrow = read(tmp_path, with_centre(90, 150, 90, 60), (30, 30))  # 60 of 90 columns: 20 of 30
    red = narrow[..., 0] > 127
    assert red[:, 5:25].all() and not red[:, :5].any() and not red[:, 25:].any()


def test_crop_and_resize_is_what_pillow_makes_of_it(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (218, 178, 3), dtype=np.uint8)
    expected = Image.fromarray(pixels).crop((35, 55, 143, 163)).resize((64, 64), Image.Resampling.BICUBIC)
    assert (read(tmp_path, pixels, (64, 64), crop=108) == np.asarray(expected)).all()


def test_a_crop_larger_than_the_picture_takes_all_of_it(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3))
    assert (read(tmp_path, pixels, (20, 30), crop=1000) == pixels).all()


def test_shrinking_averages(tmp_path):
    board = 255 * (np.indices((128, 128)).sum(0) % 2)  # a chequerboard has no grey pixel, its average is grey
    image = read(tmp_path, board, (16, 16))
    assert image.shape == (16, 16, 1)
    assert abs(image[1:-1, 1:-1].astype(int) - 127).max() <= 4


def test_enlarging_one_pixel(tmp_path):
    image = read(tmp_path, np.array([[[1, 2, 3]]]), (8, 5))
    assert image.shape == (8, 5, 3) and (image == (1, 2, 3)).all()


@pytest.mark.parametrize(
    "height, width, size", [(1, 3000, (64, 64)), (3000, 1, (4, 64)), (2, 2, (64, 1)), (7, 5, (3, 3))]
)
def test_boxes_lie_within_the_picture(height, width, size):
    for crop in (None, (2, 9)):
        left, top, right, bottom = Recipe(size, crop, 3).box(width, height)
        assert 0 <= left < right <= width and 0 <= top < bottom <= height


@pytest.mark.parametrize("text, size", [("64", (64, 64)), ("48x64", (48, 64)), ("48X64", (48, 64))])
def test_sizes_are_height_x_width(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "64x", "0", "-3", "6.5", "64x64x3", "big"])
def test_other_sizes_are_refused(text):
    with pytest.raises(UserError, match="expected"):
        parse_size(text)


@pytest.mark.parametrize("options", [{"image_size": (0, 4)}, {"image_size": (4, 99999)}, {"crop": 0}, {"channels": 2}])
def test_impossible_recipes_are_refused(tmp_path, options):
    with pytest.raises(UserError, match="expected"):
        open_source(tmp_path, **options)
