"""A canvas for drawing faces: head coordinates, a tilt, supersampling and soft shading.

Head coordinates: the head is 2 high and centred at (0, 0), x to the right, y down; the chin lies at y = 1.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from dcgan.data.faces.traits import Colour

CANVAS_PIXELS = 144  # the shorter side is drawn at about this many pixels, then reduced
_TURN = np.linspace(0, 2 * np.pi, 28, endpoint=False)
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)  # (28, 2)


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """Outline (n, 2) of an ellipse round (x, y)."""
    return CIRCLE * (rx, ry) + (x, y)


def arc(x: float, y: float, width: float, rise: float, n: int = 9) -> np.ndarray:
    """A parabola (n, 2) from (x - width, y) to (x + width, y) that rises by `rise` (up) in the middle."""
    return _parabola(n) * (width, rise) + (x, y)


@functools.cache
def _parabola(n: int) -> np.ndarray:
    t = np.linspace(-1, 1, n)
    return np.stack([t, t * t - 1], axis=1)


class Canvas:
    """An RGB picture of height x width pixels in the making; shapes are given in head coordinates."""

    def __init__(self, size: tuple[int, int], centre: tuple[float, float], scale: float, tilt: float):
        height, width = size
        short = min(height, width)
        self.factor = max(2, round(CANVAS_PIXELS / short))
        self.unit = scale * short * self.factor  # pixels of one head unit
        self.image = Image.new("RGB", (width * self.factor, height * self.factor))
        self.draw = ImageDraw.Draw(self.image)
        turn = np.array([[math.cos(tilt), math.sin(tilt)], [-math.sin(tilt), math.cos(tilt)]])
        self._turn = self.unit * turn
        self._origin = np.array([self.image.width / 2, self.image.height / 2]) + np.array(centre) * short * self.factor
        self._rows, self._corner = self._turn.tolist(), self._origin.tolist()

    def pixels(self, outline: np.ndarray) -> np.ndarray:
        """Head coordinates (n, 2) as pixels of the canvas."""
        return outline @ self._turn + self._origin

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """One point as `pixels` has it; for single points plain numbers are faster."""
        (xx, xy), (yx, yy) = self._rows
        return x * xx + y * yx + self._corner[0], x * xy + y * yy + self._corner[1]

    def polygon(self, outline: np.ndarray, colour: Colour) -> None:
        """A filled outline (n, 2)."""
        self.draw.polygon(self.pixels(outline).ravel().tolist(), fill=colour)

    def line(self, points: np.ndarray, colour: Colour, width: float) -> None:
        """An open line through points (n, 2); width in head units."""
        self.draw.line(self.pixels(points).ravel().tolist(), fill=colour, width=max(1, round(width * self.unit)))

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        cx, cy = self.pixel(x, y)
        r = radius * self.unit
        self.draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=colour)

    def glow(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        strength: float,
        within: np.ndarray | None = None,
    ) -> None:
        """A soft patch of colour that fades to nothing at the ellipse's edge, and stays within an outline."""
        cx, cy = self.pixel(x, y)
        width, height = (2 * max(2, round(r * self.unit)) for r in (rx, ry))
        left, top = round(cx - width / 2), round(cy - height / 2)
        mask = soft_ellipse(width, height, round(16 * strength))
        if within is not None:
            inside = Image.new("L", mask.size)
            ImageDraw.Draw(inside).polygon((self.pixels(within) - (left, top)).ravel().tolist(), fill=255)
            mask = ImageChops.multiply(mask, inside)
        self.image.paste(colour, (left, top, left + width, top + height), mask)

    def backdrop(self, first: Colour, second: Colour, kind: int) -> None:
        """Fill everything with a gradient between two colours; kind 0 is plain."""
        self.image.paste(first, (0, 0, *self.image.size))
        if kind:
            self.image.paste(second, (0, 0), gradient(*self.image.size, kind))

    def finished(self) -> Image.Image:
        """The picture at its final size."""
        return self.image.reduce(self.factor)


@functools.lru_cache(maxsize=2048)
def soft_ellipse(width: int, height: int, sixteenths: int) -> Image.Image:
    """Mask that falls smoothly from sixteenths/16 in the middle to 0 at the ellipse inscribed in width x height."""
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    falloff = np.clip(1 - (x * x + y * y), 0, 1)
    return Image.fromarray((falloff**2 * (3 - 2 * falloff) * (255 * sixteenths / 16)).astype(np.uint8))


@functools.lru_cache(maxsize=64)
def gradient(width: int, height: int, kind: int) -> Image.Image:
    """Mask from 0 to 255: 1 downwards, 2 to the right, 3 and 4 along the diagonals, 5 from the middle outwards."""
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    value = {1: y, 2: x, 3: (x + y) / 2, 4: (1 - x + y) / 2, 5: np.hypot(x - 0.5, y - 0.45) / 0.75}[kind]
    return Image.fromarray((255 * value.clip(0, 1)).astype(np.uint8))
