"""docs/presets.md shows every preset, and its table is what the pictures say."""

import re

from dcgan import presets
from pages import ROOT
from pictures_of_docs import pictures

TEXT = (ROOT / "docs/presets.md").read_text()


def test_the_page_shows_every_preset():
    for name in presets.PRESETS:
        assert f"## {name}\n" in TEXT and f"| `{name}` |" in TEXT


def test_the_table_is_that_of_the_pictures():
    (table,) = re.findall(r"<!-- gallery -->\n(.*?)\n<!-- end of gallery -->", TEXT, re.S)
    assert table == pictures.presets_table()
    for options in (f"{pictures.GALLERY} {pictures.FAST}", f"{pictures.GALLERY} {pictures.LABELLED}"):
        assert f" {options}\n" in TEXT  # the commands that the page names have made the pictures
