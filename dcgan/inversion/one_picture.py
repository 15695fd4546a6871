"""Reading one picture file that the user named, by the decoder of the data sets."""

from __future__ import annotations

import numpy as np
from PIL import UnidentifiedImageError

from dcgan.data.formats.decode import decode
from dcgan.data.recipe import Recipe
from dcgan.data.storage.reading import quiet_pillow
from dcgan.errors import UserError
from dcgan.streams import error_text


def read(path: str, recipe: Recipe) -> np.ndarray:
    """Return a picture file as the networks see its kind: uint8 (H, W, C). UserError: it is none, or damaged."""
    try:
        with open(path, "rb") as file, quiet_pillow():
            return decode(file, recipe)
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, expected picture files, such as {path}/*.png") from None
    except OSError as error:
        if isinstance(error, UnidentifiedImageError):
            raise UserError(f"{path} is not a picture of a known format") from None
        raise UserError(f"cannot read {path}: {error.strerror or error_text(error)}") from error
    except Exception as error:  # noqa: BLE001  (damaged files make Pillow and zlib raise nearly anything)
        raise UserError(f"cannot read {path}: {error_text(error)}") from error
