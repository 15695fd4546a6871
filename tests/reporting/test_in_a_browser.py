"""The report in Chromium, where there is one: it is drawn, its slider and its cursor move, and nothing is loaded."""

import json
import time

import pytest

import chromium
from dcgan import report
from dcgan.reporting import page as page_module
from dcgan.reporting.live import Live
from dcgan.run.folder import RunDir
from made_run import change, hostile, make_run
from page_reader import read_page

pytestmark = pytest.mark.skipif(not chromium.PROGRAM, reason="there is no Chromium")
HOME, END, LEFT, RIGHT = 36, 35, 37, 39  # numbers of keys
STEP = "document.querySelector('.slider output').textContent"
SHOWN = "[...document.querySelectorAll('.strip figure')].filter(each => !each.hidden).map(each => each.dataset.step)"
READING = "document.querySelector('.reading').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser for all tests of this file."""
    browser = chromium.Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def write(*runs, to):
    """Write the report of runs; return its path."""
    assert report.main([*map(str, runs), "--out", str(to)]) == 0
    return to


@pytest.fixture
def page(tmp_path):
    """The report of two runs, of six and of three steps."""
    runs = make_run(tmp_path / "0001-one"), make_run(tmp_path / "0002-two", steps=3)
    return write(*runs, to=tmp_path / "page.html")


@pytest.mark.parametrize("width", [1280, 800, 400, 320])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_its_window(browser, page, width, dark):
    browser.open(page, width, dark)
    assert browser.wrong() == []
    assert browser.js("document.documentElement.scrollWidth") <= width
    dark_paper = browser.js("getComputedStyle(document.body).backgroundColor") == "rgb(23, 24, 26)"
    assert dark_paper is dark
    for chart in browser.js("[...document.querySelectorAll('svg')].map(each => each.getBoundingClientRect().height)"):
        assert chart > 100
    sizes = browser.js("[...document.querySelectorAll('img')].map(each => each.complete && each.naturalWidth)")
    assert sizes == [8] * len(sizes) and sizes


def test_the_slider_chooses_the_grids(browser, page):
    browser.open(page)
    browser.js("document.getElementById('step').focus()")
    for key, code, step, shown in (
        ("Home", HOME, "1", ["1", "1"]), ("ArrowRight", RIGHT, "3", ["1", "3"]), ("End", END, "6", ["6", "3"]),
        ("ArrowLeft", LEFT, "3", ["1", "3"]),
    ):  # fmt: skip
        browser.press(key, code)
        assert (browser.js(STEP), browser.js(SHOWN)) == (step, shown)
    assert browser.js("document.getElementById('step').getAttribute('aria-valuetext')") == "step 3"
    assert browser.wrong() == []


def test_the_cursor_shows_the_values_of_the_log(browser, page):
    browser.open(page)
    assert browser.js(READING) == ""
    data = read_page(page).data[0]
    browser.move(".chart svg", (data["left"] + data["width"] * 2 / 6) / 450)  # step 2 of 0 to 6
    assert browser.js(READING) == "step 2: 0001 0.5 (mean 0.5) · 0002 0.5 (mean 0.5)"
    others = browser.js("[...document.querySelectorAll('.reading')].map(each => each.textContent)")
    assert all(text.startswith("step 2: 0001 ") for text in others)  # the cursors of all charts move together
    browser.js("document.querySelector('.chart svg').focus()")
    browser.press("End", END)
    assert browser.js(READING) == "step 6: 0001 0.167 (mean 0.167)"  # 0002 has ended at step 3
    browser.press("Escape", 27)
    assert browser.js(READING) == "" and browser.wrong() == []


def test_nothing_of_a_hostile_run_runs(browser, tmp_path):
    run = hostile(make_run(tmp_path / "0001-made"))
    browser.open(write(run, make_run(tmp_path / "other"), to=tmp_path / "page.html"))
    assert browser.wrong() == []
    assert browser.js("document.querySelectorAll('main script:not([type])').length") == 0
    assert "<script>alert(1)</script>" in browser.js("document.body.innerText")


def test_the_policy_stops_what_is_put_into_the_page(browser, page):
    """So even a mistake in the escaping would run nothing and load nothing."""
    put = '<script>document.title = "run"</script><img src="https://localhost/x.png"><p onclick="1" style="color: red">'
    page.write_text(page.read_text().replace("<main>", f"<main>{put}"))
    browser.open(page)
    refused = json.dumps(browser.events)
    assert browser.js("document.title").startswith("Report of") and refused.count("Content Security Policy") >= 3


def test_a_live_page_loads_itself_again_and_stays_where_the_reader_was(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "RELOAD", 1)
    live = Live(RunDir(make_run(tmp_path / "0001-one")), print)
    live.write()
    browser.open(tmp_path / "0001-one/report.html")
    browser.js("document.body.dataset.seen = 'yes'; sessionStorage.setItem('step', '1')")
    change(tmp_path / "0001-one/run.json", data="now another text")
    live.write(goes_on=False)
    until = time.monotonic() + 30
    while browser.js("document.readyState !== 'complete' || document.body.dataset.seen === 'yes'"):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert "now another text" in browser.js("document.body.innerText")
    assert browser.js(STEP) == "1" and browser.js("document.body.dataset.live") is None


def test_without_a_script_everything_is_there(browser, page):
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert browser.js(SHOWN) == ["6", "1", "3", "1"]
        assert browser.js("document.querySelector('.slider').offsetHeight") == 0
        assert browser.js("document.querySelectorAll('polyline.mean').length") == 8
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)
