"""Head, ears, neck and clothes of the drawn faces."""

from __future__ import annotations

import numpy as np

from dcgan.data.faces.canvas import Canvas, arc, ellipse
from dcgan.data.faces.traits import BLACK, WHITE, Traits, mix

_TURN = np.linspace(0, 2 * np.pi, 40, endpoint=False)
ROUND = np.stack([np.sin(_TURN), -np.cos(_TURN)], axis=1)  # (40, 2)
_BELOW = np.clip(ROUND[:, 1], 0, 1)
_CHEEK, _CHIN, _JAWBONE = _BELOW**1.5, _BELOW**4, np.sin(np.pi * _BELOW)


def head_outline(t: Traits, grow: float = 0.0) -> np.ndarray:
    """Skull and jaw (40, 2), starting at the top and going round by the right ear; grown by `grow` on all sides."""
    narrow = 1 - (0.12 + 0.13 * t.jaw) * _CHEEK - 0.10 * t.jaw * _CHIN
    wide = 1 + 0.10 * (1 - t.jaw) * _JAWBONE
    outline = ROUND * (t.width + grow, 1 + grow)
    outline[:, 0] *= narrow * wide
    return outline


def body(canvas: Canvas, t: Traits) -> None:
    """Shoulders, neck and collar, tilted as the head is."""
    neck = 0.34 + 0.1 * (1 - t.jaw)  # half its width
    right = np.array([[3, 9], [1.7, 2.2], [1.45, 1.6], [0.95, 1.32], [neck + 0.1, 1.12]])
    shoulders = np.concatenate([right[::-1] * (-1, 1), right])
    canvas.polygon(shoulders, t.clothes)
    canvas.glow(-1.3 * t.light, 1.9, 1.2, 0.9, mix(t.clothes, BLACK, 0.5), 0.7, within=shoulders)
    throat = np.array([[-neck, 0.5], [-neck, 1.15], [0, 1.75 if t.collar == 1 else 1.45], [neck, 1.15], [neck, 0.5]])
    canvas.polygon(throat, t.skin)
    canvas.glow(0, 1.0, neck + 0.25, 0.36, t.shadow, 1.0, within=throat)
    collar(canvas, t, neck)


def collar(canvas: Canvas, t: Traits, neck: float) -> None:
    """The edge of the clothes round a neck of this half width; a V neck has no edge."""
    dark, pale = mix(t.clothes, BLACK, 0.3), mix(t.clothes, WHITE, 0.55)
    if t.collar == 0:
        canvas.line(arc(0, 1.14, neck + 0.03, -0.31), dark, 0.08)
    elif t.collar == 2:
        for side in (-1, 1):
            wing = np.array([[side * neck, 1.05], [side * (neck + 0.22), 1.2], [side * 0.28, 1.7], [0, 1.42]])
            canvas.polygon(wing, pale)
    elif t.collar == 3:
        band = [[-neck - 0.06, 1.02], [-neck - 0.14, 1.5], [neck + 0.14, 1.5], [neck + 0.06, 1.02]]
        canvas.polygon(np.array(band), dark)


def ears(canvas: Canvas, t: Traits) -> None:
    """Both ears; the head, drawn later, hides most of the far one where it is turned."""
    for side in (-1, 1):
        x = side * (t.width + 0.02) - 0.10 * t.yaw
        canvas.polygon(ellipse(x, 0.08, 0.12, 0.22), mix(t.skin, t.shadow, 0.35))
        canvas.polygon(ellipse(x + 0.015 * side, 0.08, 0.055, 0.13), t.shadow)
        if t.earrings:
            canvas.disc(x, 0.36, 0.055, (240, 214, 120))


def head(canvas: Canvas, t: Traits) -> None:
    """The head with its light and shadow side, cheeks and freckles."""
    outline = head_outline(t)
    canvas.polygon(outline, t.skin)
    canvas.glow(-1.0 * t.light, 0.25, 0.95, 1.35, t.shadow, 0.9, within=outline)
    canvas.glow(0.42 * t.light, -0.12, 0.75, 0.95, mix(t.skin, (255, 246, 230), 0.55), 0.7, within=outline)
    canvas.glow(0, 1.12, 0.8, 0.36, t.shadow, 0.6, within=outline)
    for side in (-1, 1):
        canvas.glow(side * 0.44 + 0.14 * t.yaw, 0.34, 0.26, 0.2, mix(t.skin, (226, 84, 74), 0.6), t.blush)
        if t.freckles:
            for dx, dy in ((-0.1, 0), (0, 0.06), (0.09, -0.02), (0.02, -0.05)):
                canvas.disc(side * 0.36 + 0.14 * t.yaw + dx, 0.28 + dy, 0.016, mix(t.skin, (120, 60, 30), 0.5))
