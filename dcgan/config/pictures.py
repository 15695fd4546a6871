"""Options of the pictures: where they come from, which of them, what they are cut and resized to (docs/data.md)."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.data.recipe import label_column, label_table
from dcgan.options import Size, option

# The words that options take stand here, and not where they are used, so that --help loads no networks;
# tests/dcgan/test_config.py checks that both agree.
RECIPES = ("celeba", "celeba28", "anime96", "mnist", "lsun")  # the table of dcgan.data.recipe
LABELS = ("auto", "folder", "none")  # read in dcgan.data.formats.labels

@dataclass(frozen=True)
class Pictures:
    """The options that --help shows as "pictures"."""

    data: str | None = option(
        None,
        options.text,
        "pictures: a folder, .zip, .tar, idx (MNIST), CIFAR-10, .npy, .npz, LMDB, .h5, .parquet or .arrow; without it, "
        "drawn faces",
        "PATH",
    )
    recipe: str | None = option(
        None,
        options.choice(*RECIPES),
        "the usual crop, size and channels for celeba, celeba28, anime96, mnist or lsun; other options win over it",
        "NAME",
    )
    image_size: Size = option((64, 64), options.size, "height and width of the pictures", "N|HxW")
    channels: int | None = option(None, options.channels, "1 grey, 3 colour; without it, as the data is")
    crop: Size | None = option(None, options.size, "size of the centre that is cut out before resizing", "PX|HxW")
    crop_larger: Size | None = option(
        None,
        options.size_or_none,
        "such a crop for the pictures that are at least as large, some presets' own; smaller ones stay whole; or none",
        "PX|HxW",
    )
    pattern: str | None = option(None, options.text, "only files whose path or name matches, such as '*.png'", "GLOB")
    train_size: int | None = option(None, options.integer(1), "at most so many pictures, spread over the data")
    labels: str = option(
        "auto",
        options.Word(
            LABELS,
            also=lambda text: label_table(text) or label_column(text),
            other="a table such as labels.csv, labels.tsv:COLUMN or list_attr_celeba.txt:Smiling, "
            "or :COLUMN of a .parquet or .arrow file",
        ),
        "labels of the pictures: auto, those of the data or of two or more subfolders; folder, the subfolders; none; "
        "or a table of them, a .csv, .tsv or .txt, with the name of its column behind a colon; "
        "or :COLUMN of a .parquet or .arrow file",
        "NAME|FILE",
    )
    flip: bool = option(False, options.flag, "mirror each picture with probability 1/2")
