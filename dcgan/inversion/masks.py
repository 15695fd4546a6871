"""Masks of dcgan.complete: which pixels of a picture are missing, and how much each of the others counts.

    w = 0 where a pixel is missing, else LEAST + the share of missing pixels in the 7x7 window around it

(Yeh et al., "Semantic image inpainting with deep generative models", 2017, section 3.1; LEAST is ours: in the paper a
pixel far from the hole counts nothing, and G then draws a face of any hair and any background into the hole.)
"""

from __future__ import annotations

import os

import numpy as np

from dcgan.data.recipe import Recipe
from dcgan.errors import UserError
from dcgan.inversion.one_picture import read
from dcgan.options import meant

NAMES = ("centre", "box", "random")
MISSING = 0.8  # share of the pixels that "random" takes away, as in the paper
WINDOW = 7  # pixels: the side of the window that looks for the hole
LEAST = 0.1
DARK = 128  # a pixel of a mask file at least so bright is missing


def hole(mask: str, recipe: Recipe, seed: int) -> np.ndarray:
    """Return which pixels are missing, bool (H, W).

    centre: the middle half of the height and width; box: as large, at a random place; random: 80 % of the pixels, each
    at random; anything else: a picture file, white or transparent where pixels are missing, cut and sized as the
    pictures are. UserError: it is none of these, or misses no pixel, or all.
    """
    height, width = recipe.image_size
    rng, missing = np.random.default_rng(seed), np.zeros((height, width), bool)
    if mask == "random":
        missing = rng.random((height, width)) < MISSING
    elif mask in ("centre", "box"):
        h, w = -(-height // 2), -(-width // 2)  # half, rounded up
        middle = mask == "centre"
        top, left = ((side - long) // 2 if middle else int(rng.integers(side - long + 1)) for side, long in
                     ((height, h), (width, w)))
        missing[top : top + h, left : left + w] = True
    elif os.path.exists(mask):
        missing = read(mask, Recipe(recipe.image_size, recipe.crop, 1))[..., 0] >= DARK
    else:
        raise UserError(f"--mask: got '{mask}', expected {', '.join(NAMES)} or a picture file{meant(mask, NAMES)}")
    if missing.all() or not missing.any():
        what = "keep" if missing.any() else "fill"
        raise UserError(f"--mask: {mask} has no pixel to {what}, expected white where pixels are missing, else black")
    return missing


def weights(missing: np.ndarray) -> np.ndarray:
    """Return how much each pixel of a picture counts, float32 (H, W, 1): the formula on top of this page."""
    margin = WINDOW // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(missing, margin), (WINDOW, WINDOW))  # (H, W, 7, 7)
    share = windows.mean(axis=(2, 3))
    return np.where(missing, 0, LEAST + share).astype("float32")[..., np.newaxis]
