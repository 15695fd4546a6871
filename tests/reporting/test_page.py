"""The report as a page: its sections, what it says of one run and of several, and that it loads nothing."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from dcgan import report
from made_run import MEASURED
from page_reader import read_page
from running import run_train

pytestmark = pytest.mark.usefixtures("numbers_for_plot")
SECTIONS = ["Samples", "Curves", "Numbers", "The doctor", "Settings", "Files left out", "What ran"]


@pytest.fixture
def trained(often, run):
    """A run of eight steps with grids at steps 1, 4 and 8."""
    assert run_train(*often, "--steps 8 --lr 0.001") == 0
    return run


@pytest.fixture
def two(trained, often, runs):
    """That run and another one, of six steps with another rate."""
    assert run_train(*often, "--steps 6 --lr 0.002") == 0
    return [trained, runs / "0002-dcgan64"]


def page_of(*runs):
    """Write the report of runs beside the first; return it as read."""
    out = runs[0].parent / "page.html"
    assert report.main([*map(str, runs), "--out", str(out)]) == 0
    return read_page(out)


def test_a_page_of_one_run(trained, capsys):
    assert report.main([str(trained)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {trained}/report.html"
    page = read_page(trained / "report.html")
    assert page.title == "Report of 0001-dcgan64" and page.texts("h1") == ["0001-dcgan64"]
    assert page.texts("h2") == SECTIONS
    assert "preset dcgan64 · step 8 of 8 · finished · 8 pictures a step" in page.text
    assert page.texts("strong") == [
        "Loss of D", "Loss of G", "D(x), its mean on real pictures", "D(G(z)), its mean on G’s pictures",
        "Speed, pictures per second",
    ]  # fmt: skip
    assert "What this report lacks" not in page.text and not page.reloads


def test_the_grids_of_the_page_are_those_of_the_run(trained):
    page = page_of(trained)
    found = {image["alt"]: page.pixels(image) for image in page.all("img")}
    for alt, name in {
        "pictures by G after step 1": "000001", "pictures by G after step 4": "000004",
        "pictures by G after step 8": "000008", "Real pictures": "real",
    }.items():  # fmt: skip
        assert np.array_equal(found.pop(alt), np.asarray(Image.open(trained / f"samples/{name}.png"))), alt
    assert not found
    assert [figure["data-step"] for figure in page.all("figure") if "data-step" in figure] == ["8", "4", "1"]


def test_the_values_at_the_cursor_are_those_of_the_log(trained):
    log = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    data = page_of(trained).data
    for name, chart in zip(("loss_d", "loss_g", "d_real", "d_fake"), data, strict=False):
        (curve,) = chart["curves"]
        assert curve["first"] == curve["last"] == [record["step"] for record in log]
        assert np.allclose(curve["low"], [record[name] for record in log], rtol=1e-4)
        assert curve["low"] == curve["high"]


def test_settings_that_are_not_the_presets_own(trained):
    rows = page_of(trained).rows
    assert ["--lr", "0.001", "0.0002"] in rows and ["--image-size", "16x16", "64x64"] in rows
    assert not [row for row in rows if row[0] == "--beta1" and len(row) == 3]
    assert ["--beta1", "0.5"] in rows and ["--ratio", "1:1"] in rows and ["--flip", "off"] in rows


def test_two_runs_side_by_side(two):
    page = page_of(*two)
    assert page.texts("h1") == ["2 runs"] and page.title == "Report of 0001-dcgan64 and 0002-dcgan64"
    rows = page.rows
    assert rows.count(["--lr", "0.001", "0.002"]) == 1 and rows.count(["--lr≠", "0.001", "0.002"]) == 1
    assert ["--beta1", "0.5", "0.5"] in rows and "--beta1≠" not in {row[0] for row in rows}
    for chart in page.data:
        assert [(curve["label"], curve["colour"]) for curve in chart["curves"]] == [("0001", "r0"), ("0002", "r1")]
        assert [curve["last"][-1] for curve in chart["curves"]] == [8, 6]
    assert page.texts("h3").count("Real pictures") == 1  # both runs have the same


def test_the_page_loads_nothing(two):
    page = page_of(*two)
    loads = [
        value for each in page.elements for key, value in each.items() if key in ("src", "href", "srcset", "action")
    ]
    assert loads and all(value.startswith("data:") for value in loads)
    whole = page.source.replace("http-equiv", "")
    assert not re.search(r"https?:|//[a-z]+\.|url\(|@import|import\s*\(|fetch\(|XMLHttpRequest", whole)
    assert "innerHTML" not in whole and not [each for each in page.elements for key in each if key.startswith("on")]
    assert "default-src 'none'" in page.policy and "unsafe" not in page.policy
    assert page.hashes("style") | page.hashes("script") == set(re.findall(r"'(sha256-[^']+)'", page.policy))


def test_runs_of_the_same_name(trained):
    """Each is called by the number of its curve and the folder around it, wherever it is named."""
    (trained / "measure.json").write_text(json.dumps([MEASURED]))
    (trained / "skipped.txt").write_text("broken.png\tdamaged\n")
    other = trained.parent / "other" / trained.name
    shutil.copytree(trained, other)
    page = page_of(trained, other)
    assert [curve["label"] for curve in page.data[0]["curves"]] == ["1 0001-dcga", "2 0001-dcga"]
    names = [f"{number} {run.parent.name}/{run.name}" for number, run in ((1, trained), (2, other))]
    assert page.title == f"Report of {names[0]} and {names[1]}"
    for name in names:
        assert page.texts("strong").count(name) == 1  # at a glance
        assert page.texts("h3").count(name) == 4  # over the grids, at the doctor, the files left out and what ran
        assert page.texts("h3").count(f"{name}, step 6") == page.texts("td").count(name) == 1  # measurements
    assert set(re.findall(r"\d [\w-]*/?0001-dcgan64", page.text)) == set(names)
    assert page.text.count(trained.name) == 2 * 7


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere"], "no such run folder: nowhere"),
        (["."], ". is no run folder: expected config.json and log.jsonl in it"),
        (["RUN", "--out", "page.png"], "--out: got 'page.png', expected a file name that ends in .html"),
        (["RUN"] * 25, "got 25 runs, expected at most 24"),
        (["RUN", "--out", "no/page.html"], "--out: no such folder: no"),
        ([], "the following arguments are required: RUN"),
    ],
)
def test_mistakes_are_one_line(trained, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert report.main([str(trained) if word == "RUN" else word for word in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
