"""docs/paper.py: its regression finds traits of faces, its words are those that the commands take; small pictures."""

import numpy as np
import pytest

from dcgan.data.faces.source import FacesSource
from dcgan.data.faces.traits import draw_traits
from pages import ROOT
from pictures_of_docs import loaded

paper = loaded("paper")
SEED = 5  # of faces that the regression has not learnt from


class Drawn:
    """In place of a run: its samples are drawn faces, whose traits are known."""

    def sample(self, count):
        return FacesSource(seed=SEED, count=count).batch(np.arange(count))


@pytest.fixture(scope="module")
def samples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper, "FACES", 800)
        patch.setattr(paper, "SAMPLES", 150)
        return paper.Samples(Drawn())


@pytest.mark.parametrize("name", paper.TRAITS)
def test_the_samples_that_show_a_trait_most_have_it(samples, name):
    """The mean of the trait over the 15 samples that rank first, and last, in deviations from the mean of all."""
    given = np.array([paper.TRAITS[name](draw_traits(SEED, number)) for number in range(150)])
    for sign in (1, -1):
        chosen = [int(text) - 1 for text in samples.most(15, **{name.replace(" ", "_"): sign}).split(",")]
        assert len(set(chosen)) == 15
        assert sign * (given[chosen].mean() - given.mean()) > 0.4 * given.std()


def test_weights_of_two_traits_are_added(samples):
    total = samples.scores["long hair"] - 2 * samples.scores["dark skin"]
    assert samples.most(1, long_hair=1, dark_skin=-2) == str(int(total.argmax()) + 1)


@pytest.mark.parametrize("name", paper.EXPERIMENTS)
def test_commands_take_the_words(samples, name, monkeypatch, capsys):
    """They get as far as the run, which is not there."""
    command, words = paper.EXPERIMENTS[name]
    assert command(["nowhere", *words(samples), "--device", "cpu", "--out", "a.png"]) == 2
    error = capsys.readouterr().err
    assert "nowhere" in error and error.count("\n") == 1


@pytest.mark.parametrize("name", paper.EXPERIMENTS)
def test_pictures_are_small(name):
    assert (ROOT / f"docs/paper/{name}.png").stat().st_size < 150_000
