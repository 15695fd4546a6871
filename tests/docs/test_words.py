"""How the pages are written: 120 columns, ^ for powers alone, a glossary whose terms can be linked to."""

import re

import pytest

from pages import PAGES, PROGRAMS, ROOT

WIDE = 120
WRITTEN = [*PAGES, ROOT / "CHANGELOG.md"]
BEGUN, ENDED = re.compile(r"<!-- (?!excerpt|end of)[\w -]+ -->"), re.compile(r"<!-- end of [\w -]+ -->")
ALONE = re.compile(r"\s*(?:[*-]|\d+\.)?\s*\**!?\[.*\]\([^)]*\)\**[.:,;]?")  # a link or a picture with a line for itself


def too_long(text: str) -> list[str]:
    """Return the lines of over 120 columns that have to be wrapped.

    Tables, links that stand alone, commands without a comment, and what a program has written may be longer.
    """
    found, written_by_program = [], False
    for line in text.splitlines():
        written_by_program = bool(BEGUN.match(line)) or (written_by_program and not ENDED.match(line))
        command = line.startswith("    ") and line.strip().startswith(PROGRAMS) and " # " not in line
        if len(line) > WIDE and not (written_by_program or command or line.startswith("|") or ALONE.fullmatch(line)):
            found.append(line)
    return found


def exclusive_ors(text: str) -> list[str]:
    """Return the lines in which ^ stands between blanks, as C writes xor; excerpts of code may have it."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [line for line in text.splitlines() if " ^ " in line or re.search(r"`[^`]*\^ ?=?\d+`", line)]


@pytest.mark.parametrize("page", WRITTEN, ids=[str(page.relative_to(ROOT)) for page in WRITTEN])
def test_pages_keep_to_120_columns(page):
    assert not too_long(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", WRITTEN, ids=[str(page.relative_to(ROOT)) for page in WRITTEN])
def test_a_power_is_all_that_the_sign_means(page):
    assert not exclusive_ors(page.read_text(encoding="utf-8")), "write xor"


LONG = "word " * 30


@pytest.mark.parametrize(
    "text, wrong",
    [
        (LONG, True),
        (f"* {LONG}", True),
        (f"    {LONG}", True),
        (f"    python -m dcgan.train {LONG}", False),
        (f"    python -m dcgan.train   # {LONG}", True),
        (f"| {LONG} |", False),
        (f"![{LONG}](a.png)", False),
        (f"[{LONG}](a.md) and more", True),
        (f"<!-- course -->\n{LONG}\n<!-- end of course -->", False),
        (f"<!-- course -->\n<!-- end of course -->\n{LONG}", True),
        (f"<!-- excerpt: a.py b -->\n{LONG}", True),
    ],
)
def test_what_is_too_long(text, wrong):
    assert bool(too_long(text)) is wrong


@pytest.mark.parametrize(
    "text, wrong",
    [("x^2 and 2^-11", False), ("c ^ (m / 2)", True), ("`place ^ 32`", True), ("```c\na ^ b\n```", False)],
)
def test_what_is_an_exclusive_or(text, wrong):
    assert bool(exclusive_ors(text)) is wrong


def test_every_term_of_the_glossary_can_be_linked_to():
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\* (.*)", text.partition("## Words of the field")[2], re.M)
    names = [re.match(r'<a id="([a-z0-9_-]+)"></a>\*\*', term) for term in terms]
    assert len(terms) > 60 and all(names), [term for term, name in zip(terms, names, strict=True) if not name]
    assert len({name[1] for name in names if name}) == len(names)
