"""Eyes, brows, nose, mouth and glasses of the drawn faces."""

from __future__ import annotations

import numpy as np

from dcgan.data.faces.canvas import CIRCLE, Canvas, arc, ellipse
from dcgan.data.faces.traits import BLACK, GRIN, NEUTRAL, OPEN, SAD, SMILE, WHITE, Traits, mix

EYE_LINE, MOUTH_LINE = 0.02, 0.62
SQUARE = np.sign(CIRCLE) * np.abs(CIRCLE) ** 0.45  # with round corners


def eyes(canvas: Canvas, t: Traits) -> None:
    """Sockets, whites, irises with a catchlight, lids and brows."""
    for side in (-1, 1):
        x, size = eye_place(t, side)
        tall = size * t.eye_open
        canvas.glow(x, EYE_LINE - 0.05, size * 1.7, size * 1.35, t.shadow, 0.65)
        upper, lower = arc(x, EYE_LINE, size, tall), arc(x, EYE_LINE, size, -0.7 * tall)
        canvas.polygon(np.concatenate([upper, lower[::-1]]), (250, 248, 244))
        pupil_x, radius = x + 0.3 * size * t.gaze, min(0.62 * size, 0.95 * tall)
        canvas.disc(pupil_x, EYE_LINE - 0.1 * tall, radius, t.iris)
        canvas.disc(pupil_x, EYE_LINE - 0.1 * tall, 0.52 * radius, (16, 14, 16))
        canvas.disc(pupil_x + 0.35 * radius * t.light, EYE_LINE - 0.45 * tall, 0.24 * radius, WHITE)
        lid = np.concatenate([upper, arc(x, EYE_LINE - 0.01, size * 1.05, tall + 0.06)[::-1]])
        canvas.polygon(lid, mix(t.shadow, t.skin, 0.25))
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
    canvas.glow(x - 0.10 * t.light, tip - 0.16, 0.10, 0.30, t.shadow, 0.75)
    canvas.glow(x + 0.03 * t.light, tip - 0.12, 0.08, 0.26, mix(t.skin, WHITE, 0.6), 0.6)
    canvas.glow(x, tip + 0.05, wide * 1.3, 0.10, t.shadow, 1.0)
    canvas.polygon(ellipse(x, tip - 0.03, wide * 0.62, 0.075), mix(t.skin, t.shadow, 0.15))
    for side in (-1, 1):
        canvas.polygon(ellipse(x + side * wide * 0.55, tip + 0.025, 0.042, 0.028), mix(t.shadow, BLACK, 0.35))


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
        opening = np.concatenate(
            [arc(x, y + 0.01, wide * 0.86, bend), arc(x, y + 0.01, wide * 0.86, bend - gape)[::-1]]
        )
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
        shape = CIRCLE if t.glasses == 1 else SQUARE
        rim = shape * (rx, ry) + (x, EYE_LINE + 0.01)
        if t.glasses == 3:
            canvas.polygon(rim, (34, 34, 42))
            canvas.glow(x + 0.06 * t.light, EYE_LINE - 0.06, 0.13, 0.1, (160, 170, 190), 0.6, within=rim)
        canvas.line(np.concatenate([rim, rim[:2]]), t.frame, 0.042)
        canvas.line(
            np.array([[x + side * rx, EYE_LINE - 0.03], [side * (t.width + 0.02), EYE_LINE - 0.06]]), t.frame, 0.04
        )
    (_, left, size), (_, right, _) = places
    canvas.line(arc((left + right) / 2, EYE_LINE, (right - left) / 2 - size * 1.25, 0.05), t.frame, 0.045)
