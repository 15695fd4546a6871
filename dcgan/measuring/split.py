"""--split: the training half or the test half of a data set that comes in two."""

from __future__ import annotations

from pathlib import Path

from dcgan.config import Config
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


def seen(config: Config, data: str | None, split: str) -> str:
    """Return a warning where pictures are measured that the run learnt from as part of a folder, else "".

    data, split: those to measure. Example: a run that was trained with --data mnist learnt from both halves there, so
    --split test is no test of it; one that was trained with --data mnist/train-images-idx3-ubyte is tested. The run's
    own data as a whole, which is the default, is no surprise to anybody.
    """
    if config.data is None:
        return ""
    own, measured = Path(config.data).resolve(), Path(half(data or config.data, split)).resolve()
    if own not in measured.parents:
        return ""
    try:
        unseen = half(config.data, "train")
    except UserError:
        unseen = "PATH of other pictures"
    some = config.pattern or config.train_size  # which pictures these leave out is not looked at
    learnt = "may have learnt" if some else "learnt"
    return f"the run {learnt} from these pictures, too: for a test on unseen ones train with --data {unseen}"


def halves(path: str) -> list[str]:
    """Return the names of the idx files of images in a folder: of two halves that are read together, both."""
    return sorted(entry.name for entry in _entries(path) if entry.is_file() and IMAGES.search(entry.name))


def _entries(path: str) -> list[Path]:
    return list(Path(path).iterdir()) if Path(path).is_dir() else []


def _is_half(entry: Path, words: tuple[str, ...]) -> bool:
    if entry.is_dir():
        return entry.name.lower() in words
    return bool(IMAGES.search(entry.name)) and any(word in entry.name.lower() for word in words)
