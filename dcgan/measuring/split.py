"""--split: the training half or the test half of a data set that comes in two."""

from __future__ import annotations

from pathlib import Path

from dcgan.data.formats.idx import IMAGES
from dcgan.errors import UserError

# How the halves are called: in the names of idx files, and as subfolders.
WORDS = {"train": ("train", "training"), "test": ("t10k", "test", "testing", "val", "valid", "validation")}
SPLITS = ("all", *WORDS)


def half(path: str, split: str) -> str:
    """Return the file or the subfolder of a data folder that holds one half; for "all" the folder itself.

    Example: of a folder with train-images-idx3-ubyte.gz and t10k-images-idx3-ubyte.gz, "test" is the latter. Raises
    UserError where a folder has not exactly one such.
    """
    if split == "all":
        return path
    words = WORDS[split]
    found = [entry for entry in _entries(path) if _is_half(entry, words)]
    plain = {entry.name.removesuffix(".gz"): entry for entry in sorted(found, reverse=True)}  # of a and a.gz, a
    if len(plain) != 1:
        got = ", ".join(sorted(plain)) or "none"
        raise UserError(f"--split {split}: got {got} in {path}, expected one subfolder or idx file of that half")
    return str(next(iter(plain.values())))


def halves(path: str) -> list[str]:
    """Return the names of the idx files of images in a folder: of two halves that are read together, both."""
    return sorted(entry.name for entry in _entries(path) if entry.is_file() and IMAGES.search(entry.name))


def _entries(path: str) -> list[Path]:
    return list(Path(path).iterdir()) if Path(path).is_dir() else []


def _is_half(entry: Path, words: tuple[str, ...]) -> bool:
    if entry.is_dir():
        return entry.name.lower() in words
    return bool(IMAGES.search(entry.name)) and any(word in entry.name.lower() for word in words)
