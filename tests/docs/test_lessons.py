"""The lessons of the course: what each begins and ends with, its five views, and the times that docs/start.md gives."""

import re

import pytest

from pages import ROOT

LESSONS = sorted((ROOT / "docs/lessons").glob("*.md"))
NAMES = [lesson.stem for lesson in LESSONS]
VIEWS = ("As loops", "As arrays (NumPy)", "As a kernel (CUDA)", "Checked", "What it costs")
WORDS_A_MINUTE = 85
START = (ROOT / "docs/start.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_a_lesson_says_how_long_it_takes_and_what_for(lesson):
    title, blank, first = lesson.read_text(encoding="utf-8").splitlines()[:3]
    minutes = re.match(r"Reading time: (\d+) minutes\. Afterwards you can ", first)
    assert title.startswith(f"# Lesson {lesson.name[0]}: ") and not blank and minutes, first
    row = re.search(rf"^\| .*\(lessons/{lesson.name}\) \| (\d+) \|", START, re.M)
    assert row and row[1] == minutes[1], "docs/start.md gives another time"


def words(text):
    """Return how many words a page has to read: no code, no mathematics, no comments, no addresses of links."""
    text = re.sub(r"^```.*?^```|^\$\$.*?^\$\$|<!--.*?-->|<[^>]*>", "", text, flags=re.M | re.S)
    return len([each for each in re.sub(r"\]\([^)]*\)", "]", text).split() if re.search(r"\w", each)])


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_reading_times_follow_one_rule(lesson):
    """85 words a minute, rounded to five minutes; 20 % are for changes of a lesson that are no reason to change it."""
    text = lesson.read_text(encoding="utf-8")
    minutes = int(re.search(r"Reading time: (\d+)", text)[1])
    assert minutes % 5 == 0 and minutes == pytest.approx(words(text) / WORDS_A_MINUTE, rel=0.2)
    assert f"{WORDS_A_MINUTE} words in a minute" in START


def test_what_is_a_word():
    assert words("Two [words](a/b.md#c) <!-- no -->\n\n```py\nx = 1\n```\n\n$$\nx\n$$\n\n| and | - |\n\n    y = 2") == 5


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_a_lesson_shows_its_operation_five_times(lesson):
    headings = re.findall(r"^## (.*)", lesson.read_text(encoding="utf-8"), re.M)
    assert [heading for heading in headings if heading in VIEWS] == list(VIEWS)


@pytest.mark.parametrize("lesson", LESSONS, ids=NAMES)
def test_a_lesson_has_a_picture_terms_and_an_end(lesson):
    text = lesson.read_text(encoding="utf-8")
    assert "![" in text and "glossary.md#" in text
    end = text.partition("\n## Summary")[2]
    following = [each for each in LESSONS if int(each.name[0]) == int(lesson.name[0]) + 1]
    assert end and "python -m puzzles" in end
    assert "\n## Exercises\n\n1. " in text and "\n<details><summary>Answers</summary>\n\n1. " in text
    assert all(f"]({each.name})" in end for each in following)


def test_a_measured_ratio_is_that_of_the_table():
    row = re.search(r"^\| dcgan64-nf64-b64 .*", (ROOT / "docs/speed.md").read_text(encoding="utf-8"), re.M)
    text = "".join(lesson.read_text(encoding="utf-8") for lesson in LESSONS)
    assert re.findall(r"(\d\.\d\d)\s+of\s+the\s+time\s+of\s+PyTorch", text) == [row[0].split("|")[7].strip()] * 2


@pytest.mark.parametrize("lesson", LESSONS[:7], ids=NAMES[:7])
def test_formulas_become_mathematics(lesson):
    """A name that the converter does not know would stay on the site as it is typed, with its backslash."""
    converter = pytest.importorskip("latex2mathml.converter")
    parts = lesson.read_text(encoding="utf-8").split("\n$$\n")
    assert len(parts) >= 3 and len(parts) % 2, "$$ opens and ends a formula"
    for formula in parts[1::2]:
        assert "\\" not in converter.convert(formula.strip(), display="block"), formula


def test_an_unknown_name_in_a_formula_is_noticed():
    converter = pytest.importorskip("latex2mathml.converter")
    assert "\\" in converter.convert(r"\unknownname x", display="block")
