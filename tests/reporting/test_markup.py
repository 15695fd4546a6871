"""HTML that is safe by its making."""

import json

import pytest

from dcgan.reporting.markup import MOST, Markup, data_block, escaped, joined, tag


@pytest.mark.parametrize(
    "text, html",
    [
        ("a < b & \"c\" > 'd'", "a &lt; b &amp; &quot;c&quot; &gt; &#x27;d&#x27;"),
        ("two\nlines\tand\0zero", "two lines and\\x00zero"),
        ("\u202eturned", "\\u202eturned"),
        ("\ud800 alone", "\\ud800 alone"),
        (" ends ", " ends "),
        ("&lt;", "&amp;lt;"),
        (7, "7"),
        (Markup("<b>"), "<b>"),
        ("", ""),
    ],
)
def test_texts_are_escaped(text, html):
    assert escaped(text) == html
    assert tag("p", text, title=text) == f'<p title="{html}">{html}</p>'


def test_long_texts_are_shortened():
    assert len(escaped("x" * 10**6)) == MOST and " ... " in escaped("x" * 10**6)


def test_elements():
    assert tag("p", "a", [tag("b", "c"), None, 5], class_="x", data_step=3, hidden=True, title=None, lang=False) == (
        '<p class="x" data-step="3" hidden>a<b>c</b>5</p>'
    )
    assert tag("img", src="data:,", alt="") == '<img src="data:," alt=""/>'
    assert joined("<", tag("i", ">")) == "&lt;<i>&gt;</i>" and isinstance(joined("a"), Markup)


def test_data_cannot_end_its_block():
    block = data_block({"a": "</script><script>alert(1)</script>", "b": [1.5, None]})
    assert block.count("<") == 2
    content = block.removeprefix('<script type="application/json">').removesuffix("</script>")
    assert json.loads(content) == {"a": "</script><script>alert(1)</script>", "b": [1.5, None]}
