"""Findings about the pictures of the data, and about G's beside them: borders, pictures twice, copies by G.

Pictures are compared as thumbnails: each is averaged to SIDE x SIDE cells, so that a shift of a pixel, noise and the
traces of compression hardly count. Distances are root mean squares in grey levels.
"""

from __future__ import annotations

import numpy as np

from dcgan.doctoring.evidence import YOUNG, Evidence
from dcgan.run.advice import Finding

SIDE = 16  # cells of a thumbnail on an axis
ROWS = 500  # thumbnails that are compared with all others at once: 3,000 distances each are 12 MB
SAME = 3.0  # grey levels between thumbnails of one picture that was stored twice; two faces are 30 and more apart
SAME_OF_TYPICAL = 0.1  # of the median distance of two pictures: in a data set of faint pictures 3 levels are much
TWICE = 0.01  # of the pictures: fewer than one in a hundred does G no harm
NEAR = 0.4  # of the median distance from a real picture to the real one next to it: no two real ones are so near
COPIED = 0.2  # of G's pictures that are so near to a real one
FLAT, FLAT_OF_G = 3, 16  # grey levels within which a row of a border lies; G's are never quite flat
JUMP = 24  # grey levels from a border to the picture behind it
AT_ONCE = 0.6  # of a row: where a border ends, nearly all of its pixels change; some of a dark photograph do not
BORDERED = 0.05  # of the pictures: D needs a few to learn that a border means real
# Pixels of a side below which more of the pictures must have a border, in proportion: the edge of a round head lies in
# one column of few pixels, and looks like the end of a border. Of the drawn faces 20 % do at 8 pixels, 5 % at 16, 2.4 %
# at 32; 30, 15 and 7.5 % are asked for.
SMALL = 48


def thumbnails(pictures: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Return pictures (N, H, W, C) averaged to float32 (N, side, side, C); smaller ones keep their pixels."""
    x = pictures.astype("float32")
    for axis in (1, 2):
        length = x.shape[axis]
        if length > side:
            starts = np.arange(side) * length // side
            sizes = np.diff(np.append(starts, length)).reshape([-1 if i == axis else 1 for i in range(4)])
            x = np.add.reduceat(x, starts, axis=axis) / sizes
    return x


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the distances (N, M) of thumbnails (N, ...) and (M, ...), by |a - b|^2 = |a|^2 - 2 a b + |b|^2."""
    a, b = (each.reshape(len(each), -1).astype("float64") for each in (a, b))
    squares = (a**2).sum(1)[:, np.newaxis] - 2 * a @ b.T + (b**2).sum(1)
    return np.sqrt(np.maximum(squares, 0) / a.shape[1])


def duplicates(evidence: Evidence) -> Finding | None:
    """Pictures that the data holds twice or more often."""
    real = evidence.real
    if real is None or len(real) < 100:
        return None
    small = thumbnails(real)
    some = small[:: -(-len(small) // 300)]
    near = min(SAME, SAME_OF_TYPICAL * float(np.median(distances(some, some)[np.triu_indices(len(some), 1)])))
    twice = _twice(small, near)
    if twice < TWICE * len(real):
        return None
    what = f"{twice:,} of {len(real):,} pictures looked at are in the data already, the same or nearly"
    advice = "remove them: G learns to draw them more often, and numbers that compare G with the data rise"
    return Finding("near-duplicates", what, advice, numbers={"pictures": twice, "of": len(real)})


def _twice(small: np.ndarray, near: float) -> int:
    """Return how many thumbnails are nearer than `near` to an earlier one."""
    count = 0
    for start in range(0, len(small), ROWS):
        block = small[start : start + ROWS]
        close = distances(block, small[: start + len(block)]) <= near
        count += int(np.tril(close, start - 1).any(axis=1).sum())  # row i is thumbnail start + i
    return count


def copies(evidence: Evidence) -> Finding | None:
    """G draws pictures of the data again, nearer to one than any other real picture is."""
    if evidence.real is None or evidence.drawn is None or "data" in evidence.missing or evidence.step < YOUNG:
        return None
    real, ours = thumbnails(evidence.real), thumbnails(evidence.drawn)
    if len(real) < 20 or real.shape[1:] != ours.shape[1:]:
        return None
    between = distances(real[: 5 * len(ours)], real)
    between[between <= SAME] = np.inf  # a picture itself, and its near-duplicates
    usual = float(np.median(between.min(axis=1)))
    nearest = distances(ours, real).min(axis=1)
    share = float((nearest < NEAR * usual).mean())
    if not np.isfinite(usual) or share < COPIED:
        return None
    what = (
        f"G copies the data: {100 * share:.0f} % of its pictures are nearer than {NEAR * usual:.0f} grey levels to a "
        f"real one, where two real ones are {usual:.0f} apart at the nearest (of {len(real):,} looked at)"
    )
    advice = "more pictures, --flip, fewer steps; a look at both: dcgan.generate and the data side by side"
    return Finding("copies", what, advice, evidence.step, {"share": share, "real_apart": usual})


def border(pictures: np.ndarray, flat: int) -> np.ndarray:
    """Return which pictures (N, H, W, C) have a border at one of their four edges: bool (N,)."""
    x = pictures.astype("int16")
    turned = (x, x[:, ::-1], x.swapaxes(1, 2), x.swapaxes(1, 2)[:, ::-1])  # the edge is the first row
    return np.any([_border_above(each, flat) for each in turned], axis=0)


def _border_above(x: np.ndarray, flat: int) -> np.ndarray:
    """Return which pictures begin with rows of one colour that end all at once: bool (N,).

    A plain background ends otherwise: in the first row with something in it, most pixels still are background, and
    where it shades off, the next colour is near. Example: rows 0 and 1 lie within `flat` of the first pixel, in row 3
    0.9 of the pixels are over JUMP away from it: a border of 2 rows (row 2 may be a mixture, from resizing).
    """
    away = np.abs(x - x[:, :1, :1]).max(axis=3)  # (N, H, W): from the first pixel
    rows = np.argmax((away > flat).any(axis=2), axis=1)  # how many rows are flat; 0 where all of them are
    behind = away[np.arange(len(x)), np.minimum(rows + 1, x.shape[1] - 1)]  # (N, W)
    return (rows > 0) & (rows < x.shape[1] // 2) & ((behind > JUMP).mean(axis=1) >= AT_ONCE)


def borders(evidence: Evidence) -> Finding | None:
    """Real pictures have borders of one colour, which G's lack: D needs to look at nothing else."""
    if evidence.real is None or evidence.drawn is None or evidence.step < YOUNG:
        return None
    theirs, ours = float(border(evidence.real, FLAT).mean()), float(border(evidence.drawn, FLAT_OF_G).mean())
    if theirs < BORDERED * max(1, SMALL / min(evidence.config.image_size)) or ours > theirs / 2:
        return None
    what = f"{100 * theirs:.0f} % of the real pictures have a border of one colour, {100 * ours:.0f} % of G's"
    advice = "cut borders off (--crop), or remove those pictures: D tells real ones by the border alone"
    return Finding("borders", what, advice, evidence.step, {"of_real": theirs, "of_G": ours})
