"""docs/figures.py finds every drawing; the tables of docs/toom.png have equal cells, and numbers readable on each."""

import numpy as np
import pytest

from pages import ROOT
from pictures_of_docs import loaded, pictures

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def drawing(monkeypatch):
    """Import a page of docs/drawings."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.syspath_prepend(str(ROOT))
    loaded("figures")
    return lambda page: __import__(f"drawings.{page}", fromlist=[page])


def test_every_drawing_is_a_picture_with_its_page_as_a_source(drawing):
    figures = loaded("figures")
    assert {f"{name}.png" for name in figures.figures()} == set(pictures.drawings()) and len(figures.PAGES) > 1
    for page in figures.PAGES:
        for name in drawing(page).FIGURES:
            assert f"docs/drawings/{page}.py" in pictures.PICTURES[f"{name}.png"].sources


def test_numbers_contrast_with_their_cells(drawing):
    figure, ax = plt.subplots()
    drawing("winograd").table(ax, 0, 1, np.array([[-5.0, -2, 0], [1, 4, 8]]), "title")
    cells, (_, *numbers) = ax.patches, ax.texts
    assert {(cell.get_width(), cell.get_height()) for cell in cells} == {(1, 1)} and len(cells) == len(numbers) == 6
    for cell, number in zip(cells, numbers, strict=True):
        brightness = float(np.dot(cell.get_facecolor()[:3], (0.299, 0.587, 0.114)))
        assert abs(brightness - (number.get_color() == "white")) > 0.45, number.get_text()
    plt.close(figure)


@pytest.mark.parametrize("value, text", [(0.5, "1/2"), (-1 / 6, "-1/6"), (8.0, "8"), (0.0, "0"), (1 / 90, "1/90")])
def test_numbers_are_fractions(drawing, value, text):
    assert drawing("winograd").number(np.float64(value)) == text
