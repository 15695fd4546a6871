"""docs/figures.py: the tables of docs/toom.png have cells of one size, and numbers readable on each."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

plt = pytest.importorskip("matplotlib.pyplot")

PLACE = Path(__file__).parents[2] / "docs/figures.py"


def test_numbers_contrast_with_their_cells():
    spec = importlib.util.spec_from_file_location("figures", PLACE)
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)
    figure, ax = plt.subplots()
    figures.table(ax, 0, 1, np.array([[-5.0, -2, 0], [1, 4, 8]]), "title")
    cells, (_, *numbers) = ax.patches, ax.texts
    assert {(cell.get_width(), cell.get_height()) for cell in cells} == {(1, 1)} and len(cells) == len(numbers) == 6
    for cell, number in zip(cells, numbers, strict=True):
        brightness = float(np.dot(cell.get_facecolor()[:3], (0.299, 0.587, 0.114)))
        assert abs(brightness - (number.get_color() == "white")) > 0.45, number.get_text()
    plt.close(figure)
