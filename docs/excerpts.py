"""Copy pieces of the code into the pages: python docs/excerpts.py [--check]

A page asks for a piece by a comment. The fenced block right behind the comment is the piece, as the code has it today:

    <!-- excerpt: gpunet/loops/linear.py linear -->                            a function, a class, or Class.method
    <!-- excerpt: gpunet/loops/linear.py linear without docstring -->          the same without its docstring
    <!-- excerpt: kernels/activations.cu relu -->                              a function or struct of a CUDA source
    <!-- excerpt: kernels/im2col.cu "first line" to "last line" -->            the lines from one to the other

A CUDA function comes with the comment above it, which is its docstring. The lines of a range are told by how they
begin, spaces aside. A block of Python is marked `py`: an excerpt is to be read, and blocks marked `python` are to be
run. `--check` writes nothing and ends with status 1 where a page and the code differ.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from gpunet.files import write_atomically  # noqa: E402

MARK = re.compile(r"^<!-- excerpt: ([^\n]*?) -->$(?:\n```[^\n]*\n(?:.*?\n)??```$)?", re.M | re.S)
RANGE = re.compile(r'"(?P<first>.+)" to "(?P<last>.+)"')
FENCES = {".py": "py", ".cu": "cuda", ".cuh": "cuda", ".cpp": "cpp", ".h": "cpp"}


class Asked(NamedTuple):
    """What a comment asks for: a file, and the name of a piece of it or the quoted lines of a range."""

    path: str
    piece: str
    docstring: bool


def asked(text: str) -> Asked:
    """Return what a comment asks for. Raises ValueError for one without a piece."""
    path, _, piece = text.strip().partition(" ")
    name = piece.removesuffix(" without docstring")
    if not name:
        raise ValueError(f"got the excerpt {text!r}, expected a file and a name, or a file and two quoted lines")
    return Asked(path, name, docstring=name == piece)


def excerpt(wanted: Asked, root: Path = ROOT) -> str:
    """Return a piece of a file of the project, without common indentation. Raises ValueError if it is missing."""
    path = root / wanted.path
    if not path.is_file():
        raise ValueError(f"got an excerpt of {wanted.path}, which does not exist: name a file from the project's root")
    lines = path.read_text(encoding="utf-8").splitlines()
    if between := RANGE.fullmatch(wanted.piece):
        found = range_of(lines, between["first"], between["last"])
    elif path.suffix == ".py":
        found = python_piece(lines, wanted)
    else:
        found = cuda_piece(lines, wanted)
    if not found:
        raise ValueError(f"{wanted.path} has no {wanted.piece}: name what it has now")
    return textwrap.dedent("\n".join(found))


def range_of(lines: list[str], first: str, last: str) -> list[str]:
    """Return the lines from the first that begins like `first` to the next that begins like `last`."""
    begins = [i for i, line in enumerate(lines) if line.strip().startswith(first)]
    ends = [i for i, line in enumerate(lines) if begins and i >= begins[0] and line.strip().startswith(last)]
    return lines[begins[0] : ends[0] + 1] if ends else []


def python_piece(lines: list[str], wanted: Asked) -> list[str]:
    """Return the lines of a function, class or method, its decorators included."""
    body: list[ast.stmt] = ast.parse("\n".join(lines)).body
    node: ast.stmt | None = None
    for name in wanted.piece.split("."):
        named = [each for each in body if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name == name]
        if not named:
            return []
        node = named[0]
        body = node.body
    assert isinstance(node, ast.FunctionDef | ast.ClassDef) and node.end_lineno
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    if wanted.docstring or ast.get_docstring(node) is None:
        return lines[first - 1 : node.end_lineno]
    docstring = node.body[0]
    return [*lines[first - 1 : docstring.lineno - 1], *lines[docstring.end_lineno : node.end_lineno]]


def cuda_piece(lines: list[str], wanted: Asked) -> list[str]:
    """Return the lines of a function or struct of a CUDA source; Struct.method looks inside the struct."""
    for name in wanted.piece.split("."):
        starts = [i for i, line in enumerate(lines) if defines(lines, i, name)]
        if not starts:
            return []
        first = last = starts[0]
        while not balanced(lines[first : last + 1]):
            last += 1
        while first and begins_earlier(lines[first - 1]):
            first -= 1
        above = first
        while above and lines[above - 1].strip().startswith("//"):
            above -= 1
        piece = lines[above if wanted.docstring else first : last + 1]
        lines = lines[starts[0] + 1 : last]
    return piece


def defines(lines: list[str], i: int, name: str) -> bool:
    """Return whether line i names a function or struct whose body follows: a brace comes before the next semicolon."""
    code = without_comment(lines[i])
    if not re.search(rf"(?:\b{re.escape(name)}\(|\bstruct (?:alignas\(\d+\) )?{re.escape(name)}\b)", code):
        return False
    if re.match(r"\s*(?:return|if|for|while|else)\b|.*[=;].*\b" + re.escape(name), code):
        return False
    following = "\n".join(without_comment(line) for line in lines[i:])
    following = following[following.index(name) :]
    return 0 <= following.find("{") < (following.find(";") % (len(following) + 1))


def balanced(lines: list[str]) -> bool:
    """Return whether the lines have opened a brace and closed all they opened."""
    code = "\n".join(map(without_comment, lines))
    return "{" in code and code.count("{") == code.count("}")


def begins_earlier(line: str) -> bool:
    """Return whether a definition goes on from this line: it is no end, no comment, no macro and not blank."""
    code = without_comment(line).strip()
    return bool(code) and not code.startswith("#") and code[-1] not in "};{:"


def without_comment(line: str) -> str:
    """Return a line without the // comment at its end."""
    return line.split("//")[0]


def updated(page: str, root: Path = ROOT) -> str:
    """Return the text of a page with each excerpt as the code has it today. Raises ValueError if one is missing."""

    def block(match: re.Match[str]) -> str:
        wanted = asked(match[1])
        fence = FENCES.get(Path(wanted.path).suffix, "")
        return f"<!-- excerpt: {match[1]} -->\n```{fence}\n{excerpt(wanted, root)}\n```"

    return MARK.sub(block, page)


def pages(root: Path = ROOT) -> list[Path]:
    """Return the pages of the project that may hold excerpts."""
    return [path for path in (*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))) if path.is_file()]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the excerpts of all pages, or compare them; return 1 if they differ (--check) or one is missing."""
    parser = argparse.ArgumentParser(description="Copy pieces of the code into the pages.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with status 1 where they differ")
    check, status = parser.parse_args(arguments).check, 0
    for page in pages(root):
        before = page.read_text(encoding="utf-8")
        try:
            after = updated(before, root)
        except ValueError as error:
            print(f"{page.relative_to(root)}: {error}", file=sys.stderr)
            status = 1
            continue
        if before == after:
            continue
        print(f"{page.relative_to(root)}: {'differs from the code' if check else 'written'}")
        if check:
            status = 1
        else:
            write_atomically(page, after.encode())
    return status


if __name__ == "__main__":
    sys.exit(main())
