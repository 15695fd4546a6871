"""Hair, hats and beards of the drawn faces: what lies behind the head, and what lies on it."""

from __future__ import annotations

import numpy as np

from dcgan.data.faces.canvas import Canvas, arc, ellipse
from dcgan.data.faces.head import head_outline
from dcgan.data.faces.traits import (
    BALD,
    BLACK,
    BOB,
    BUN,
    CURLY,
    LONG,
    PARTED,
    RECEDING,
    SPIKY,
    WAVY,
    WHITE,
    Colour,
    Traits,
    mix,
)  # fmt: skip


def hair_behind(canvas: Canvas, t: Traits) -> None:
    """Hair that falls behind the head and neck."""
    dark, full = mix(t.hair, BLACK, 0.28), 0.06 + 0.14 * t.hair_volume
    wide = t.width + full + 0.06
    if t.hair_style in (LONG, WAVY):
        side = np.linspace(-0.5, 1.75, 12)
        wave = 0.05 * np.sin(side * 7) * (t.hair_style == WAVY)
        right = np.stack([wide + 0.10 * (side > 0.4) + wave, side], axis=1)
        left = right[::-1] * (-1, 1)
        canvas.polygon(np.concatenate([right, left, ellipse(0, -0.45, wide, 0.75)[14:]]), dark)
    elif t.hair_style == BOB:
        canvas.polygon(
            np.concatenate(
                [
                    [[wide, -0.4], [wide + 0.08, 0.75], [0, 0.85], [-wide - 0.08, 0.75], [-wide, -0.4]],
                    ellipse(0, -0.4, wide, 0.75)[14:],
                ]
            ),
            dark,
        )
    elif t.hair_style == BUN:
        canvas.polygon(ellipse(0.15 * t.part, -1.2 - full, 0.34, 0.3), dark)
        canvas.glow(0.15 * t.part, -1.28 - full, 0.26, 0.2, mix(t.hair, WHITE, 0.3), 0.6)
    elif t.hair_style == CURLY:
        curls(canvas, t, dark, 0.30 + 0.08 * t.hair_volume, 1.05)


def curls(canvas: Canvas, t: Traits, colour: Colour, radius: float, reach: float) -> None:
    """Round locks along the upper rim of the head."""
    for turn in np.linspace(-0.58, 0.58, 11) * np.pi:
        canvas.disc((t.width * reach + 0.03) * np.sin(turn), -0.1 - 0.88 * reach * np.cos(turn), radius, colour)


def hairline(t: Traits) -> np.ndarray:
    """The lower edge of the hair on the forehead (n, 2), from the left temple to the right."""
    wide, x = t.width, np.linspace(-1, 1, 15)
    if t.hair_style in (BOB, WAVY) and t.part > -0.4:  # a fringe
        y = -0.36 + 0.06 * x * x + 0.02 * np.cos(9 * x)
    elif t.hair_style in (PARTED, LONG, BOB, WAVY):  # swept away from the parting
        part = 0.45 * np.sign(t.part)
        y = -0.72 + 0.42 * np.abs(x - part) ** 1.3
    elif t.hair_style == RECEDING:
        y = -0.80 - 0.10 * np.cos(3 * x) + 0.5 * x**4
    elif t.hair_style == SPIKY:
        y = -0.56 + 0.07 * np.sign(np.sin(x * 14)) * (np.abs(x) < 0.9)
    else:
        y = -0.60 - 0.05 * np.cos(2 * np.pi * x) * t.hair_volume + 0.18 * x**4
    y = np.where(np.abs(x) > 0.95, np.minimum(y + 0.25, -0.12), y)
    return np.stack([wide * 0.99 * x, y], axis=1)


def hair_on_top(canvas: Canvas, t: Traits) -> None:
    """The hair in front: a cap between the rim of the head and the hairline, with sheen and a few strands."""
    if t.hair_style == BALD:
        return
    full = 0.05 + 0.12 * t.hair_volume * (t.hair_style != RECEDING)
    rim = head_outline(t, full)
    rim = np.concatenate([rim[-11:], rim[:12]])  # from the left ear over the top to the right ear
    if t.hair_style == SPIKY:
        rim = rim * (1 + 0.09 * (np.arange(len(rim)) % 2))[:, None]
    shapes = [np.concatenate([rim, hairline(t)[::-1]])]
    if t.hair_style == CURLY:
        curls(canvas, t, t.hair, 0.2 + 0.06 * t.hair_volume, 0.92)
        shapes[0] = np.concatenate([rim * 1.25, hairline(t)[::-1]])
    else:
        canvas.polygon(shapes[0], t.hair)
    if t.hair_style in (LONG, WAVY, BOB):
        shapes += locks(canvas, t, full)
    for shape in shapes:
        canvas.glow(-0.9 * t.light, -0.05, 0.5, 1.15, mix(t.hair, (34, 20, 24), 0.6), 0.7, within=shape)
    canvas.glow(0.3 * t.light, -0.9, 0.6, 0.34, mix(t.hair, (255, 250, 240), 0.4), 0.6, within=shapes[0])


def locks(canvas: Canvas, t: Traits, full: float) -> list[np.ndarray]:
    """Strands that frame the face on both sides; returns their outlines."""
    end, strands = {LONG: 1.6, WAVY: 1.5, BOB: 0.72}[t.hair_style], []
    y = np.linspace(-0.45, end, 10)
    wave = 0.04 * np.sin(y * 7) * (t.hair_style == WAVY)
    inner = t.width * (0.97 - 0.10 * np.clip(y, 0, 1)) + wave
    outer = t.width + full + 0.09 + 0.04 * np.sin(2 * y) + wave
    inner += (outer - inner) * np.clip((-0.1 - y) / 0.35, 0, 1)  # pointed where they leave the cap
    for side in (-1, 1):
        strand = np.concatenate([np.stack([side * outer, y], 1), np.stack([side * inner, y], 1)[::-1]])
        canvas.polygon(strand, t.hair)
        canvas.glow(side * (t.width + full), 0.35, 0.14, 0.6, mix(t.hair, WHITE, 0.35), 0.4, within=strand)
        strands.append(strand)
    return strands


def hat(canvas: Canvas, t: Traits) -> None:
    """A woollen hat or a headband, in the colour of the frame or the clothes."""
    rim = head_outline(t, 0.12)
    if t.hat == 1:
        shape = np.concatenate([rim[-9:], rim[:10], arc(0, -0.42, t.width + 0.08, 0.10)[::-1]])
        canvas.polygon(shape, t.clothes)
        canvas.glow(0.3 * t.light, -0.95, 0.6, 0.4, mix(t.clothes, WHITE, 0.4), 0.6, within=shape)
        band = np.concatenate([arc(0, -0.36, t.width + 0.1, 0.10), arc(0, -0.58, t.width + 0.1, 0.10)[::-1]])
        canvas.polygon(band, mix(t.clothes, BLACK, 0.25))
    elif t.hat == 2:
        band = np.concatenate([arc(0, -0.44, t.width + 0.07, 0.24), arc(0, -0.6, t.width + 0.05, 0.24)[::-1]])
        canvas.polygon(band, t.clothes)


def beard(canvas: Canvas, t: Traits, mouth_x: float) -> None:
    """Stubble, full beard, goatee or moustache; the mouth is drawn over it afterwards."""
    jaw = head_outline(t, 0.015)
    if t.beard == 1:
        canvas.glow(0, 0.72, t.width + 0.1, 0.62, mix(t.skin, t.hair, 0.7), 0.55, within=jaw)
    elif t.beard == 2:
        lower = head_outline(t, 0.05)[9:32]
        inner = np.array([[-0.72, 0.2], [-0.5, 0.42], [-0.3, 0.44], [0, 0.40], [0.3, 0.44], [0.5, 0.42], [0.72, 0.2]])
        shape = np.concatenate([lower, inner * (t.width / 0.78, 1)])
        canvas.polygon(shape, mix(t.hair, BLACK, 0.12))
        canvas.glow(0.2 * t.light, 0.8, 0.5, 0.3, mix(t.hair, WHITE, 0.3), 0.4, within=shape)
    elif t.beard == 3:
        canvas.polygon(ellipse(mouth_x * 0.8, 0.82, 0.24, 0.2), mix(t.hair, BLACK, 0.1))
    if t.beard in (3, 4):
        shape = np.concatenate([arc(mouth_x, 0.56, 0.34, 0.13), arc(mouth_x, 0.56, 0.34, 0.02)[::-1]])
        canvas.polygon(shape, mix(t.hair, BLACK, 0.1))
