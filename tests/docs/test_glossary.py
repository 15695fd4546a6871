"""The pages of the course link the terms of the glossary: each term where a page's prose first uses it."""

import re

import pytest

from pages import ROOT

COURSE = [ROOT / "docs/start.md", *sorted((ROOT / "docs/lessons").glob("*.md"))]
# Pages that a learner reads after the lessons.
NEXT = [ROOT / f"docs/{name}.md" for name in ("kernels", "convolution", "batchnorm", "training", "compare", "puzzles")]
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").partition("\n## Words of the field")[2]
# Terms that are everyday words, too. No test can tell the two senses apart, so a reader links these by hand.
EVERYDAY = [
    *("branch", "depth", "direct", "factor", "form", "line", "page", "place", "plan", "point", "room", "run", "score"),
    *("share", "source", "split", "start", "step", "store", "variant", "view", "wanted", "window"),
]
# Terms that a page explains itself, or uses in another sense than the glossary.
NEEDS_NO_LINK = {
    "start": ("block",),  # a block of Python
    "1-chain-rule": ("central difference",),  # it has a heading of its own there
    "5-batch-norm": ("block",),  # a block of rows that are added up
    "8-kernels": ("parameter",),  # the parameter of a template
    "kernels": ("padding", "parameter", "plane", "rate"),  # of rows, a function, chunks and tensor cores
    "batchnorm": ("block", "mask"),  # blocks of rows, a mask of signs
}


def terms():
    """Return each term of the glossary with the ends of the links that lead to it: several where it has senses."""
    found = {}
    for anchor, words in re.findall(r'^\* <a id="([a-z0-9_-]+)"></a>(.*?)(?=:|$)', GLOSSARY, re.M):
        for word in re.findall(r"\*\*(.+?)\*\*", words):
            found.setdefault(word, set()).add(anchor)
    return found


TERMS = {word: anchors for word, anchors in terms().items() if word not in EVERYDAY}


def uses(word):
    """Return what finds a term or its plural, also across lines. Batch norm is no batch, and banks.cu a file."""
    anywhere = r"\s+".join(word.split())
    return re.compile(rf"(?<![\w/-]){anywhere}(s|es)?(?![\w/-]|\.\w|\s+norm)", re.I)


NO_PROSE = re.compile(
    r"^Reading time: .*?\n\n"  # what a lesson promises
    r"|^```.*?^```|^\$\$.*?^\$\$|<!--.*?-->"  # code, mathematics, comments
    r"|^    [^\n]*|^\|[^\n]*|^#[^\n]*"  # text set like code, tables, headings
    r"|`[^`]*`|!?\[[^\]]*\]\([^)]*\)",  # code in a sentence, links and pictures
    re.M | re.S,
)


def dotted(match):
    """Return a text of the same length without words, so that all other places stay."""
    return re.sub(r"\S", ".", match[0])


def unlinked(text, name=""):
    """Return the terms that the prose of a page uses before a link explains them."""
    links = {anchor: text.index(f"glossary.md#{anchor})") for anchor in re.findall(r"glossary\.md#([\w-]+)\)", text)}
    prose = NO_PROSE.sub(dotted, text)
    found = []
    for word, anchors in sorted(TERMS.items(), key=lambda term: -len(term[0])):  # "residual block" before "block"
        first = uses(word).search(prose)
        prose = uses(word).sub(dotted, prose)
        linked = first and any(links.get(anchor, len(text)) < first.start() for anchor in anchors)
        if first and not linked and word not in NEEDS_NO_LINK.get(name, ()):
            found.append(word)
    return found


@pytest.mark.parametrize("page", [*COURSE, *NEXT], ids=lambda page: page.stem)
def test_a_page_links_the_terms_that_it_uses(page):
    assert not unlinked(page.read_text(encoding="utf-8"), page.stem)


@pytest.mark.parametrize(
    "text, missing",
    [
        ("Two warps wait.", ["warp"]),
        ("Two [warps](../glossary.md#warp) wait, and the warp", []),
        ("A warp waits, as [warps](../glossary.md#warp) do.", ["warp"]),
        ("Reading time: 5 minutes for a\nwarp.\n\nThe forward `and` pass", []),
        ("A residual\nblock adds.", ["residual block"]),
        ("`warp`\n\n    warp\n\n## Warp\n\n| warp |\n\n```cuda\nwarp\n```\n\n$$\nwarp\n$$\n", []),
        ("It has a [link](warp.md), batch norm, and my/banks.cu", []),
        ("a [tile](glossary.md#tile-winograd), a tile", []),
    ],
)
def test_what_is_unlinked(text, missing):
    assert unlinked(text) == missing


def test_the_lists_are_as_short_as_they_can_be():
    """A word that is on a list without need would hide a term that is used later."""
    assert len(TERMS) > 60 and set(EVERYDAY) <= set(terms())
    for page in [*COURSE, *NEXT]:
        text = page.read_text(encoding="utf-8")
        assert set(NEEDS_NO_LINK.get(page.stem, ())) <= set(unlinked(text)), page
