"""What a drawn face looks like: palettes, and every trait drawn at random from (seed, number)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour `share` of the way from a to b: 0 is a, 1 is b."""
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

SHORT, PARTED, LONG, BOB, CURLY, BUN, RECEDING, BALD, WAVY, SPIKY = HAIR_STYLES = range(10)
NEUTRAL, SMILE, GRIN, OPEN, SAD = range(5)


class Dice:
    """Random choices, made from one block of uniform numbers: much faster than to call a generator for each."""

    def __init__(self, seed: int, number: int):
        self._uniform = iter(np.random.default_rng([seed, number]).random(96).tolist())

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * next(self._uniform)

    def chance(self, probability: float) -> bool:
        return next(self._uniform) < probability

    def choice(self, options):
        return options[int(next(self._uniform) * len(options))]

    def shade(self, colour: Colour, amount: int) -> Colour:
        """A colour near this one."""
        light = self.between(-amount, amount)
        return tuple(max(0, min(255, round(c + light + self.between(-amount, amount) / 3))) for c in colour)  # type: ignore


@dataclass(frozen=True)
class Traits:
    """Lengths are in head units (head height 2), angles in radians."""

    centre: tuple[float, float]
    scale: float
    tilt: float
    yaw: float
    light: float  # -1 from the left, 1 from the right
    backdrop: tuple[Colour, Colour, int]
    skin: Colour
    shadow: Colour  # of skin
    hair: Colour
    hair_style: int
    hair_volume: float
    part: float
    width: float  # half the head's width
    jaw: float  # 0 round, 1 pointed
    eye_gap: float
    eye_size: float
    eye_open: float
    iris: Colour
    gaze: float
    brow: float  # thickness
    brow_slope: float
    brow_lift: float
    nose_length: float
    nose_width: float
    mouth: int
    mouth_width: float
    mouth_height: float
    lips: Colour
    blush: float
    freckles: bool
    glasses: int  # 0 none, 1 round, 2 square, 3 dark
    frame: Colour
    beard: int  # 0 none, 1 stubble, 2 full, 3 goatee, 4 moustache
    earrings: bool
    clothes: Colour
    collar: int  # 0 round, 1 V, 2 shirt, 3 polo neck
    hat: int  # 0 none, 1 woollen hat, 2 headband


def draw_traits(seed: int, number: int) -> Traits:
    """The traits of face `number` of a seed."""
    dice = Dice(seed, number)
    skin = dice.shade(dice.choice(SKINS), 10)
    hair = dice.shade(dice.choice(HAIRS), 12)
    style = dice.choice(HAIR_STYLES)
    feminine = dice.chance(0.85) if style in (LONG, BOB, BUN, WAVY) else dice.chance(0.15)
    return Traits(
        **_pose(dice),
        skin=skin,
        shadow=mix(skin, (84, 34, 24), 0.38),
        hair=hair,
        hair_style=style,
        hair_volume=dice.between(0, 1),
        part=dice.between(-1, 1),
        **_features(dice, feminine),
        lips=mix(skin, dice.choice(LIPS), dice.between(0.5, 0.9) if feminine else dice.between(0.25, 0.45)),
        glasses=dice.choice([1, 2, 2, 1, 3]) if dice.chance(0.24) else 0,
        frame=dice.choice(FRAMES),
        beard=0 if feminine else dice.choice([0, 0, 0, 1, 1, 2, 2, 3, 4]),
        earrings=feminine and dice.chance(0.4),
        clothes=dice.shade(dice.choice(CLOTHES), 14),
        collar=dice.choice([0, 0, 1, 2, 3]),
        hat=dice.choice([1, 2]) if dice.chance(0.07) else 0,
    )


def _pose(dice: Dice) -> dict:
    grey = round(dice.between(70, 225))
    wall = mix((grey, grey, grey), dice.choice(WALLS), dice.between(0.3, 0.75))
    return {
        "centre": (dice.between(-0.05, 0.05), dice.between(-0.05, 0.02)),
        "scale": dice.between(0.30, 0.355),
        "tilt": dice.between(-0.16, 0.16),
        "yaw": dice.between(-1, 1) * dice.between(0.2, 1),
        "light": dice.choice([-1, 1]) * dice.between(0.5, 1),
        "backdrop": (wall, mix(wall, dice.choice(LAMPS), dice.between(0.3, 0.8)), dice.choice([0, 1, 2, 3, 4, 5, 5])),
    }


def _features(dice: Dice, feminine: bool) -> dict:
    return {
        "width": dice.between(0.70, 0.82),
        "jaw": dice.between(0.3, 1) if feminine else dice.between(0, 0.7),
        "eye_gap": dice.between(0.30, 0.36),
        "eye_size": dice.between(0.155, 0.2) + 0.015 * feminine,
        "eye_open": dice.between(0.45, 0.72),
        "iris": dice.choice(IRISES),
        "gaze": dice.between(-1, 1),
        "brow": dice.between(0.03, 0.055) if feminine else dice.between(0.045, 0.085),
        "brow_slope": dice.between(-0.3, 0.25),
        "brow_lift": dice.between(0, 0.07),
        "nose_length": dice.between(0.3, 0.42),
        "nose_width": dice.between(0.11, 0.18),
        "mouth": dice.choice([NEUTRAL, NEUTRAL, SMILE, SMILE, GRIN, GRIN, OPEN, SAD]),
        "mouth_width": dice.between(0.24, 0.36),
        "mouth_height": dice.between(0.055, 0.1),
        "blush": dice.between(0, 0.5),
        "freckles": dice.chance(0.1),
    }
