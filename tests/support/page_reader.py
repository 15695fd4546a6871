"""Reads a report as a browser would, by html.parser: its elements, texts, tables, pictures and data."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

VOID = ("img", "input", "meta", "link")
DRAWN = ("line", "polyline", "polygon", "circle")  # of SVG, which end in themselves


class Page(HTMLParser):
    """The elements of a page in their order, {"": name, attribute: value}, and the texts that they hold.

    Raises AssertionError where elements are not nested properly.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source, self.open = source, list[dict[str, Any]]()
        self.elements: list[dict[str, Any]] = []
        self.content: list[tuple[dict[str, Any], str]] = []  # an element and a text in it
        self.feed(source)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = {"": tag, "inside": [each[""] for each in self.open]} | dict(attributes)
        assert len(attributes) == len(dict(attributes)), f"an attribute twice: {attributes}"
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in VOID + DRAWN, f"a browser does not end <{tag}/>"
        self.elements.append({"": tag} | dict(attributes))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[""] == tag

    def handle_data(self, text: str) -> None:
        for element in self.open:
            self.content.append((element, text))

    def all(self, name: str) -> list[dict[str, Any]]:
        """Return all elements of a name."""
        return [element for element in self.elements if element[""] == name]

    def inner(self, element: dict[str, Any]) -> str:
        """Return the text within an element."""
        return "".join(text for each, text in self.content if each is element)

    def texts(self, name: str) -> list[str]:
        """Return the text within each element of a name."""
        return [self.inner(element) for element in self.all(name)]

    @property
    def title(self) -> str:
        """The title of the page."""
        return self.texts("title")[0]

    @property
    def text(self) -> str:
        """All that is shown."""
        return self.inner(self.all("main")[0])

    @property
    def rows(self) -> list[list[str]]:
        """The cells of each row of each table."""
        rows = [[] for _ in self.all("tr")]
        at = -1
        for element in self.elements:
            at += element[""] == "tr"
            if element[""] in ("td", "th"):
                rows[at].append(self.inner(element))
        return rows

    @property
    def data(self) -> list[Any]:
        """What the script reads of each chart."""
        return [json.loads(self.inner(each)) for each in self.all("script") if each.get("type") == "application/json"]

    @property
    def policy(self) -> str:
        """The Content-Security-Policy."""
        (found,) = [each for each in self.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
        return found["content"]

    @property
    def reloads(self) -> bool:
        """Whether the page loads itself again, with a script and without one."""
        refresh = [each for each in self.all("meta") if each.get("http-equiv") == "refresh"]
        live = "data-live" in self.all("body")[0]
        assert bool(refresh) == live
        return live

    def hashes(self, name: str) -> set[str]:
        """Return the hashes of all styles, or of all scripts that a browser runs."""
        texts = [self.inner(each) for each in self.all(name) if each.get("type") != "application/json"]
        return {"sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts}

    def pixels(self, image: dict[str, Any]) -> np.ndarray:
        """Return the pixels of an <img>."""
        head, content = image["src"].split(",")
        assert head == "data:image/png;base64"
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def read_page(path: Path) -> Page:
    """Return the page of a file."""
    return Page(path.read_text(encoding="utf-8"))
