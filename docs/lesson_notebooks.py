"""Make notebooks of the lessons: python docs/lesson_notebooks.py [--out build/notebooks]

A lesson's page becomes a .py file in the percent format of notebook.py, and that becomes the .ipynb beside it. Blocks
marked `python` are cells of code, which the tests run on the page itself; all else is text. Pictures travel in the
notebook, links lead to the files of the checkout.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

from make_notebook import as_json, notebook  # noqa: E402

LESSONS = sorted((HERE / "lessons").glob("*.md"))
CODE = re.compile(r"(?P<excerpt>^<!-- excerpt: [^\n]*\n+)?^```(?P<mark>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")
NOTE = """This notebook is the lesson {name}.md of the project. It needs the project installed in its environment: `pip
install .` in a checkout."""


def percent(page: Path, link: Callable[[str], str]) -> str:
    """Return a lesson in the percent format. link: what becomes of the target of a link, as the page has it."""
    text, parts, done = page.read_text(encoding="utf-8"), [], 0
    for block in CODE.finditer(text):
        if block["mark"] == "python" and not block["excerpt"]:
            parts += [_markdown(text[done : block.start()], link), "# %%\n" + block["code"]]
            done = block.end()
    parts.append(_markdown(text[done:], link))
    note = _markdown(NOTE.format(name=page.stem), link)
    title, _, rest = parts[0].partition("\n#\n")
    return "\n".join(part for part in [title, "#", *note.splitlines()[1:], "#", rest, *parts[1:]] if part)


def _markdown(text: str, link: Callable[[str], str]) -> str:
    """Return a cell of text, without the comments that name excerpts; an empty text for no cell."""
    text = re.sub(r"^<!-- excerpt: .*\n", "", text, flags=re.M).strip("\n")
    lines = LINK.sub(lambda found: _linked(found, link), text).splitlines()
    return "\n".join(["# %% [markdown]", *(f"# {line}".rstrip() for line in lines)]) + "\n" if lines else ""


def _linked(found: re.Match, link: Callable[[str], str]) -> str:
    target = found["target"]
    if found["picture"]:
        return f"![{found['text']}](attachment:{target})"
    if target and not target.startswith("http"):
        target = link(target)
    return f"[{found['text']}]({target}{found['anchor'] or ''})"


def with_pictures(made: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Put the pictures that the cells name into them: the format calls these attachments."""
    for cell in made["cells"]:
        for name in re.findall(r"\(attachment:([^)]+)\)", "".join(cell["source"])):
            data = base64.b64encode((folder / name).read_bytes()).decode()
            kind = f"image/{Path(name).suffix[1:]}"
            cell.setdefault("attachments", {})[name] = {kind: data}
    return made


def write(out: Path, link: Callable[[str], str] | None = None) -> list[Path]:
    """Write the .py and the .ipynb of every lesson into a folder; return the notebooks."""
    out.mkdir(parents=True, exist_ok=True)
    made = []
    for page in LESSONS:
        text = percent(page, link or (lambda target, page=page: os.path.relpath(page.parent / target, out)))
        (out / f"{page.stem}.py").write_text(text, encoding="utf-8")
        made.append(out / f"{page.stem}.ipynb")
        made[-1].write_text(as_json(with_pictures(notebook(text), page.parent)), encoding="utf-8")
    return made


def main(argv: list[str] | None = None) -> int:
    """Write the notebooks; return the exit status."""
    parser = argparse.ArgumentParser(description="Make notebooks of the lessons.")
    parser.add_argument("--out", type=Path, default=ROOT / "build/notebooks", help="their folder (build/notebooks)")
    out = parser.parse_args(argv).out.resolve()
    try:
        made = write(out)
    except OSError as error:
        print(f"error: cannot write the notebooks: {error.filename or out}: {error.strerror}", file=sys.stderr)
        return 2
    print("\n".join(f"made {place}" for place in made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
