"""Run folders from anybody: nothing in them runs, no other file is read, and what is damaged or missing is said."""

import json
import os
import time

import numpy as np
import pytest
from PIL import Image

from dcgan import report
from dcgan.config import Config
from dcgan.reporting import pictures, series
from made_run import change, hostile, make_run
from page_reader import read_page

SECRET = "the-secret-of-this-machine"


@pytest.fixture
def folder(tmp_path):
    """A whole run folder, made by hand."""
    return make_run(tmp_path / "0001-made")


def page_of(*runs):
    """Write the report of runs beside the first; return it as read. It was written without a traceback."""
    out = runs[0].parent / "page.html"
    assert report.main([*map(str, runs), "--out", str(out)]) == 0
    return read_page(out)


def test_what_a_run_holds_is_text_and_nothing_else(folder):
    clean = page_of(folder)
    run = hostile(folder)
    other = make_run(run.parent / "other")
    for page in (page_of(run), page_of(run, other)):
        assert not [each for each in page.elements for key in each if key.startswith("on")]
        assert {each[""] for each in page.elements} <= {each[""] for each in clean.elements} | {"ul", "li", "h3"}
        assert page.hashes("script") == clean.hashes("script") and page.policy == clean.policy
        assert all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
        assert page.text.count("<script>alert(1)</script>") > 10  # it is shown as it is
        assert "\u202e" not in page.source and "\\u202e" in page.text  # a letter that would turn the line round


LINKS = {
    "config.json": "file", "run.json": "file", "log.jsonl": "file", "timing.jsonl": "file", "skipped.txt": "file",
    "measure.json": "file", "samples/000006.png": "file", "samples/real.png": "file", "samples": "folder",
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_no_file_outside_of_the_run_is_read(folder, tmp_path, name):
    """A link to a file that would be a sound one, and holds the secret."""
    outside = make_run(tmp_path / "outside")
    change(outside / "config.json", data=SECRET)
    change(outside / "run.json", data=SECRET)
    (outside / "skipped.txt").write_text(SECRET)
    (outside / "measure.json").write_text(json.dumps([{"features": {"name": SECRET}, "result": {SECRET: 1}}]))
    (outside / "log.jsonl").write_text(json.dumps({"step": 1, SECRET: 1}) + "\n")
    (outside / "timing.jsonl").write_text(json.dumps({"step": 1, SECRET: 1}) + "\n")
    for picture in (outside / "samples").iterdir():
        Image.fromarray(np.full((8, 8, 3), 201, "uint8")).save(picture)
    place = folder / name
    if place.is_dir():
        place.rename(folder / "old")
    place.unlink(missing_ok=True)
    place.symlink_to(outside / name)
    page = page_of(folder)
    assert SECRET not in page.source and "is a link that leads out of the run folder" in page.text
    assert not [image for image in page.all("img") if (page.pixels(image) == 201).any()]


@pytest.mark.parametrize(
    "name", ["config.json", "run.json", "log.jsonl", "skipped.txt", "measure.json", "samples/000006.png"]
)
@pytest.mark.parametrize("what", ["a pipe", "a folder", "a circle", "nothing to read", "zeros", "brackets"])
def test_files_that_are_none(folder, name, what):
    place = folder / name
    place.unlink(missing_ok=True)
    if what == "a pipe":
        os.mkfifo(place)  # reading it would wait for ever
    elif what == "a folder":
        place.mkdir()
    elif what == "a circle":
        place.symlink_to(place)
    else:
        place.write_bytes({"nothing to read": b"", "zeros": bytes(100_000), "brackets": b"[" * 100_000}[what])
    page = page_of(folder)
    sound = name == "skipped.txt" and what in ("nothing to read", "zeros", "brackets")
    assert page.texts("h2") and ("What this report lacks" in page.text) is not sound


MISSING = {
    "config.json": "config.json is missing", "run.json": "run.json is missing", "log.jsonl": "log.jsonl is missing",
    "timing.jsonl": "timing.jsonl is missing", "samples": "there is no sample grid yet",
    "samples/real.png": "samples/real.png is missing",
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_said(folder, name):
    (folder / name).rename(folder.parent / "away")
    page = page_of(folder)
    assert MISSING[name] in page.text.partition("Samples")[0]
    assert page.texts("h2") == ["Samples", "Curves", "Numbers", "The doctor", "Settings", "Files left out", "What ran"]


def test_a_run_that_has_only_begun(tmp_path):
    (tmp_path / "0001-new").mkdir()
    (tmp_path / "0001-new/config.json").write_text(Config().to_json())
    page = page_of(tmp_path / "0001-new")
    assert "The log has no step yet." in page.text and "There is no sample grid." in page.text


def test_damaged_lines_are_counted(folder):
    with open(folder / "log.jsonl", "ab") as file:
        file.write(b'\xff\n[]\n{"step": 7, "loss_d": 0.5}\n{"step": 8, "loss_d": 0.4')  # the last is being written
    page = page_of(folder)
    assert "log.jsonl: 2 damaged lines are left out" in page.text
    assert page.data[0]["curves"][0]["last"] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "values", [[1e38, -1e38], [3.4e38], [0.0], [1e-320, 1], [-3, -3, -3], [1e-30, 2e-30], [5e7, 6e7]], ids=str
)
def test_a_chart_of_any_numbers(folder, values):
    lines = [{"step": 2**30 * (i + 1) - 1, "d_real": value, "other": value} for i, value in enumerate(values)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = page_of(folder)
    drawn = " ".join(
        str(value) for each in page.elements for key, value in each.items() if key in ("points", "y1", "cy")
    )
    assert drawn and "nan" not in drawn and "inf" not in drawn


def test_a_log_of_very_many_names(folder):
    with open(folder / "log.jsonl", "w") as file:
        for step in range(1, 100):
            file.write(json.dumps({"step": step} | {f"name{step}.{i}": 1 for i in range(30)}) + "\n")
    page = page_of(folder)
    assert len(page.data) == series.MOST_NAMES + 1 and "or more of its numbers are left out" in page.text


def test_a_log_that_is_too_long(folder, monkeypatch):
    monkeypatch.setattr(series, "MOST_BYTES", 250)
    page = page_of(folder)
    assert "log.jsonl: only the first 0 MiB are shown, up to step 2" in page.text


def test_a_long_log_in_bounded_time(folder):
    """100,000 steps; the curves of 500,000 take five times as long."""
    line = '{{"step": {}, "epoch": 1, "loss_d": {}, "loss_g": 2.0, "d_real": 0.5, "d_fake": 0.5}}\n'
    (folder / "log.jsonl").write_text("".join(line.format(i, 99 if i == 54_321 else 1) for i in range(1, 100_001)))
    began = time.process_time()
    page = page_of(folder)
    assert time.process_time() - began < 20
    (curve,) = page.data[0]["curves"]
    assert len(curve["last"]) == 360 and curve["last"][-1] == 100_000 and max(curve["high"]) == 99
    assert len(page.source) < 1_000_000


def test_many_and_large_grids_are_left_out(folder, monkeypatch):
    rng = np.random.default_rng(0)
    for step in range(100, 5000, 100):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype="uint8")).save(folder / f"samples/{step:06d}.png")
    Image.fromarray(rng.integers(0, 255, (900, 1500, 3), dtype="uint8")).save(folder / "samples/005000.png")
    page = page_of(folder)
    shown = [int(each["data-step"]) for each in page.all("figure") if "data-step" in each]
    assert len(shown) == 3 and shown[0] == 5000 and shown[-1] == 1  # the largest decides: 4 MB
    assert "49 of 52 grids are left out" in page.text and "Large grids are shown smaller" in page.text
    monkeypatch.setattr(pictures, "MOST_PAGE", 2**40)
    shown = [each for each in page_of(folder).all("figure") if "data-step" in each]
    assert len(shown) == pictures.MOST_GRIDS


def test_a_picture_that_claims_too_many_pixels(folder):
    grid = (folder / "samples/000006.png").read_bytes()
    (folder / "samples/000006.png").write_bytes(grid[:16] + (10**6).to_bytes(4, "big") * 2 + grid[24:])
    page = page_of(folder)
    assert "samples/000006.png is no picture" in page.text and len(page.all("img")) == 2
