"""The sizes of pictures before they are cut and resized, and what is to be said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from dcgan.data.formats.decode import SIDEWAYS, exif_orientation, opened
from dcgan.data.recipe import Recipe
from dcgan.options import Size, size_text

if TYPE_CHECKING:
    from dcgan.data.formats.listing import Listing

LOOKED_AT = 16  # pictures, spread over the data
CELEBA = (218, 178)  # height and width of CelebA's aligned faces


def size_of(file: BinaryIO) -> Size:
    """(H, W) of the picture in a file once it is upright, by the file's head. Raises anything where it is damaged."""
    with opened(file) as picture:
        width, height = picture.size
        return (width, height) if exif_orientation(picture) in SIDEWAYS else (height, width)


def note_of(listing: Listing, recipe: Recipe) -> str | None:
    """Return what a recipe without a crop of the user's own does to pictures of these sizes, where it is to be said.

    Looks at LOOKED_AT of them. Damaged ones say nothing.
    """
    if recipe.crop:
        return None
    indices = np.linspace(0, len(listing) - 1, min(LOOKED_AT, len(listing))).astype(int)
    sizes = [size for size in map(listing.size, indices.tolist()) if size]
    if not sizes:
        return None
    if recipe.crop_larger:
        crop = size_text(recipe.crop_larger)
        if any(recipe.for_picture(width, height).crop for height, width in sizes):
            return f"cut to their centre of {crop}, as the preset's own code does (--crop-larger none: not cut)"
        return f"smaller than {crop}, to which the preset's own code cuts, so they stay whole"
    if set(sizes) == {CELEBA} and recipe.image_size != CELEBA:
        return "of 178x218 pixels, as CelebA's are: --recipe celeba cuts the faces out"
    return None
