"""Read the parameter lists of the kernels from their source text: what every launch is checked against."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

# C++ type -> (NumPy dtype, elements); "real" is replaced by the dtype that the file is compiled for.
TYPES = {
    "real": ("real", 1),
    "float": ("float32", 1),
    "double": ("float64", 1),
    "int": ("int32", 1),
    "unsigned": ("uint32", 1),
    "long long": ("int64", 1),
    "unsigned char": ("uint8", 1),
    "bool": ("bool", 1),
    "half": ("float16", 1),
    "bfloat16": ("uint16", 1),  # NumPy has no bfloat16: its 16 bits travel as an integer
    "float2": ("float32", 2),
    "float4": ("float32", 4),
    "int4": ("int32", 4),
    "uint4": ("uint32", 4),
    "TensorMap": ("V128", 1),  # 128 bytes by value, which say where an array lies (gpunet/backend/tensor_maps.py)
}
ENTRY = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(?P<name>\w+)\s*\((?P<list>[^)]*)\)\s*\{'
)
NO_TYPE = ("*", "const", "__grid_constant__", "optional", "aligned16")  # words of a declaration that name no type
ALIAS = re.compile(r"^using\s+(\w+)\s*=\s*(\w+)\s*;", re.M)  # another name for a type: `using Number = half;`
# A name for a part of a parameter list: `#define SIZES int rows, int channels`, perhaps over several lines.
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+((?:[^\n]*\\\n)*[^\n]*)", re.M)


class Parameter(NamedTuple):
    """One parameter of a kernel: a pointer (an array is passed for it) or a scalar."""

    name: str
    type: str  # C++ type without const and *
    dtype: np.dtype
    pointer: bool
    writes: bool  # a pointer to non-const: the kernel may write there
    optional: bool  # None may be passed; the kernel gets a null pointer
    alignment: int  # bytes that the address must be a multiple of


class Entry(NamedTuple):
    """One `extern "C" __global__` function: its name and parameters, and where head and body lie in the text."""

    name: str
    parameters: tuple[Parameter, ...]
    head: tuple[int, int]  # from `extern` to the brace
    body: tuple[int, int]  # from the brace to its match, both included


def without_comments(text: str) -> str:
    """Return the text with comments and strings (but "C") blanked out, so that positions and line numbers stay."""

    def blank(match: re.Match) -> str:
        found = match.group()
        return found if found == '"C"' else re.sub(r"[^\n]", " ", found)

    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def matching_brace(text: str, start: int) -> int:
    """Return the position just after the brace that closes the one at `start`."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.end()
    raise ValueError(f"the brace at line {text.count(chr(10), 0, start) + 1} is never closed")


def entries(text: str, real: np.dtype) -> list[Entry]:
    """Return the kernels of a source text. Raises ValueError for a parameter whose type is not in TYPES."""
    text = without_comments(text)
    names, macros = dict(ALIAS.findall(text)), dict(MACRO.findall(text))

    def parameters(match: re.Match) -> tuple[Parameter, ...]:
        given = (macros.get(part.strip(), part).replace("\\\n", " ") for part in match["list"].split(","))
        parts = (re.sub(r"\w+", lambda word: names.get(word[0], word[0]), part) for part in ",".join(given).split(","))
        return tuple(parameter(part, match["name"], real) for part in parts if part.strip())

    return [
        Entry(
            match["name"],
            parameters(match),
            match.span(),
            (match.end() - 1, matching_brace(text, match.end() - 1)),
        )
        for match in ENTRY.finditer(text)
    ]


def spans(text: str) -> dict[str, tuple[int, int]]:
    """Return where each kernel of a source text lies, head and body, in the order of the text."""
    text = without_comments(text)
    return {m["name"]: (m.start(), matching_brace(text, m.end() - 1)) for m in ENTRY.finditer(text)}


def parameter(declaration: str, entry: str, real: np.dtype) -> Parameter:
    """Parse one declaration, such as `optional const real* bias` or `int rows`."""
    words = declaration.replace("*", " * ").replace("__restrict__", " ").split()
    name, pointer = words[-1], "*" in words
    type_ = " ".join(word for word in words[:-1] if word not in NO_TYPE)
    if type_ not in TYPES or words.count("*") > 1:
        raise ValueError(
            f"kernel {entry}: got parameter `{' '.join(words)}`, expected a type out of "
            f"{', '.join(TYPES)}, or a pointer to one: extend TYPES in kernels/loader/signature.py"
        )
    base, elements = TYPES[type_]
    dtype = real if base == "real" else np.dtype(base)
    alignment = 16 if "aligned16" in words else dtype.itemsize * elements
    return Parameter(name, type_, dtype, pointer, pointer and "const" not in words, "optional" in words, alignment)
