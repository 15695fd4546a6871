"""The docs site builds without a warning; its links and its search work without a network, also opened from a file."""

import http.server
import importlib.util
import json
import re
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

import chromium
from pages import MARKDOWN, ROOT

SITE = ROOT / "docs/site"
MISSING = [name for name in ("sphinx", "myst_parser", "furo", "latex2mathml") if not importlib.util.find_spec(name)]
needs_sphinx = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install '.[docs]'")


@pytest.fixture(autouse=True)
def pages_of_the_site_find_each_other(monkeypatch):
    monkeypatch.syspath_prepend(SITE)


def module(name):
    """Return a page of docs/site, which is no package."""
    spec = importlib.util.spec_from_file_location(name, SITE / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@needs_sphinx
@pytest.mark.timeout(1200)
def test_the_site(tmp_path):
    """Build the site as `make docs` does, once, and look at it from all sides."""
    site = tmp_path / "site"
    done = subprocess.run([sys.executable, SITE / "build.py", "--out", site], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert module("build").in_the_way(site) == "" and [each.name for each in tmp_path.iterdir()] == ["site"]
    every_page_is_there(site)
    code_and_reference_are_there(site)
    if chromium.PROGRAM:
        for served in (False, True):
            in_chromium(site, tmp_path / f"browser-{served}", served)


def every_page_is_there(site):
    """The test of links is a part of the build (check.py): what it finds ends the build with status 1."""
    for page in MARKDOWN:
        assert (site / page.relative_to(ROOT).with_suffix(".html")).exists(), page
    beside = (site / "README.html").read_text(encoding="utf-8")  # the list at the side
    assert all(f'href="{page.relative_to(ROOT).with_suffix(".html")}"' in beside for page in MARKDOWN[1:])
    assert "README.html" in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "docs/browser/index.html").read_bytes() == (ROOT / "docs/browser/index.html").read_bytes()


def code_and_reference_are_there(site):
    source = (site / "source/kernels/activations.cu.html").read_text(encoding="utf-8")
    assert 'id="L-1"' in source and "leaky_relu_backward" in source
    for name, some in {"layers": "ConvTranspose2d", "backend": "batchnorm_backward", "optim": "Adam"}.items():
        page = (site / f"docs/site/api/{name}.html").read_text(encoding="utf-8")
        assert f'id="gpunet.{name}.{some}"' in page and 'href="../../../source/gpunet/' in page
    assert "dcgan.api.Run.sample" in (site / "docs/site/api/dcgan.html").read_text(encoding="utf-8")
    assert not (missing := imported_by_lessons() - names_of_the_reference(site)), missing
    index = json.loads((site / "searchindex.js").read_text(encoding="utf-8").removeprefix("Search.setIndex(")[:-1])
    assert {"docs/kernels", "docs/site/api/layers"} <= set(index["docnames"]) and "winograd" in index["terms"]


def imported_by_lessons():
    """Return the modules and names of ours that the lessons import, such as gpunet.layers and gpunet.optim.Adam."""
    line = re.compile(r"^from ((?:gpunet|dcgan)[\w.]*) import ([\w, ]+)$", re.M)
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs/lessons").glob("*.md")]
    found = [each for page in pages for each in line.findall(page)]
    return {f"{place}.{name}" for place, names in found for name in names.split(", ")}


def names_of_the_reference(site):
    pages = [page.read_text(encoding="utf-8") for page in (site / "docs/site/api").glob("*.html")]
    return {name for page in pages for name in re.findall(r'id="(?:module-)?((?:gpunet|dcgan)\.[\w.]+)"', page)}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that prints nothing."""

    def log_message(self, *_):
        pass


def in_chromium(site, folder, served):
    """Pages fit into windows of 1280 and 400 pixels, ask no other host, and the search finds a page."""
    browser = chromium.Browser(folder)
    handler = partial(Quiet, directory=site)
    try:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            start = f"http://127.0.0.1:{server.server_port}" if served else site.as_uri()
            for name in ("README", "docs/kernels", "docs/site/api/layers", "source/kernels/activations.cu"):
                for width in (1280, 400):
                    visit(browser, f"{start}/{name}.html", width)
                    assert browser.js("document.documentElement.scrollWidth") <= width, (name, width)
            visit(browser, f"{start}/search.html?q=winograd", 1280)
            found = "[...document.querySelectorAll('#search-results li a')].map(each => each.href).join()"
            deadline = time.monotonic() + 20
            while "docs/convolution.html" not in browser.js(found):
                assert time.monotonic() < deadline, browser.js(found)
                time.sleep(0.1)
            server.shutdown()
        wrong = [each for each in browser.wrong() if not re.match(f"request: {start}/", each)]
        assert not wrong, wrong
    finally:
        browser.close()


def visit(browser, address, width):
    """Open an address with a window of that width; wait for it."""
    browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.ask("Page.navigate", url=address)
    while browser.js("document.readyState") != "complete" or not browser.js("location.href").startswith(address):
        time.sleep(0.05)


@pytest.mark.parametrize(
    "html, says",
    [
        ('<a href="b.html">b</a>', "no such file"),
        ('<a href="#b">b</a>', "no such name"),
        ('<img src="b.png">', "no such file"),
        ('<script src="https://example.org/a.js"></script>', "another host"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "another host"),
        ("<style>@import 'https://example.org/a.css';</style>", "another host"),
        ('<p id="b"><a href="#b">b</a><a href="a.html#b">b</a><a href="https://example.org">c</a>', ""),
    ],
)
def test_what_the_check_of_a_site_finds(tmp_path, html, says):
    (tmp_path / "a.html").write_text(html)
    found = module("check").problems(tmp_path)
    assert (says in found[0]) if says else not found, found


def test_a_style_that_asks_another_host(tmp_path):
    check = module("check")
    assert check.problems(tmp_path) == [f"{tmp_path}: no pages"]
    (tmp_path / "a.html").write_text("<p>")
    (tmp_path / "a.css").write_text("p { background: url(https://example.org/a.png) }")
    assert "another host" in check.problems(tmp_path)[0]


@pytest.mark.parametrize(
    "lines, made",
    [
        (["Return *x_ and `y_z`."], ["Return \\*x\\_ and ``y_z``.", ""]),
        (
            ["A:", "", "    y = |x|", "", "B"],
            ["A:", "", "", ".. code-block:: none", "", "        y = |x|", "", "", "B", ""],
        ),
        (["* one", "  more", "* two"], ["* one", "  more", "* two", ""]),
    ],
)
def test_docstrings_as_sphinx_reads_them(lines, made):
    assert module("docstrings").as_rest(lines) == made


@needs_sphinx
def test_formulas_become_mathml():
    class Writer:
        body: list[str] = []

    class Node:
        def astext(self):
            return r"\frac{a}{b}"

    from docutils.nodes import SkipNode

    with pytest.raises(SkipNode):
        module("mathematics").visit_inline(Writer, Node())
    assert Writer.body[0].startswith("<math") and "<mfrac>" in Writer.body[0]


def test_new_pages_come_into_the_contents():
    found = {
        "README",
        "docs/start",
        "docs/lessons/1-a",
        "docs/puzzles",
        "docs/data",
        "docs/new",
        "kernels/README",
        "docs/site/api/optim",
    }
    lists = module("contents").contents(found)
    assert lists["The course"] == ["docs/start", "docs/lessons/1-a", "docs/puzzles"]
    assert lists["Guides"] == ["docs/data", "docs/new", "kernels/README"]
    assert lists["Python reference"] == ["docs/site/api/optim"]


def of_another_project(out):
    out.mkdir()
    (out / "searchindex.js").touch()
    (out / "objects.inv").write_text("# Sphinx inventory version 2\n# Project: another\n")


OTHERS = {  # what stands at --out, and what is said of it
    "is not empty, and holds no earlier site": lambda out: (out / "thesis").mkdir(parents=True),
    "holds no earlier site": of_another_project,
    "is a file": lambda out: out.write_text("a thesis"),
}


@needs_sphinx
@pytest.mark.parametrize("words", OTHERS)
def test_a_folder_of_something_else_stays(words, tmp_path, capsys):
    out = tmp_path / "out"
    OTHERS[words](out)
    before = sorted(tmp_path.rglob("*"))
    assert module("build").main(["--out", str(out)]) == 2 and sorted(tmp_path.rglob("*")) == before
    said = capsys.readouterr().err
    assert said.startswith(f"error: --out: {out} ") and words in said and said.count("\n") == 1


@needs_sphinx
def test_a_folder_that_cannot_be_made_ends_in_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert module("build").main(["--out", str(tmp_path / "file/site")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: --out: {tmp_path}/file/site: ") and said.count("\n") == 1


@needs_sphinx
def test_an_empty_folder_may_be_replaced(tmp_path):
    assert module("build").in_the_way(tmp_path) == module("build").in_the_way(tmp_path / "none") == ""


def test_the_site_folder_is_not_committed():
    assert "build/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert Path("build/site") == Path(re.search(r"default=ROOT / \"(.*?)\"", (SITE / "build.py").read_text())[1])
