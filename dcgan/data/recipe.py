"""What is done to every image before it is kept: crop, size, channels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from dcgan.errors import UserError
from dcgan.options import Size

Box = tuple[float, float, float, float]  # left, top, right, bottom, as Pillow counts


@dataclass(frozen=True)
class Recipe:
    """Image size (H, W), centre crop (h, w) or None, and 1 or 3 channels (None: not known yet)."""

    image_size: Size
    crop: Size | None = None
    channels: int | None = None

    def __post_init__(self):
        for name, size in (("image size", self.image_size), ("crop", self.crop)):
            if size is not None and not (len(size) == 2 and all(1 <= n <= 8192 for n in size)):
                raise UserError(f"{name} {size}: expected a height and a width from 1 to 8192")
        if self.channels not in (None, 1, 3):
            raise UserError(f"{self.channels} channels: expected 1 (grey) or 3 (RGB)")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a finished image."""
        return (*self.image_size, self.channels or 3)

    def box(self, width: int, height: int) -> Box:
        """The part of a width x height picture that becomes the image.

        With a crop: the centred h x w rectangle, cut down where the picture is smaller; it is then stretched to the
        image size. Without: the largest centred rectangle of the image's aspect, so nothing is stretched (the same as
        resizing the shorter side and then cropping the centre).
        """
        if self.crop:
            h, w = min(self.crop[0], height), min(self.crop[1], width)
            left, top = (width - w) // 2, (height - h) // 2
            return left, top, left + w, top + h
        scale = min(width / self.image_size[1], height / self.image_size[0])
        margin_x = max(0.0, (width - scale * self.image_size[1]) / 2)
        margin_y = max(0.0, (height - scale * self.image_size[0]) / 2)
        return margin_x, margin_y, width - margin_x, height - margin_y

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)
