"""What the names of files and folders say: a picture, no picture, what a system left, a run of ours."""

from __future__ import annotations

from collections.abc import Iterable

from dcgan.data.formats.decode import SUFFIXES

LOOKED_FOR = ", ".join(SUFFIXES)
CLUTTER = {
    *("__macosx", "@eadir", "@tmp", "@recycle", "@__thumb", "#recycle", "#snapshot", "$recycle.bin", "recycler"),
    *("lost+found", "system volume information", "network trash folder", "temporary items", "@recently-snapshot"),
    *("found.000", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "zbthumbnail.info", "desktop.ini", "icon\r"),
    *("cvs", "__pycache__", "node_modules", "site-packages"),
}
# Files that often lie beside pictures and are none: they are passed over, neither opened nor listed.
COMPANIONS = (
    *(".txt", ".md", ".rst", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".html", ".htm", ".yaml", ".yml", ".toml"),
    *(".ini", ".cfg", ".log", ".py", ".ipynb", ".sh", ".bat", ".pdf", ".doc", ".docx", ".url", ".lnk", ".license"),
    *(".npy", ".npz", ".pkl", ".pickle", ".pt", ".pth", ".mat", ".h5", ".hdf5", ".part", ".parquet", ".arrow", ".db"),
    *(".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".md5", ".sha1", ".sha256", ".sqlite", ".lock", ".tmp", ".bak"),
    *(".crdownload", ".partial", ".download", ".filepart", ".aria2"),  # of pictures that are not complete yet
)
COMPANION_NAMES = {"license", "readme", "copying", "makefile", "authors", "notice", "citation", "version", "checksums"}
RUN_PARTS = {"log.jsonl", "samples", "checkpoints"}  # one of them beside a config.json: a folder that we trained in
NO_PICTURE = "not a picture of a known format"
OWN_RUN = "a run of dcgan: what it drew is no data"
# Raw files of cameras are TIFFs whose first picture is a thumbnail, or none.
RAW = (".cr2", ".nef", ".nrw", ".dng", ".arw", ".srf", ".sr2", ".pef", ".srw", ".3fr", ".fff", ".iiq", ".kdc", ".erf")


def is_clutter(part: str) -> bool:
    """Whether a file or folder of this name is hidden or was left by a system or an editor: ._a.png, @eaDir, a.png~."""
    return part.startswith((".", "~$")) or part.endswith("~") or part.casefold() in CLUTTER


def is_companion(name: str) -> bool:
    """Whether a file's name says that it is no picture: readme.txt, LICENSE."""
    last = name.rsplit("/", 1)[-1].lower()
    return last.endswith(COMPANIONS) or last in COMPANION_NAMES


def is_picture(name: str) -> bool:
    """Whether a path ends as a picture file does."""
    return name.lower().endswith(SUFFIXES)


def is_run(names: Iterable[str]) -> bool:
    """Whether a folder of these entries is one that dcgan.train wrote."""
    names = set(names)
    return "config.json" in names and bool(names & RUN_PARTS)


def no_images(where: str, skipped: list[tuple[str, str]]) -> str:
    """The line for a folder or an archive without any picture."""
    out = f"; {len(skipped):,} left out, the first, {skipped[0][0]!r}: {skipped[0][1]}" if skipped else ""
    return f"no images found in {where}: looked for files ending in {LOOKED_FOR} (upper or lower case){out}"


def plain_path(name: str) -> str:
    """The path of a member of an archive, relative, with slashes.

    Windows wrote backslashes; `/a`, `../a` and `C:/a` are all just `a`, for nothing is unpacked.
    """
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..") and not (len(part) == 2 and part[1] == ":"))


def run_folders(names: Iterable[str]) -> set[str]:
    """The folders among these paths that dcgan.train wrote, as `runs/0001/`; the topmost folder is none."""
    inside: dict[str, set[str]] = {}
    for name in names:
        if "config.json" in name or name.endswith("log.jsonl") or "/samples/" in name or "/checkpoints/" in name:
            parts = name.split("/")
            for depth in range(1, len(parts)):
                inside.setdefault("/".join(parts[:depth]) + "/", set()).add(parts[depth])
    return {folder for folder, entries in inside.items() if is_run(entries)}
