"""Eyes, brows, nose, mouth, glasses, ears, neck and clothes of the drawn faces."""

from __future__ import annotations

import numpy as np

from dcgan.data.face_canvas import Canvas, arc, ellipse, mix
from dcgan.data.face_hair import BLACK, WHITE, head_outline
from dcgan.data.face_traits import GRIN, NEUTRAL, OPEN, SAD, SMILE, Traits

EYE_LINE, MOUTH_LINE = 0.02, 0.62


def skin_shadow(t: Traits):
    return mix(t.skin, (84, 34, 24), 0.38)


def body(canvas: Canvas, t: Traits) -> None:
    """Shoulders, neck and collar; drawn upright in the main, for they hardly follow the head's tilt."""
    neck, dark = 0.34 + 0.1 * (1 - t.jaw), mix(t.clothes, BLACK, 0.3)
    shoulders = np.array([[-neck - 0.1, 1.12], [-0.95, 1.32], [-1.45, 1.6], [-1.7, 2.2], [-3, 9], [3, 9], [1.7, 2.2],
                          [1.45, 1.6], [0.95, 1.32], [neck + 0.1, 1.12]])
    canvas.polygon(shoulders, t.clothes)
    canvas.glow(-1.3 * t.light, 1.9, 1.2, 0.9, mix(t.clothes, BLACK, 0.5), 0.7, within=shoulders)
    throat = np.array([[-neck, 0.5], [-neck, 1.15], [0, 1.45], [neck, 1.15], [neck, 0.5]])
    if t.collar == 1:
        throat[2] = 0, 1.75
    canvas.polygon(throat, t.skin)
    canvas.glow(0, 1.0, neck + 0.25, 0.36, skin_shadow(t), 1.0, within=throat)
    if t.collar == 0:
        canvas.line(arc(0, 1.14, neck + 0.03, -0.31), dark, 0.08)
    elif t.collar == 2:
        for side in (-1, 1):
            canvas.polygon(np.array([[side * neck, 1.05], [side * (neck + 0.22), 1.2], [side * 0.28, 1.7],
                                     [0, 1.42]]), mix(t.clothes, WHITE, 0.55))
    elif t.collar == 3:
        canvas.polygon(np.array([[-neck - 0.06, 1.02], [-neck - 0.14, 1.5], [neck + 0.14, 1.5], [neck + 0.06, 1.02]]), dark)


def ears(canvas: Canvas, t: Traits) -> None:
    """Both ears; turning the head hides the far one."""
    for side in (-1, 1):
        x = side * (t.width + 0.02) - 0.10 * t.yaw
        canvas.polygon(ellipse(x, 0.08, 0.12, 0.22), mix(t.skin, skin_shadow(t), 0.35))
        canvas.polygon(ellipse(x + 0.015 * side, 0.08, 0.055, 0.13), skin_shadow(t))
        if t.earrings:
            canvas.disc(x, 0.36, 0.055, (240, 214, 120))


def head(canvas: Canvas, t: Traits) -> None:
    """The head with its light and shadow side, cheeks and freckles."""
    outline = head_outline(t)
    canvas.polygon(outline, t.skin)
    canvas.glow(-1.0 * t.light, 0.25, 0.95, 1.35, skin_shadow(t), 0.9, within=outline)
    canvas.glow(0.42 * t.light, -0.12, 0.75, 0.95, mix(t.skin, (255, 246, 230), 0.55), 0.7, within=outline)
    canvas.glow(0, 1.12, 0.8, 0.36, skin_shadow(t), 0.6, within=outline)
    for side in (-1, 1):
        canvas.glow(side * 0.44 + 0.14 * t.yaw, 0.34, 0.26, 0.2, mix(t.skin, (226, 84, 74), 0.6), t.blush)
        if t.freckles:
            for dx, dy in ((-0.1, 0), (0, 0.06), (0.09, -0.02), (0.02, -0.05)):
                canvas.disc(side * 0.36 + 0.14 * t.yaw + dx, 0.28 + dy, 0.016, mix(t.skin, (120, 60, 30), 0.5))


def eyes(canvas: Canvas, t: Traits) -> None:
    """Sockets, whites, irises with a catchlight, lids and brows."""
    for side in (-1, 1):
        x, size = eye_place(t, side)
        tall = size * t.eye_open
        canvas.glow(x, EYE_LINE - 0.05, size * 1.7, size * 1.35, skin_shadow(t), 0.65)
        upper, lower = arc(x, EYE_LINE, size, tall), arc(x, EYE_LINE, size, -0.7 * tall)
        canvas.polygon(np.concatenate([upper, lower[::-1]]), (250, 248, 244))
        pupil_x, radius = x + 0.3 * size * t.gaze, min(0.62 * size, 0.95 * tall)
        canvas.disc(pupil_x, EYE_LINE - 0.1 * tall, radius, t.iris)
        canvas.disc(pupil_x, EYE_LINE - 0.1 * tall, 0.52 * radius, (16, 14, 16))
        canvas.disc(pupil_x + 0.35 * radius * t.light, EYE_LINE - 0.45 * tall, 0.24 * radius, WHITE)
        lid = np.concatenate([upper, arc(x, EYE_LINE - 0.01, size * 1.05, tall + 0.06)[::-1]])
        canvas.polygon(lid, mix(skin_shadow(t), t.skin, 0.25))
        canvas.line(upper, mix(t.skin, (24, 12, 10), 0.85), 0.03 + 0.012 * (t.jaw > 0.5))
        brow(canvas, t, side, x, size)


def eye_place(t: Traits, side: int) -> tuple[float, float]:
    """(x, half width) of an eye; on the far side of a turned head eyes come closer and smaller."""
    return side * t.eye_gap + 0.17 * t.yaw, t.eye_size * (1 - 0.14 * max(0.0, side * t.yaw))


def brow(canvas: Canvas, t: Traits, side: int, x: float, size: float) -> None:
    """A brow, thick at the nose and thin outside."""
    curve = arc(x + 0.02 * side, EYE_LINE - 0.20 - t.brow_lift, size * 1.25, 0.05, 7)
    outwards = np.linspace(-1, 1, 7) * side
    curve[:, 1] -= 0.16 * t.brow_slope * -outwards
    thick = t.brow * (1 - 0.35 * outwards)
    outline = np.concatenate([curve, (curve + np.stack([0 * thick, thick], 1))[::-1]])
    canvas.polygon(outline, mix(mix(t.hair, BLACK, 0.3), t.skin, 0.12))


def nose(canvas: Canvas, t: Traits) -> None:
    """Bridge, tip and nostrils, shaded on the side away from the light."""
    x, tip, wide = 0.22 * t.yaw, EYE_LINE + t.nose_length, t.nose_width
    shadow = skin_shadow(t)
    canvas.glow(x - 0.10 * t.light, tip - 0.16, 0.10, 0.30, shadow, 0.75)
    canvas.glow(x + 0.03 * t.light, tip - 0.12, 0.08, 0.26, mix(t.skin, WHITE, 0.6), 0.6)
    canvas.glow(x, tip + 0.05, wide * 1.3, 0.10, shadow, 1.0)
    canvas.polygon(ellipse(x, tip - 0.03, wide * 0.62, 0.075), mix(t.skin, shadow, 0.15))
    for side in (-1, 1):
        canvas.polygon(ellipse(x + side * wide * 0.55, tip + 0.025, 0.042, 0.028), mix(shadow, BLACK, 0.35))


def mouth(canvas: Canvas, t: Traits) -> None:
    """Neutral, smiling, grinning with teeth, open, or sad."""
    x, y, wide, tall = 0.17 * t.yaw, MOUTH_LINE, t.mouth_width, t.mouth_height
    lip, inside = t.lips, (92, 22, 26)
    bend = {NEUTRAL: -0.01, SMILE: -0.10, GRIN: -0.08, OPEN: 0.0, SAD: 0.08}[t.mouth]
    top = arc(x, y, wide, bend + 0.6 * tall)
    top[4, 1] += 0.25 * tall  # the dip in the upper lip
    gape = {GRIN: 0.13, OPEN: 0.20}.get(t.mouth, 0.0)
    bottom = arc(x, y, wide, bend - 1.15 * tall - gape)
    canvas.polygon(np.concatenate([top, bottom[::-1]]), lip)
    if gape:
        opening = np.concatenate([arc(x, y + 0.01, wide * 0.86, bend), arc(x, y + 0.01, wide * 0.86, bend - gape)[::-1]])
        canvas.polygon(opening, inside)
        teeth = arc(x, y + 0.01, wide * 0.8, bend - (0.75 * gape if t.mouth == GRIN else 0.35 * gape))
        canvas.polygon(np.concatenate([arc(x, y + 0.01, wide * 0.8, bend), teeth[::-1]]), (250, 246, 238))
    else:
        canvas.line(arc(x, y, wide * 1.03, bend), mix(lip, (60, 10, 14), 0.65), 0.03)
    canvas.glow(x, y + tall - bend + 0.7 * gape, 0.6 * wide, 0.05, mix(lip, WHITE, 0.5), 0.5)


def glasses(canvas: Canvas, t: Traits) -> None:
    """Round, square or dark glasses with bridge and temples."""
    places = [(side, *eye_place(t, side)) for side in (-1, 1)]
    for side, x, size in places:
        rx, ry = size * 1.32, size * (1.32 if t.glasses == 1 else 1.0)
        rim = ellipse(x, EYE_LINE + 0.01, rx, ry)
        if t.glasses != 1:  # towards a rectangle
            rim = (rim - (x, EYE_LINE)) * (0.78 + 0.3 * np.abs(np.sin(2 * np.arctan2(*(rim - (x, EYE_LINE)).T))))[:, None]
            rim = rim + (x, EYE_LINE + 0.01)
        if t.glasses == 3:
            canvas.polygon(rim, (34, 34, 42))
            canvas.glow(x + 0.06 * t.light, EYE_LINE - 0.06, 0.13, 0.1, (160, 170, 190), 0.6, within=rim)
        canvas.line(np.concatenate([rim, rim[:2]]), t.frame, 0.042)
        canvas.line(np.array([[x + side * rx, EYE_LINE - 0.03], [side * (t.width + 0.02), EYE_LINE - 0.06]]), t.frame, 0.04)
    (_, left, size), (_, right, _) = places
    canvas.line(arc((left + right) / 2, EYE_LINE, (right - left) / 2 - size * 1.25, 0.05), t.frame, 0.045)
