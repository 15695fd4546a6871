"""What is wrong with the pages of a built site: links that lead nowhere, and anything that is asked of another host."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("object", "data")}
IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)")


class Page(HTMLParser):
    """The links of a page, what it loads, and the names that links may point to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links, self.loads, self.names = list[str](), list[str](), {"", "top"}
        text = file.read_text(encoding="utf-8")
        self.loads += IN_STYLES.findall(text)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag points to."""
        for name, value in attrs:
            if (tag, name) in LOADED:
                self.loads.append(value or "")
            elif (tag, name) == ("a", "href"):
                self.links.append(value or "")
            elif name == "id" or (tag, name) == ("a", "name"):
                self.names.add(value or "")


def problems(site: Path) -> list[str]:
    """Return one line for each fault of the pages in a folder."""
    pages = {file: Page(file) for file in sorted(site.rglob("*.html"))}
    found = [f"{site}: no pages"] if not pages else []
    for file, page in pages.items():
        for target in page.loads:
            if urlsplit(target).netloc:
                found.append(f"{file.relative_to(site)}: loads {target} from another host")
        for target in {*page.links, *page.loads}:
            if why := _dead(file, target, pages):
                found.append(f"{file.relative_to(site)}: {target}: {why}")
    for file in sorted(site.rglob("*.css")):
        named = IN_STYLES.findall(file.read_text(encoding="utf-8"))
        found += [f"{file.relative_to(site)}: loads {target} from another host" for target in named]
    return found


def _dead(file: Path, target: str, pages: dict[Path, Page]) -> str:
    """Return why a link of a page leads nowhere; an empty text where it leads somewhere, or to another host."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return ""
    place = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if place.is_dir() or not place.exists():
        return "no such file"
    if place in pages and unquote(parts.fragment) not in pages[place].names:
        return "no such name in the page"
    return ""
