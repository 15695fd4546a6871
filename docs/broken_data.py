"""The real pictures of docs/broken.py: drawn faces, faces with borders, and digits with labels. No file is read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dcgan.config import Config
from dcgan.data.faces.source import FacesSource

COUNT = 2048
WIDEST = 5  # pixels of a border on either side


class Data(NamedTuple):
    """Pictures (N, H, W, C), uint8, and their labels (N,), int32."""

    pictures: np.ndarray
    labels: np.ndarray


def faces(config: Config) -> Data:
    """Return built-in drawn faces. Their labels are 0; no network is told them."""
    source = FacesSource(config.image_size, count=COUNT)
    return Data(source.batch(np.arange(COUNT)), np.zeros(COUNT, "int32"))


def faces_with_borders(config: Config) -> Data:
    """Return the same faces, with black beside them: up to WIDEST columns on either side."""
    data, rng = faces(config), np.random.default_rng(1)
    for picture in data.pictures:
        left, right = rng.integers(0, WIDEST, 2, endpoint=True)
        picture[:, :left] = picture[:, picture.shape[1] - right :] = 0
    return data


def digits(config: Config) -> Data:
    """Return the digits 0 to 9 in turn, white on black, of many sizes, at many places and angles."""
    rng, labels = np.random.default_rng(0), np.arange(COUNT, dtype="int32") % 10
    fonts = [ImageFont.load_default(size=size) for size in range(18, 27)]
    height, width = config.image_size
    pictures = np.empty((COUNT, height, width, 1), "uint8")
    for picture, label in zip(pictures, labels, strict=True):
        sheet = Image.new("L", (width, height))
        place = width / 2 + rng.uniform(-2, 2), height / 2 + rng.uniform(-2, 2)
        ImageDraw.Draw(sheet).text(place, str(label), fill=255, font=fonts[rng.integers(len(fonts))], anchor="mm")
        picture[..., 0] = sheet.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR)
    return Data(pictures, labels)
