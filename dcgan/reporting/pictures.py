"""The sample grids of a run for its report: which of them are shown, and each as a PNG within the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from dcgan.data.formats.decode import check_pixels, checked_png
from dcgan.errors import UserError
from dcgan.reporting.markup import Markup
from dcgan.reporting.safe_files import read_bytes
from dcgan.run.folder import RunDir
from dcgan.streams import error_text

MOST_GRIDS = 40  # of a run
MOST_PAGE = 12 * 2**20  # bytes of all grids of a page
MOST_FILE = 2**26  # bytes of one grid
SIDE = 1200  # pixels; larger grids are reduced
SMALL = 400  # pixels; grids that are not as wide are shown with square pixels


class Picture(NamedTuple):
    """A grid as the page shows it: the PNG as a data URI, its size in pixels, and whether it was reduced."""

    uri: Markup
    width: int
    height: int
    reduced: bool


class Grids:
    """The sample grids of a run, found anew with each look; a grid that was read once is kept for the next look."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.kept: dict[Path, tuple[object, Picture]] = {}

    def steps(self) -> dict[int, Path]:
        """Return the grids' files by their steps, rising."""
        found = [path for path in self.run.samples.glob("*.png") if path.stem.isdecimal()]
        return {int(path.stem): path for path in sorted(found, key=lambda path: int(path.stem))}

    def picture(self, path: Path) -> Picture:
        """Return the picture of a file. UserError: it lies outside of the run, is too large, or no PNG."""
        content = read_bytes(self.run.path, path, MOST_FILE)
        key = hash(content)
        if self.kept.get(path, (None,))[0] != key:
            self.kept[path] = key, embedded(content, str(path.relative_to(self.run.path)))
        return self.kept[path][1]

    def forget_all_but(self, paths: Sequence[Path]) -> None:
        """Keep the pictures of these files alone."""
        self.kept = {path: self.kept[path] for path in paths if path in self.kept}


def embedded(content: bytes, name: str) -> Picture:
    """Return the picture of the bytes of a PNG, written anew: only its pixels get into the page. Raises UserError."""
    try:
        with Image.open(checked_png(io.BytesIO(content)), formats=["PNG"]) as found:
            check_pixels(found.size)
            image = found if found.mode == "L" else found.convert("RGB")
            reduced = max(image.size) > SIDE
            if reduced:
                image = image.copy()
                image.thumbnail((SIDE, SIDE))
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
    except Exception as error:  # noqa: BLE001  (a damaged file makes Pillow raise nearly anything)
        raise UserError(f"{name} is no picture ({error_text(error)})") from error
    uri = Markup("data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode())
    return Picture(uri, *image.size, reduced)


def chosen(steps: Sequence[int], most: int) -> list[int]:
    """Return at most so many of rising steps: the first, the last, and those between evenly on a logarithmic scale.

    Early in a training pictures change within few steps, late in thousands: of 1, 200, 400 ... 25,600 nine are 1, 200,
    400, 800, 1600 ... 25,600. Each next one shares what is left of the scale with those to come, so none comes twice.
    """
    if len(steps) <= most:
        return list(steps)
    if most < 2:
        return list(steps[len(steps) - most :])
    scale = np.log1p(np.array(steps, "float64"))  # (N,)
    at = [0]
    for left in range(most - 1, 1, -1):  # grids to choose, the last one included
        wanted = scale[at[-1]] + (scale[-1] - scale[at[-1]]) / left
        first, behind = at[-1] + 1, len(steps) - left + 1  # enough steps have to stay behind it
        at.append(first + int(np.abs(scale[first:behind] - wanted).argmin()))
    return [steps[i] for i in [*at, len(steps) - 1]]


def room_for(sizes: Sequence[int], runs: int) -> int:
    """Return how many grids of a run fit into its share of the page, at least 2; sizes: bytes of its files."""
    if not sizes:
        return 0
    share = MOST_PAGE // max(1, runs)
    return max(2, min(MOST_GRIDS, share // max(1, max(sizes))))
