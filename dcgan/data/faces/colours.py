"""The palettes of the drawn faces."""

from __future__ import annotations

Colour = tuple[int, int, int]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour that far on the way from a to b."""
    (ar, ag, ab), (br, bg, bb) = a, b
    return round(ar + (br - ar) * share), round(ag + (bg - ag) * share), round(ab + (bb - ab) * share)


def palette(codes: str) -> list[Colour]:
    """Colours of hexadecimal codes."""
    return [(int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)) for code in codes.split()]


SKINS = palette("ffe0c4 f6ceac eabc96 deab7f c68e62 a6704a 865638 68422c fad4bc d69e74")
HAIRS = palette(
    "1c1716 2e201a 482e1e 684428 8c5c32 b07a3e d6ac62 eace8e 984222 b25428 7e7c7e ceccca 3a5496 be4c7a 241a18 3c281c"
)
IRISES = palette("523622 3c281c 6e4c28 466e50 4070a0 608096")
CLOTHES = palette("c43a36 2c5496 367854 ecece8 2c2e36 e8b43c 7a4888 6096ba e28246 82868c 783c32 da96aa")
WALLS = palette("4682b4 5aa078 d2a05a be645a 8264a0 f0e1c8 3c5a78 c88ca0 6eb4be 969696")
LIPS = palette("c83c46 b04242 d65460")
FRAMES = palette("1e1c1e 603a20 96282c 3c466e 96969c")
LAMPS = palette("141822 faf6ee 6ea0c8 be8c64")
