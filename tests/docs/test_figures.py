"""docs/figures.py finds every drawing; numbers in drawings are readable and right; the animation has its frames."""

import re

import numpy as np
import pytest
from PIL import Image

from gpunet import layers
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


def test_the_numbers_of_the_chain_are_right(drawing):
    chain = drawing("chain")
    first, leaky, second = layers.Linear(2, 2, bias=False), layers.LeakyReLU(0.2), layers.Linear(2, 1, bias=False)
    for layer, (weight, _) in zip((first, second), chain.WEIGHTS.values(), strict=True):
        layer.to(dtype="float64").weight.data[...] = numbers(weight.partition("\n")[2]).reshape(layer.features)
    x = numbers(chain.FORWARD_VALUES[0])
    values = [x := x[np.newaxis]]
    values += [x := layer.forward(x) for layer in (first, leaky, second)]
    dy = values[-1] - 4  # t is 4 in lesson 1
    gradients = [dy]
    gradients += [dy := layer.backward(dy.copy()) for layer in (second, leaky, first)]
    shown = [numbers(text) for text in (*chain.FORWARD_VALUES, *chain.BACKWARD_VALUES[3::-1])]
    expected = [*values, (values[-1] - 4) ** 2 / 2, *gradients]
    for text, array in zip(shown, expected, strict=True):
        np.testing.assert_allclose(text, array.ravel(), atol=1e-12)
    for layer, (_, gradient) in zip((first, second), chain.WEIGHTS.values(), strict=True):
        shown = numbers(gradient.partition("\n")[2])
        np.testing.assert_allclose(shown, layer.weight.grad.ravel(), atol=1e-12)


def numbers(text):
    return np.array([float(word) for word in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", text)])


def test_the_animation_has_a_frame_for_each_of_its_steps(tmp_path):
    animation = loaded("training_gif")
    assert animation.frames_at(600)[:4] == [0, 1, 2, 5] and animation.frames_at(600)[-2:] == [560, 600]
    assert animation.main(["--steps", "2", "--out", str(tmp_path)]) == 0
    with Image.open(tmp_path / "training.gif") as made:
        assert made.n_frames == 3 and made.info["loop"] == 0
