"""The report's sections with the numbers of measure.json and with what the doctor says."""

import json

import numpy as np
import pytest
from PIL import Image

from dcgan import images, report
from made_run import MEASURED, change, make_run
from page_reader import read_page


def page_of(folder, *others):
    """Return the page of a run, or of several."""
    out = folder.parent / "page.html"
    assert report.main([str(folder), *map(str, others), "--out", str(out)]) == 0
    return read_page(out)


@pytest.fixture
def folder(tmp_path):
    """A whole run folder, made by hand."""
    return make_run(tmp_path / "0001-made")


def test_numbers_stand_in_a_table(folder):
    page = page_of(folder)
    assert ["step", "features", "pictures", "Fréchet distance", "recall"] in page.rows
    assert ["6", "classifier", "2,048", "12.3 (11.5 to 13.1)", "0.5"] in page.rows
    assert "do not compare" not in page.text and "few pictures" in page.text


def test_numbers_of_two_runs(folder, tmp_path):
    other = make_run(tmp_path / "0002-made")
    entry = MEASURED | {"features": {"name": "discriminator"}, "result": {"kid": 0.01, "recall": {"mean": 0.25}}}
    (other / "measure.json").write_text(json.dumps([entry]))
    page = page_of(folder, other)
    assert ["0001-made", "6", "classifier", "2,048", "12.3 (11.5 to 13.1)", "0.5", "–"] in page.rows
    assert ["0002-made", "6", "discriminator", "2,048", "–", "0.25", "0.01"] in page.rows
    assert "Numbers of different features do not compare." in page.text


@pytest.mark.parametrize("values", [[], [7], [None, {}, {"result": []}], [{"result": {}}]], ids=str)
def test_a_run_without_numbers(folder, values):
    (folder / "measure.json").write_text(json.dumps(values))
    assert "Nothing was measured." in page_of(folder).text


@pytest.mark.parametrize(
    "value", [None, "x", True, [1], {}, {"mean": "x"}, {"mean": None}, {"mean": 10**400}], ids=repr
)
def test_values_that_are_no_number(folder, value):
    (folder / "measure.json").write_text(
        json.dumps([MEASURED | {"result": {"a": value}, "count": value, "step": value}])
    )
    assert ["–", "classifier", "–", "–"] in page_of(folder).rows


def write_log(folder, d_real, d_fake, steps=400):
    """Write a log in which D always answers the same."""
    lines = [{"step": i, "loss_d": 1.0, "d_real": d_real, "d_fake": d_fake} for i in range(1, steps + 1)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_doctor_says_that_a_network_has_won(folder):
    write_log(folder, 0.99, 0.01)
    text = page_of(folder).text
    assert "For 400 steps, from step 1 on, D has told real pictures from G's nearly always" in text
    assert "What may help: equal --lr-g and --lr-d, a lower --lr" in text and "Nothing to report" not in text


def test_the_doctor_has_nothing_to_report(folder):
    write_log(folder, 0.7, 0.3)
    text = page_of(folder).text
    assert "Nothing to report." in text and "Not looked at" not in text


@pytest.mark.parametrize("score, found", [(2.0, False), (1e9, True)])
def test_the_doctor_and_a_loss_of_scores(folder, score, found):
    change(folder / "config.json", loss="hinge")
    lines = [{"step": i, "score_real": score, "score_fake": -score} for i in range(1, 401)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = page_of(folder).text
    assert ("D runs away from G" in text) == found != ("Nothing to report." in text)
    assert "Not looked at: D certain, G certain: --loss hinge gives scores, no probabilities." in text


def write_grid(path, spread):
    """Write a grid of 9 random pictures of 8x8 that differ by so much."""
    noise = np.random.default_rng(0).integers(-spread, spread + 1, (9, 8, 8, 3))
    Image.fromarray(images.grid((128 + noise).astype("uint8"))).save(path)


def test_the_doctor_sees_grids_that_have_grown_alike(folder):
    change(folder / "config.json", image_size=[8, 8])
    for name, spread in (("000001", 90), ("000006", 10), ("real", 90)):
        write_grid(folder / f"samples/{name}.png", spread)
    assert "pictures of the sample grid have grown alike" in page_of(folder).text
    write_grid(folder / "samples/000006.png", 80)
    assert "grown alike" not in page_of(folder).text


def test_the_doctor_builds_no_network_and_opens_no_data(folder, monkeypatch):
    """The options of a run from anybody may name any file, and networks of any size."""
    from dcgan import presets
    from dcgan.doctoring import evidence

    def refuse(*_, **__):
        raise AssertionError

    for module, name in ((evidence, "open_source"), (evidence.presets, "find"), (evidence.Config, "read")):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(presets, "settings", lambda *_: {})
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/000006.h5").write_bytes(b"no checkpoint")
    change(folder / "config.json", width=2**31 - 1, data="/etc/passwd")
    assert "Nothing to report." in page_of(folder).text


def test_without_options_the_doctor_says_so(folder):
    (folder / "config.json").unlink()
    assert "Without the options in config.json nothing can be said." in page_of(folder).text
