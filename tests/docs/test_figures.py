"""docs/figures.py: the tables of docs/toom.png have cells of one size, and numbers readable on each."""

import numpy as np
import pytest

from pictures_of_docs import loaded

plt = pytest.importorskip("matplotlib.pyplot")


def test_numbers_contrast_with_their_cells():
    figures = loaded("figures")
    figure, ax = plt.subplots()
    figures.table(ax, 0, 1, np.array([[-5.0, -2, 0], [1, 4, 8]]), "title")
    cells, (_, *numbers) = ax.patches, ax.texts
    assert {(cell.get_width(), cell.get_height()) for cell in cells} == {(1, 1)} and len(cells) == len(numbers) == 6
    for cell, number in zip(cells, numbers, strict=True):
        brightness = float(np.dot(cell.get_facecolor()[:3], (0.299, 0.587, 0.114)))
        assert abs(brightness - (number.get_color() == "white")) > 0.45, number.get_text()
    plt.close(figure)


@pytest.mark.parametrize("value, text", [(0.5, "1/2"), (-1 / 6, "-1/6"), (8.0, "8"), (0.0, "0"), (1 / 90, "1/90")])
def test_numbers_are_fractions(value, text):
    assert loaded("figures").number(np.float64(value)) == text
