"""Every link of every Markdown page leads somewhere: to a file, a folder, a #heading. The network is not asked."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from pages import MARKDOWN, ROOT

LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?(?P<target>[^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s*(?P<target>\S+)", re.M)
TAG = re.compile(r"<(?:a|img)\s[^>]*?(?:href|src)=\"(?P<target>[^\"]+)\"")
ELSEWHERE = re.compile(r"(https?|mailto):")


def prose(text: str) -> str:
    """Return a page without its code: fenced blocks, blocks indented by four, and `...` in sentences."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
    text = re.sub(r"(?:\A|\n)\n(?: {4}.*\n|\n)+", "\n\n", text)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "code", text, flags=re.S)


def links(text: str) -> list[str]:
    """Return the targets of the links and pictures of a page."""
    return [found["target"] for kind in (LINK, REFERENCE, TAG) for found in kind.finditer(prose(text))]


def anchors(text: str) -> set[str]:
    """Return the names that GitHub gives the headings of a page: lower case, hyphens for blanks, no punctuation."""
    names: set[str] = set()
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", text, re.M):
        heading = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("\\", "")  # a link's words stay
        name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        numbered = (f"{name}-{number}" if number else name for number in range(len(names) + 1))
        names.add(next(each for each in numbered if each not in names))
    return names | set(re.findall(r"<a\s[^>]*?(?:id|name)=\"([^\"]+)\"", text))


def wrong(page: Path, target: str) -> str:
    """Return what is wrong with a link of a page; an empty text where it leads to something."""
    if ELSEWHERE.match(target):
        return ""
    place, _, anchor = target.partition("#")
    file = (page.parent / unquote(place)).resolve() if place else page
    if not file.is_relative_to(ROOT):
        return f"{target}: leads out of the project"
    if not file.exists():
        return f"{target}: no such file"
    if anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
        return f"{target}: {file.name} has no such heading"
    return f"{target}: an anchor in a file that is no page" if anchor and file.suffix != ".md" else ""


@pytest.mark.parametrize("page", MARKDOWN, ids=[str(page.relative_to(ROOT)) for page in MARKDOWN])
def test_links_lead_somewhere(page):
    found = [wrong(page, target) for target in links(page.read_text(encoding="utf-8"))]
    assert not any(found), [each for each in found if each]


def test_links_are_found():
    found = links((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(found) > 50 and {"docs/demo.png", "dcgan/steps.py", "docs/kernels.md"} <= set(found)
    assert sum(len(links(page.read_text(encoding="utf-8"))) for page in MARKDOWN) > 200


@pytest.mark.parametrize(
    "text, targets",
    [
        ("[a](b.md) and ![c `d`](e.png)", ["b.md", "e.png"]),
        ("[a\nb](c.md#d)", ["c.md#d"]),
        ('[a](b.md "title"), [![p](q.png)](r.md)', ["b.md", "r.md"]),
        ("`[a](b.md)`, ``[`a`](b.md)``", []),
        ("text\n\n    code [a](b.md)\n\n[c](d.md)", ["d.md"]),
        ("```python\nx[0](y)\n```\n[c](d.md)", ["d.md"]),
        ('<a href="b.md">c</a>\n[d]: e.md', ["e.md", "b.md"]),
    ],
)
def test_which_links_a_text_has(text, targets):
    assert links(text) == targets


def test_names_of_headings():
    text = "# A `b` c-d: e?\n## A b c-d e\n```\n# no\n```\n### [The link](x.md) of 2\n## a_b\n## A b\n## A b"
    assert anchors(text) == {"a-b-c-d-e", "a-b-c-d-e-1", "the-link-of-2", "a_b", "a-b", "a-b-1"}


@pytest.mark.parametrize(
    "target, says",
    [
        ("no.md", "no such file"),
        ("data.md#no", "no such heading"),
        ("#no", "no such heading"),
        ("../../no.md", "leads out"),
        ("notebook.py#L3", "no page"),
        ("data.md", ""),
        ("../kernels", ""),
        ("https://example.org/#a", ""),
    ],
)
def test_what_is_wrong_with_a_link(target, says):
    found = wrong(ROOT / "docs/training.md", target)
    assert says in found and bool(found) is bool(says)
