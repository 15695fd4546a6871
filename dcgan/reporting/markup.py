"""HTML text that is safe by its making: whatever is not made by `tag` is escaped before it stands in a page.

    tag("td", "a < b", class_="name")    <td class="name">a &lt; b</td>

So a file name or an option that holds HTML is shown as the text that it is.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from typing import Any

from dcgan.streams import one_line, shortened

MOST = 2000  # letters of one text
VOID = ("img", "input", "line", "circle", "polyline", "polygon")  # elements without content, of HTML and of SVG
Child = Any  # what an element may hold: Markup, text, a number, a list of these, or None for nothing


class Markup(str):
    """A text that is HTML already."""


def tag(name: str, *children: Child, **attributes: Any) -> Markup:
    """Return an element with its children and attributes.

    class_ and for_ stand for class and for, an underline within a name for a hyphen. An attribute that is True stands
    alone, one that is None or False is left out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None and value is not False:
            written = key.rstrip("_").replace("_", "-")
            words.append(written if value is True else f'{written}="{escaped(value)}"')
    start = " ".join(words)
    return Markup(f"<{start}/>" if name in VOID else f"<{start}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Return children one behind the other: Markup as it is, all else escaped."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, list | tuple):
            parts.append(joined(*child))
        elif child is not None:
            parts.append(child if isinstance(child, Markup) else escaped(child))
    return Markup("".join(parts))


def escaped(value: Any) -> str:
    """Return a value as printable text on one line, without what HTML would read as its own; a space at an end stays.

    A data URI, which is made here and is longer than any text, is Markup and stays as it is.
    """
    if isinstance(value, Markup):
        return value
    text = str(value)
    first, last = (" " if end.isspace() else "" for end in (text[:1], text[-1:]))
    return first + html.escape(shortened(one_line(text), MOST)) + last


def data_block(value: Any) -> Markup:
    """Return a value as JSON in a block that no browser runs, for the script of the page to read."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")  # no "</script>" in it
    return Markup(f'<script type="application/json">{text}</script>')


def source_hash(text: str) -> str:
    """Return the source expression of an inline script or style for a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
