"""docs/excerpts.py: the pieces of code on the pages are the code, and a change of either is noticed."""

from __future__ import annotations

import pytest

from pages import ROOT
from pictures_of_docs import loaded

excerpts = loaded("excerpts")

PYTHON = '''"""A page."""

def area(side):
    """Return the area.

    It is a number.
    """
    return side * side  # a square


class Square:
    side = 2

    @property
    def area(self):
        return area(self.side)
'''
CUDA = """// The file.

__device__ real twice(real x);  // declared only

// Doubles x.
__device__ real twice(real x) {
    if (x) { return x + x; }  // not }
    return 0;
}

extern "C" __global__ void __launch_bounds__(128) double_all(
    real* y, int size) {
    y[0] = twice(y[0]);
}

// A pair.
struct alignas(16) Pair {
    int a, b;
    __device__ int sum() const { return a + b; }
};
"""
PAGE = "Before.\n\n<!-- excerpt: code.py area without docstring -->\n\nAfter.\n\n```python\nprint(1)\n```\n"


@pytest.fixture
def place(tmp_path):
    (tmp_path / "docs/lessons").mkdir(parents=True)
    (tmp_path / "code.py").write_text(PYTHON)
    (tmp_path / "code.cu").write_text(CUDA)
    (tmp_path / "docs/lessons/page.md").write_text(PAGE)
    return tmp_path


def test_the_pages_are_the_code(capsys):
    assert excerpts.main(["--check"]) == 0, f"python docs/excerpts.py writes them:\n{''.join(capsys.readouterr())}"


def test_pages_of_lessons_are_among_them():
    assert ROOT / "README.md" in excerpts.pages() and ROOT / "docs/convolution.md" in excerpts.pages()


@pytest.mark.parametrize(
    "text, first, last, lines",
    [
        ("code.py area", "def area(side):", "    return side * side  # a square", 6),
        ("code.py area without docstring", "def area(side):", "    return side * side  # a square", 2),
        ("code.py Square.area", "@property", "    return area(self.side)", 3),
        ("code.py Square", "class Square:", "        return area(self.side)", 6),
        ("code.cu twice", "// Doubles x.", "}", 5),
        ("code.cu twice without docstring", "__device__ real twice(real x) {", "}", 4),
        ("code.cu double_all", 'extern "C" __global__ void __launch_bounds__(128) double_all(', "}", 4),
        ("code.cu Pair", "// A pair.", "};", 5),
        ("code.cu Pair.sum", *["__device__ int sum() const { return a + b; }"] * 2, 1),
        ('code.cu "if (x)" to "return"', "if (x) { return x + x; }  // not }", "return 0;", 2),
        ('code.py "def area" to "def area"', "def area(side):", "def area(side):", 1),
    ],
)
def test_pieces(place, text, first, last, lines):
    found = excerpts.excerpt(excerpts.asked(text), place).splitlines()
    assert (found[0], found[-1], len(found)) == (first, last, lines)


@pytest.mark.parametrize(
    "text, message",
    [
        ("code.py volume", "code.py has no volume"),
        ("code.py Square.volume", "code.py has no Square.volume"),
        ("code.cu thrice", "code.cu has no thrice"),
        ('code.cu "if (y)" to "return"', "code.cu has no"),
        ('code.cu "return 0" to "if (x)"', "code.cu has no"),
        ("gone.py area", "gone.py, which does not exist"),
        ("code.py", "expected a file and a name"),
    ],
)
def test_a_piece_that_is_missing_is_named(place, text, message):
    with pytest.raises(ValueError, match=message):
        excerpts.excerpt(excerpts.asked(text), place)


def test_writing_and_checking(place, capsys):
    page = place / "docs/lessons/page.md"
    assert excerpts.main(["--check"], place) == 1 and page.read_text() == PAGE
    assert excerpts.main([], place) == 0
    block = "```py\ndef area(side):\n    return side * side  # a square\n```"
    assert page.read_text() == PAGE.replace(" -->\n", f" -->\n{block}\n", 1)
    assert excerpts.main(["--check"], place) == 0
    assert "written" in capsys.readouterr().out


def changed_code(place):
    (place / "code.py").write_text(PYTHON.replace("side * side", "side ** 2"))


def changed_page(place):
    page = place / "docs/lessons/page.md"
    page.write_text(page.read_text().replace("side * side", "side + side"))


def renamed(place):
    (place / "code.py").write_text(PYTHON.replace("def area(side)", "def surface(side)"))


def removed(place):
    (place / "code.py").unlink()


@pytest.mark.parametrize(
    "change, message",
    [
        (changed_code, "page.md: differs from the code"),
        (changed_page, "page.md: differs from the code"),
        (renamed, "page.md: code.py has no area"),
        (removed, "page.md: got an excerpt of code.py, which does not exist"),
    ],
)
def test_a_change_of_either_is_noticed(place, capsys, change, message):
    assert excerpts.main([], place) == 0
    change(place)
    capsys.readouterr()
    assert excerpts.main(["--check"], place) == 1
    assert message in "".join(capsys.readouterr())


def test_what_follows_a_comment_without_a_block_stays(place):
    """A comment in front of a block with other text between them takes a block of its own."""
    page = "<!-- excerpt: code.py Square.area -->\n\nText.\n\n```python\nprint(1)\n```\n"
    after = excerpts.updated(page, place)
    assert after.endswith("return area(self.side)\n```\n\nText.\n\n```python\nprint(1)\n```\n")
    assert excerpts.updated(after, place) == after
