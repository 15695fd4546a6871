"""faces.png: some of the faces that the project draws itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dcgan import images
from dcgan.data.faces.source import FacesSource

SHOWN = 64
SOURCES = {"faces": ["dcgan/data/faces/*.py"]}


def faces(place: Path) -> None:
    """Built-in drawn faces, at even distances over all of them."""
    source = FacesSource()
    some = np.linspace(0, len(source) - 1, SHOWN).astype(int)
    images.save_png(place, images.grid(source.batch(some)))


FIGURES = {"faces": faces}
