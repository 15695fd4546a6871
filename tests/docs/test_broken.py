"""docs/broken.py: a mistake changes one thing and does what docs/broken.md says; the page shows what was measured."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.options import option_name
from dcgan.presets import config_of
from pages import ROOT
from pictures_of_docs import loaded, pictures

broken = loaded("broken")
shown = broken.shown
DOCS = ROOT / "docs"
LOOPS = broken.HEALTHY | broken.MISTAKES


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    monkeypatch.setattr("broken_data.COUNT", 40)
    monkeypatch.setattr(broken, "BATCH", 8)


def training_of(name):
    return broken.Training(LOOPS[name])


def moved(net, before):
    """Return the names of the parameters that are no longer what they were."""
    return {name for name, parameter in net.named_parameters() if (parameter.data != before[name]).any()}


@pytest.mark.parametrize("name", broken.MISTAKES)
def test_a_mistake_is_one_field_of_the_healthy_loop(name):
    loop = LOOPS[name]
    healthy = broken.DIGITS if loop.data is broken.digits else broken.FACES
    assert len([f.name for f in fields(loop) if getattr(loop, f.name) != getattr(healthy, f.name)]) == 1


def test_the_healthy_step_is_that_of_the_project():
    training = training_of("healthy")
    adam = {"lr": 1e-3, "beta1": 0, "beta2": 0.99, "ema": 0}
    gan = GAN(config_of({**training.loop.options, **adam}), np.random.default_rng(0), "cpu")
    rng = copy.deepcopy(training.rng)
    chosen, z = rng.integers(0, 40, 8), broken.normal(rng, 8)
    gan.step(1, training.data.pictures[chosen].astype("float32") / 127.5 - 1, [z])
    training.step()
    for ours, theirs in ((training.G, gan.G), (training.D, gan.D)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            close = np.isclose(a.data, b.data, rtol=1e-3, atol=1e-5)
            assert close.mean() > 0.99  # Adam's first step is the sign of a gradient, which rounding turns near 0


@pytest.mark.parametrize("name, trains_G", [("healthy", False), ("not-detached", True)])
def test_step_of_D_trains_G_only_by_mistake(name, trains_G):
    training = training_of(name)
    before = training.G.state_dict()
    real = training.loop.numbers(training.data.pictures[:8], training.low)
    training.step_D(real, np.zeros(8, "int32"), broken.normal(training.rng, 8))
    assert bool(moved(training.G, before)) is trains_G


@pytest.mark.parametrize("name, scales", [("healthy", True), ("affine", False)])
def test_scales_and_shifts_are_trained_unless_by_mistake(name, scales):
    training = training_of(name)
    before = training.G.state_dict()
    training.step()
    vectors = {name for name in before if name.endswith(("scale", "shift"))}
    changed = moved(training.G, before)
    assert {name for name in before if name.endswith("weight")} <= changed
    assert vectors and (vectors <= changed if scales else not vectors & changed)


@pytest.mark.parametrize("name, lowest", [("healthy", -1), ("wrong-range", 0)])
def test_range_of_the_real_pictures(name, lowest):
    numbers = LOOPS[name].numbers(np.array([0, 255], "uint8").reshape(1, 1, 2, 1), -1.0)
    assert numbers.ravel().tolist() == pytest.approx([lowest, 1], abs=1e-6)


@pytest.mark.parametrize("name, covered", [("healthy", {4}), ("checkerboard", {1, 2, 4})])
def test_how_often_kernels_cover_a_pixel(name, covered):
    G = training_of(name).G
    last = [layer for layer in G.layers if isinstance(layer, broken.ConvTranspose2d)][-1]
    last.weight.data[...] = 1
    counts = last.forward(np.ones((1, 16, 16, last.channels[0]), "float32"))[0, 2:-2, 2:-2, 0] / last.channels[0]
    assert set(np.unique(counts).tolist()) == covered


def test_z_of_the_samples():
    rng = np.random.default_rng(0)
    right, wrong = (LOOPS[name].z_of_samples(rng, 100) for name in ("healthy", "z-mismatch"))
    assert right.shape == wrong.shape and abs(right.mean()) < 0.05 and abs(wrong.mean() - 0.5) < 0.05
    assert wrong.min() >= 0 and right.min() < -2


@pytest.mark.parametrize("name, told", [("digits", [3, 1, 4]), ("label-leak", [0, 0, 0]), ("wrong-labels", [4, 3, 1])])
def test_labels_that_D_is_told_with_fakes(name, told):
    assert LOOPS[name].labels_for_D(np.array([3, 1, 4], "int32")).tolist() == told


def test_borders_are_black_and_differ():
    with_borders, without = training_of("borders").data.pictures, training_of("healthy").data.pictures
    same = (with_borders == without).all(axis=(1, 3))  # (N, W): columns that are as they were
    assert (with_borders[~same[:, np.newaxis].repeat(32, axis=1)] == 0).all()
    widths = {(int(row.argmax()), int(row[::-1].argmax())) for row in same}
    assert len(widths) > 5 and max(max(pair) for pair in widths) == 5


@pytest.mark.parametrize("name, D_steps, lr_G", [("strong-d", 1, 1e-4), ("many-d-steps", 5, 1e-3)])
def test_D_is_ahead(name, D_steps, lr_G, monkeypatch):
    training = training_of(name)
    calls = []
    step_D = training.step_D
    monkeypatch.setattr(training, "step_D", lambda *given: calls.append(1) or step_D(*given))
    training.step()
    assert len(calls) == D_steps and training.adam_G.lr == lr_G and training.adam_D.lr == 1e-3


@pytest.mark.parametrize("name", ["healthy", "lost-statistics", "train-mode", "digits"])
def test_sampling_leaves_G_as_it_was(name):
    training = training_of(name)
    training.step()
    before = training.G.state_dict()
    first = training.samples(training.loop)
    right = training.samples(replace(training.loop, before_sampling=broken.Sequential.eval))
    after = training.G.state_dict()
    assert all((before[key] == after[key]).all() for key in before) and training.G.training
    assert (first == right).all() == (name in ("healthy", "digits"))
    assert first.shape[0] == 40


def test_measures_of_pictures():
    board = np.indices((4, 6)).sum(axis=0)[np.newaxis, :, :, np.newaxis] % 2 * 10
    flat = np.full((2, 4, 6, 3), 7)
    flat[1] = 9
    assert shown.checker(board) == 5**2 and shown.checker(flat) == 0
    assert shown.checker(board.repeat(2, axis=1)) == 0  # another pattern
    assert shown.contrast(board) == 5 and shown.contrast(flat) == 0
    assert shown.variety(flat) == 1 and shown.variety(board) == 0


def test_numbers_are_means_of_the_last_steps():
    records = [
        {"step": i, "loss_d": 1.0, "loss_g": 2.0, "d_real": float(i > 50), "d_fake": 0.25} for i in range(1, 151)
    ]
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), "uint8")
    assert shown.Result(pictures, pictures, records).numbers() == [1.0, 0.25, 1.0, 2.0, 1.0, 1.0, 1.0]
    rows = shown.course(records)
    assert [row[:2] for row in rows] == [[1, 1], [2, 5], [6, 20], [21, 50], [51, 100], [101, 150]]
    assert [row[4] for row in rows] == [0, 0, 0, 0, 1, 1]


def test_a_picture_from_the_command_line(tmp_path, capsys):
    assert broken.main(["wrong-labels", "--steps", "2", "--out", str(tmp_path)]) == 0
    with Image.open(tmp_path / "wrong-labels.png") as image:
        assert image.size[0] > 900 and len(json.loads(image.text["numbers"])) == 7
    assert capsys.readouterr().out.startswith("wrong-labels")
    with pytest.raises(SystemExit):
        broken.main(["nothing"])
    assert "got nothing, expected some of" in capsys.readouterr().err


def test_the_pages_show_every_training_with_its_numbers():
    page = (DOCS / "broken.md").read_text()
    assert tuple(LOOPS) == pictures.BROKEN
    assert re.findall(r"!\[[^]]*\]\(broken/([a-z-]+)\.png\)", page) == list(LOOPS)
    assert f"<!-- numbers -->\n{pictures.broken_table()}\n<!-- end" in page
    assert f"<!-- course -->\n{pictures.course_table()}\n<!-- end" in (DOCS / "training.md").read_text()
    assert all((DOCS / f"broken/{name}.png").stat().st_size < 80_000 for name in LOOPS)


def test_options_and_sections_that_the_pages_name_exist():
    training, mistakes = ((DOCS / name).read_text() for name in ("training.md", "broken.md"))
    options = {option_name(each.name) for each in fields(Config)} | {"--resume", "--processor"}  # of benchmarks.options
    assert not set(re.findall(r"--[a-z][a-z0-9-]+", training)) - options
    titles = re.findall("^#+ (.*)", mistakes, re.M)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    linked = re.findall(r"broken\.md#([a-z0-9-]+)", training) + re.findall(r"\]\(#([a-z0-9-]+)", mistakes)
    assert len(linked) > 10 and set(linked) <= anchors
