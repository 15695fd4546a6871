"""The options that say which pictures a run is trained on; Config begins with them."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.options import option


@dataclass(frozen=True)
class DataOptions:
    """Where the pictures come from, which of them, and what they are cut and resized to (docs/data.md)."""

    data: str | None = option(
        None,
        options.text,
        "pictures: a folder, .zip, idx (MNIST), CIFAR-10, .npy, .npz, LMDB or .h5; without it, built-in drawn faces",
        "PATH",
    )
    recipe: str | None = option(
        None,
        options.choice("celeba", "celeba28", "anime96", "mnist", "lsun"),
        "crop, size and channels as usual for celeba, celeba28, anime96, mnist or lsun; options given win",
        "NAME",
    )
    image_size: tuple[int, int] = option((64, 64), options.size, "height and width of the pictures", "N|HxW")
    channels: int | None = option(None, options.integer(1, 3), "1 grey, 3 colour; without it, as the data is")
    crop: tuple[int, int] | None = option(None, options.size, "cut this centre out before resizing", "PX|HxW")
    pattern: str | None = option(None, options.text, "only files whose path or name matches, such as '*.png'", "GLOB")
    train_size: int | None = option(None, options.integer(1), "at most so many pictures, spread over the data")
    labels: str = option(
        "auto",
        options.choice("auto", "folder", "none"),
        "auto: those of the data, or of 2 or more subfolders; folder: the subfolders' or an error; none",
        "NAME",
    )
    flip: bool = option(False, options.flag, "mirror each picture with probability 1/2")
