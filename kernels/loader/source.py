"""Kernel sources as text: reading them with their includes, and telling which kernels need the exact CPU path.

Both compilers get one text without `#include "..."`: the loader puts the named file in its place. So the text alone
identifies a cached build, and an edit of common.cuh is never missed.
"""

from __future__ import annotations

import re
from pathlib import Path

from gpunet.kernels.loader.signature import matching_brace, spans, without_comments

FOLDER = Path(__file__).resolve().parents[1]  # kernels/
APART = ("conv2d_mma/",)  # files whose kernels take NVRTC seconds each: on a GPU each kernel is compiled by itself
HOPPER = "conv2d_wgmma/"  # files for Hopper GPUs (sm_90a) alone: no other GPU and no CPU compiles them

# Words that only the exact path can run: threads that wait for each other, talk to each other or share memory.
COOPERATION = re.compile(
    r"\b(__shared__|__sync\w+|__shfl\w*|__\w+_sync|__activemask|atomic[A-Z]\w*|warp_collective|mma_\w+)\b"
)
OWN_INDEX = re.compile(r"\b(threadIdx|blockIdx|blockDim|gridDim)\b")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"[^\n]*', re.M)
FUNCTION = re.compile(
    r"\b(?!(?:if|for|while|switch)\b)(\w+)\s*\([^;{}()]*(?:\([^;{}()]*\)[^;{}()]*)*\)\s*(?:const\s*)?\{"
)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)((?:[^\n]*\\\n)*[^\n]*)", re.M)


def path_of(stem: str) -> Path:
    """Return the file of a stem: "batchnorm", "ladder/matmul_1_naive", or an absolute path without .cu (your own).

    Raises ValueError where there is none.
    """
    path = FOLDER / f"{stem}.cu"  # an absolute stem replaces the folder
    if not path.is_file():
        raise ValueError(f"got kernel file {stem!r}, expected one of {', '.join(stems())}")
    return path


def stems() -> list[str]:
    """Return the stems of all kernel files, those of subfolders with the folder's name before a slash.

    Those for Hopper GPUs alone are not among them: `hopper_stems`.
    """
    return [stem for stem in _all_stems() if not stem.startswith(HOPPER)]


def hopper_stems() -> list[str]:
    """Return the stems of the kernel files for Hopper GPUs alone."""
    return [stem for stem in _all_stems() if stem.startswith(HOPPER)]


def _all_stems() -> list[str]:
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.cu"))


def libraries() -> list[str]:
    """Return the names of the C++ files, for the CPU alone."""
    return sorted(path.name for path in FOLDER.glob("*.cpp"))


def text_of(stem: str) -> str:
    """Return what NVRTC compiles, and the CPU path translates: common.cuh, then the file."""
    return read(FOLDER / "common.cuh") + read(path_of(stem))


def parts_of(stem: str) -> list[str]:
    """Return what of a file is compiled at a time on a GPU: the names of its kernels, or "" for the whole file."""
    return list(spans(text_of(stem))) if stem.startswith(APART) else [""]


def text_with(stem: str, kernel: str) -> str:
    """Return the text of a file without its other kernels; line numbers stay right."""
    text = text_of(stem)
    for name, (start, end) in reversed(spans(text).items()):
        if name != kernel:
            text = text[:start] + "\n" * text.count("\n", start, end) + text[end:]
    return text


def read(path: Path, seen: set[Path] | None = None) -> str:
    """Return a file's text with every `#include "..."` replaced by that file, once, and line numbers kept right."""
    seen, path = set() if seen is None else seen, path.resolve()
    if path in seen:
        return ""
    seen.add(path)
    shown = path.relative_to(FOLDER.parent).as_posix() if path.is_relative_to(FOLDER) else str(path)
    text = path.read_text(encoding="utf-8")

    def included(match: re.Match) -> str:
        beside, line = path.parent / match[1], text.count("\n", 0, match.start()) + 2
        return read(beside if beside.is_file() else FOLDER / match[1], seen) + f'#line {line} "{shown}"'

    return f'#line 1 "{shown}"\n' + INCLUDE.sub(included, text) + "\n"


def cooperative(text: str, names: list[str]) -> set[str]:
    """Return which of the named functions need the exact path, by themselves or by a function or macro they use.

    A helper that reads threadIdx counts too: on the fast path only the kernel itself has it, as a parameter.
    """
    text = without_comments(text)
    uses = {match[1]: match[2] for match in MACRO.finditer(text)}
    for match in FUNCTION.finditer(text):
        body = text[match.end() - 1 : matching_brace(text, match.end() - 1)]
        uses[match[1]] = uses.get(match[1], "") + body
    words = {name: set(re.findall(r"\w+", body)) & uses.keys() for name, body in uses.items()}
    helpers = [name for name in uses if name not in names]
    found = {name for name, body in uses.items() if COOPERATION.search(body)}
    found |= {name for name in helpers if OWN_INDEX.search(uses[name]) and f"#define {name}" not in text}
    while more := {name for name in uses if name not in found and words[name] & found}:
        found |= more
    return found & set(names)
