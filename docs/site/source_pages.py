"""Links from the pages to code: each leads to a page of the site with the text of the file, or to the list of a folder.

A link of a Markdown page to gpunet/optim.py becomes one to source/gpunet/optim.py.html, which is made when the site is
built. A file that a browser shows by itself, such as a page or a notebook, is copied to its place instead.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[2]
COPIED = {".html", ".ipynb", ".png", ".gif", ".svg"}
CUDA = {".cu", ".cuh"}
SCHEME = "source:"  # of a link whose place in the site is not yet known
HIDDEN = {"__pycache__", ".DS_Store"}


class LinksToCode(SphinxTransform):
    """Make of links to files and folders of the project references that begin with SCHEME."""

    default_priority = 200

    def apply(self, **more: Any) -> None:
        here = ROOT / self.env.docname
        for node in list(self.document.findall(addnodes.download_reference)) + [
            each for each in self.document.findall(addnodes.pending_xref) if each.get("reftype") == "myst"
        ]:
            path = (here.parent / unquote(node["reftarget"].partition("#")[0])).resolve()
            if path.is_relative_to(ROOT) and path.exists() and path.suffix != ".md":
                target = SCHEME + path.relative_to(ROOT).as_posix()
                node.replace_self(nodes.reference("", "", *node.children, refuri=target, internal=True))


class NamedPlaces(SphinxTransform):
    """Let links of Markdown lead to places that a page names by <a id="name"></a>, as those of the glossary."""

    default_priority = 200

    def apply(self, **more: Any) -> None:
        slugs = getattr(self.document, "myst_slugs", None)
        if slugs is None:
            return
        for node in self.document.findall(nodes.raw):
            if named := re.match(r'<a id="([^"]+)">', node.astext()):
                slugs[named[1]] = (node.line or 0, named[1], named[1])
        self.env.metadata[self.env.docname]["myst_slugs"] = slugs


def place(path: str) -> str:
    """Return where in the site a file or folder of the project is shown."""
    return path if Path(path).suffix in COPIED else f"source/{path}.html"


def resolve(app: Any, document: Any, name: str) -> None:
    """Point the references of a page to where the files are shown, and note which these are."""
    for node in document.findall(nodes.reference):
        if node.get("refuri", "").startswith(SCHEME):
            path, _, line = node["refuri"].removeprefix(SCHEME).partition("#")
            app.env.shown_files.add(path)
            up = os.path.relpath(place(path), os.path.dirname(name) or ".")
            node["refuri"] = f"{up}#{line}" if line else up


def code_of(domain: str, info: dict[str, str]) -> str | None:
    """Return the reference to the lines that define a name of the reference pages (sphinx.ext.linkcode), or None."""
    thing: Any = sys.modules.get(info["module"])
    for name in info["fullname"].split("."):
        thing = inspect.getattr_static(thing, name, None) if inspect.isclass(thing) else getattr(thing, name, None)
    thing = inspect.unwrap(thing.fget if isinstance(thing, property) else thing)
    try:
        path = Path(inspect.getsourcefile(thing) or "").resolve()
        line = inspect.getsourcelines(thing)[1]
    except (TypeError, OSError):
        return None
    return f"{SCHEME}{path.relative_to(ROOT).as_posix()}#L-{line}" if path.is_relative_to(ROOT) else None


def shown(wanted: set[str]) -> set[str]:
    """Return files and folders with all that the folders among them list."""
    found, rest = set[str](), list(wanted)
    while rest:
        if (path := rest.pop()) not in found:
            found.add(path)
            if (ROOT / path).is_dir():
                rest += [f"{path}/{each}" for each in listing(path)]
    return found


def listing(folder: str) -> list[str]:
    """Return the names in a folder: folders first, no caches."""
    names = [each for each in (ROOT / folder).iterdir() if each.name not in HIDDEN and not each.is_symlink()]
    return [each.name for each in sorted(names, key=lambda each: (each.is_file(), each.name))]


def pages(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the pages of files and folders: name, what the theme's template is given, and the template."""
    for path in sorted(shown(app.env.shown_files)):
        if Path(path).suffix in COPIED:
            continue
        body = folder_body(path) if (ROOT / path).is_dir() else file_body(ROOT / path)
        yield f"source/{path}", {"title": path, "body": f"<h1>{escape(path)}</h1>\n{body}"}, "page.html"


def folder_body(path: str) -> str:
    """Return the list of a folder as HTML."""
    here = os.path.dirname(place(path))
    links = [(name, os.path.relpath(place(f"{path}/{name}"), here)) for name in listing(path)]
    return "<ul>" + "".join(f'<li><a href="{escape(to)}">{escape(name)}</a></li>' for name, to in links) + "</ul>"


def file_body(file: Path) -> str:
    """Return the text of a file as HTML, with numbered lines whose anchors are L-1, L-2 and so on."""
    try:
        lexer = get_lexer_by_name("cuda") if file.suffix in CUDA else get_lexer_for_filename(file.name)
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    return highlight(file.read_text(encoding="utf-8"), lexer, HtmlFormatter(linenos="inline", lineanchors="L"))


def copy_files(app: Any, error: Exception | None) -> None:
    """Copy what a browser shows by itself to its place."""
    for path in sorted(shown(app.env.shown_files)) if error is None else ():
        if Path(path).suffix in COPIED:
            target = Path(app.outdir, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, target)


def start(app: Any) -> None:
    """Prepare the note of what is shown."""
    app.env.shown_files = set()


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_transform(LinksToCode)
    app.add_transform(NamedPlaces)
    app.connect("builder-inited", start)
    app.connect("doctree-resolved", resolve)
    app.connect("html-collect-pages", pages)
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
