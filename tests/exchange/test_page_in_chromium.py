"""The page of dcgan.export --to html in Chromium, where there is one: it draws what Python draws."""

import base64
import json
import re
import time

import numpy as np
import pytest

import chromium
from dcgan import generate
from dcgan.exchange.browser import page as browser_page
from dcgan.exchange.browser import plan
from dcgan.sampling import draw_z
from gpunet import backend
from pages import ROOT
from preset_runs import SIZES, made_run

RUNS = [
    *((name, {}) for name in SIZES),
    ("dcgan64", {"upsample": "nearest", "z_dist": "uniform", "bias": True}),
    ("carpedm20", {"projection_norm": "feature", "bn_scale": False, "channels": 1, "z_dist": "unsigned"}),
    ("dcgan64", {"conditional": "joined"}),
    ("resnet", {"conditional": "projection"}),
    ("paper", {"output": "sigmoid", "padding": "symmetric"}),
]
DEMO = ROOT / "docs/browser/index.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser for all tests of this file."""
    if not chromium.PROGRAM:
        pytest.skip("there is no Chromium")
    browser = chromium.Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def settled(browser):
    """Wait until everything is drawn."""
    end = time.monotonic() + 60
    while browser.js("document.body.dataset.busy") != "false":
        assert time.monotonic() < end and not browser.js("document.getElementById('state').textContent")
        time.sleep(0.02)


def shown(browser, path, run, **window):
    path.write_text(browser_page.page(run))
    browser.open(path, **window)
    settled(browser)
    return browser


def canvas(browser, selector):
    """Return the pixels of a canvas, (H, W, 3)."""
    text = browser.js(
        f"(canvas => canvas.width + ' ' + canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        f".data.join(' '))(document.querySelector({selector!r}))"
    )
    width, *numbers = map(int, text.split())
    return np.array(numbers).reshape(-1, width, 4)[..., :3]


def tile(number):
    return f"#grid button:nth-child({number}) canvas"


def expected(run, seed, label=None):
    """Return G's first 16 pictures of a seed: by the weights that the page has, and by those of the run."""
    bits = json.loads(re.search(r'"bits":(\d+)', browser_page.page(run))[1])
    nets = plan.evaluated(run.G, bits), plan.evaluated(run.G)
    rounded, exact = (next(generate.pictures(net, run.config, 16, seed, label)) for net in nets)
    return [np.broadcast_to(each, (*each.shape[:3], 3)).astype(int) for each in (rounded, exact)]


@pytest.mark.parametrize("name, options", RUNS, ids=str)
def test_the_browser_draws_what_python_draws(browser, tmp_path, name, options):
    run = made_run(name, options)
    shown(browser, tmp_path / "page.html", run)
    assert browser.wrong() == []
    rounded, exact = expected(run, 0, 0 if run.config.classes else None)
    drawn = np.stack([canvas(browser, tile(number + 1)) for number in range(16)])
    assert np.abs(drawn - rounded).max() <= 1 and np.ptp(drawn) > 20
    assert np.sqrt(np.mean((drawn - exact) ** 2.0)) < 1.0
    assert (canvas(browser, "#large") == drawn[0]).all()


def test_the_page_of_docs_draws(browser):
    browser.open(DEMO)
    settled(browser)
    assert browser.wrong() == [] and np.ptp(canvas(browser, "#large")) > 100


def test_seeds_and_classes(browser, tmp_path):
    run = made_run("carpedm20-mnist", {})
    shown(browser, tmp_path / "page.html", run)
    for seed, label in ((7, 0), (2**70 + 5, 3)):
        browser.js(f"seedField.value = ' {seed} '; seedField.dispatchEvent(new Event('change'))")
        browser.js(f"chooser.value = '{label}'; chooser.dispatchEvent(new Event('change'))")
        browser.js("document.querySelector('#grid button:nth-child(5)').click()")
        settled(browser)
        rounded, _ = expected(run, seed, label)
        assert np.abs(canvas(browser, "#large") - rounded[4]).max() <= 1
        assert np.abs(canvas(browser, tile(16)) - rounded[15]).max() <= 1
        assert browser.js("document.getElementById('address').textContent") == run.address(seed, 5, label).text()
    browser.js("seedField.value = '-1'; seedField.dispatchEvent(new Event('change'))")
    assert browser.js("seedField.getAttribute('aria-invalid')") == "true" and browser.js("seed") == str(seed)
    browser.js("document.getElementById('new').click()")
    assert browser.js("seed") != str(seed) and browser.js("seedField.value") == browser.js("seed")


def test_sliders_move_z_along_their_directions(browser, tmp_path):
    run = made_run("dcgan64", {"z_dist": "uniform"})
    shown(browser, tmp_path / "page.html", run)
    before = canvas(browser, "#large")
    browser.js("document.querySelectorAll('.slider input')[1].focus()")
    for _ in range(12):
        browser.press("ArrowRight", 39)
    settled(browser)
    model = json.loads(browser.js("element('model').textContent"))
    content = base64.b64decode(browser.js("element('arrays').textContent"))
    way = np.frombuffer(content, "<f4", 5, model["directions"][1])
    z = np.clip(draw_z(np.random.default_rng(0), 1, run.config) + np.float32(1.2) * way, -1, 1)
    moved = backend.real_to_images(plan.evaluated(run.G, model["bits"]).forward(z), -1.0)[0].astype(int)
    drawn = canvas(browser, "#large")
    assert np.abs(drawn - moved).max() <= 1 and (drawn != before).any()
    assert browser.js("document.querySelectorAll('.slider output')[1].textContent") == "1.2"
    assert not browser.js("document.getElementById('moved').hidden")
    browser.js("document.getElementById('rest').click()")
    settled(browser)
    assert (canvas(browser, "#large") == before).all() and browser.js("document.getElementById('moved').hidden")


def test_saved_pictures_are_png_of_the_pixels(browser, tmp_path):
    shown(browser, tmp_path / "page.html", made_run("dcgan64", {}))
    browser.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved"))
    for button, name in (("save", "0001-test_7raw_0_1.png"), ("save-grid", "0001-test_7_0_grid.png")):
        browser.js(f"document.getElementById('{button}').click()")
        end = time.monotonic() + 20
        while not (tmp_path / "saved" / name).exists():
            assert time.monotonic() < end, list(tmp_path.rglob("*"))
            time.sleep(0.05)
    height, width = SIZES["dcgan64"]
    picture, grid = (
        dcgan_png(tmp_path / "saved" / name) for name in ("0001-test_7raw_0_1.png", "0001-test_7_0_grid.png")
    )
    assert (picture == canvas(browser, "#large")).all()
    assert grid.shape[:2] == (4 * (height + 2) + 2, 4 * (width + 2) + 2)
    assert (grid[height + 4 : 2 * height + 4, 2 : width + 2] == canvas(browser, tile(5))).all()


def dcgan_png(path):
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**32, 2**64 + 1, 10**38])
def test_the_numbers_are_those_of_numpy(browser, tmp_path, seed):
    shown(browser, tmp_path / "page.html", made_run("basicgan", {}))
    browser.js((browser_page.HERE / "numbers.js").read_text().replace('"use strict";', "").replace("const ", "var "))
    rng = np.random.default_rng(seed)
    for kind, theirs in (("normal", rng.standard_normal(20000)), ("uniform", rng.random(50))):
        start = f"var source = numbers({seed}n);" if kind == "normal" else ""
        ours = browser.js(f"{start} Array.from({{length: {len(theirs)}}}, source.{kind})")
        assert np.abs(np.array(ours) - theirs).max() < 1e-14


@pytest.mark.parametrize("width", [1280, 400, 320])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_its_window(browser, tmp_path, width, dark):
    run = made_run("carpedm20-mnist", {})._replace(run="a-name-" * 20, classes=("long name of a class " * 5,) * 10)
    shown(browser, tmp_path / "page.html", run, width=width, dark=dark)
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert (browser.js("getComputedStyle(document.body).backgroundColor") == "rgb(23, 24, 26)") is dark


def test_the_page_cannot_reach_the_network(browser, tmp_path):
    shown(browser, tmp_path / "page.html", made_run("basicgan", {}))
    browser.js(
        "var reached = ''; fetch('http://127.0.0.1:9/').then(() => { reached = 'yes'; }, e => { reached = 'no'; })"
    )
    browser.js(
        "var denied = []; document.addEventListener('securitypolicyviolation', e => denied.push(e.effectiveDirective))"
    )
    browser.js("fetch('http://127.0.0.1:9/again').catch(() => 0); void 0")
    end = time.monotonic() + 10
    while browser.js("reached") != "no" or browser.js("denied.length") < 1:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert browser.js("denied[0]") == "connect-src"
