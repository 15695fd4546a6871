"""The files that dcgan.generate writes: where they may be written, how large, and with which texts in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dcgan import images
from dcgan.errors import UserError

SOFTWARE = "dcgan.generate"  # stands in every file, so that --overwrite knows its own
PICTURES = (".png", ".gif", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
VISIBLE = 128  # pixels: a GIF without --scale is at least as high


@dataclass(frozen=True)
class PictureFiles:
    """Writes pictures to the file `out`, or into the folder `out` under a name.

    scale: every pixel becomes a square of scale x scale; None: 1 in a PNG, and in a GIF what makes it VISIBLE.
    texts: the text chunks of every PNG, such as {"run": "0003-dcgan64", "step": "500"}; a GIF has them as its comment.
    """

    out: Path
    scale: int | None = None
    fps: int = 10
    texts: Mapping[str, str] = field(default_factory=dict)

    def png(
        self,
        name: str,
        pictures: np.ndarray,  # (N, H, W, C)
        columns: int | None = None,
        captions: Sequence[str] | None = None,
        **texts: Any,
    ) -> None:
        """Write pictures as a grid, with a caption below each; a single one without captions as it is, no frame."""
        pictures = images.enlarged(pictures, self.scale or 1)
        if captions is not None:
            columns = columns or images.columns_of(*pictures.shape[:3])  # 16 with captions: 4 x 4, as without
            pictures = images.captioned(pictures, captions)
        sheet = pictures[0] if len(pictures) == 1 and captions is None else images.grid(pictures, columns)
        images.save_png(self._path(name), sheet, self._texts(**texts))

    def gif(
        self, name: str, frames: Sequence[np.ndarray], captions: Sequence[Sequence[str]] | None = None
    ) -> None:
        """Write frames, each a grid of pictures (N, H, W, C), or without white lines the only picture, as a GIF.

        captions: for every frame a caption below each of its pictures.
        """
        count, height, width, _ = frames[0].shape
        across = 1 if count == 1 else images.columns_of(count, height, width)
        scale = self.scale or math.ceil(VISIBLE / (height * math.ceil(count / across)))
        shown = [images.enlarged(frame, scale) for frame in frames]
        if captions is not None:  # all frames at once, so that their cells are equally wide
            cells = images.captioned(np.concatenate(shown), [text for frame in captions for text in frame])
            shown = np.split(cells, len(frames))
        sheets = [frame[0] if count == 1 else images.grid(frame, across) for frame in shown]
        comment = ", ".join(f"{key} {text}" for key, text in self._texts().items())
        images.save_gif(self._path(name), sheets, self.fps, comment)

    def _texts(self, **texts: Any) -> dict[str, str]:
        return {"Software": SOFTWARE, **self.texts, **{name: str(text) for name, text in texts.items()}}

    def _path(self, name: str) -> Path:
        path = self.out / name if name else self.out
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def require_free(out: Path) -> None:
    """Raise UserError where a file `out`, or pictures in a folder `out`, are there already."""
    if out.is_file():
        raise UserError(f"--out: {out} is there already: choose another name, or replace it with --overwrite")
    found = pictures_in(out)
    if found:
        some = f"{len(found):,} pictures, such as {found[0].name}" if len(found) > 1 else f"a picture, {found[0].name}"
        raise UserError(f"--out: {out} already holds {some}: choose another folder, or replace them with --overwrite")


def clear(out: Path) -> int:
    """Remove the pictures in the folder `out` that dcgan.generate wrote; return the number of other pictures in it."""
    others = 0
    for path in pictures_in(out):
        if is_own(path):
            path.unlink()
        else:
            others += 1
    return others


def pictures_in(out: Path) -> list[Path]:
    """Return the pictures in a folder, by name; none if it is no folder."""
    return sorted(path for path in out.iterdir() if path.suffix.lower() in PICTURES) if out.is_dir() else []


def is_own(path: Path) -> bool:
    """Return whether dcgan.generate wrote a picture: its texts say so."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            said = image.info.get("Software", image.info.get("comment", b""))
    except OSError:
        return False
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return text.removeprefix("Software ").split(",")[0] == SOFTWARE
