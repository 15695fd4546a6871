"""dcgan.export --to html: the page as a file, which loads nothing, and in Chromium, which draws what Python draws."""

import base64
import hashlib
import json
import re
import time

import numpy as np
import pytest

import chromium
import dcgan
from dcgan import export, generate
from dcgan.errors import UserError
from dcgan.exchange.browser import page as browser_page
from dcgan.exchange.browser import plan
from dcgan.sampling import draw_z
from gpunet import backend, layers
from page_reader import Page
from pages import ROOT
from preset_runs import SIZES, made_run
from running import words

RUNS = [
    *((name, {}) for name in SIZES),
    ("dcgan64", {"upsample": "nearest", "z_dist": "uniform", "bias": True}),
    ("carpedm20", {"projection_norm": "feature", "bn_scale": False, "channels": 1, "z_dist": "unsigned"}),
    ("paper", {"output": "sigmoid", "padding": "symmetric"}),
]
DEMO = ROOT / "docs/browser/index.html"


# ---- the file ----


def of(run):
    return Page(browser_page.page(run))


def digest(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_file_loads_nothing():
    page = of(made_run("carpedm20-mnist", {}))
    assert {each["href"] for each in page.elements if "href" in each} == {"data:,"}
    assert not [each for each in page.elements if {"src", "srcset", "action", "style"} & set(each)]
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", re.sub(r"/\*.*?\*/", "", page.source, flags=re.S))
    assert not [name for each in page.elements for name in each if name.startswith("on")]
    run = [each for each in page.all("script") if "type" not in each]
    (style,) = page.all("style")
    assert page.policy == (
        f"default-src 'none'; style-src '{digest(page.inner(style))}'; script-src '{digest(page.inner(run[0]))}'; "
        "worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert len(run) == 1 and {each.get("type") for each in page.all("script")} == {
        None,
        "application/json",
        "text/plain",
    }


def test_names_that_hold_html_stay_texts():
    evil = "</script><script>alert(1)</script><b>"
    run = made_run("carpedm20-mnist", {})._replace(run=evil, classes=(evil, "<i>", "c"))
    page = of(run)
    assert len(page.all("script")) == 4 and not page.all("b") and not page.all("i")
    assert page.data[0]["run"] == evil and page.texts("option")[:4] == [evil, "<i>", "c", "3"]
    assert page.title == f"Drawn by {evil}"


def test_the_arrays_are_those_of_the_plan():
    page = of(made_run("dcgan64", {}))
    model = page.data[0]
    (arrays,) = [page.inner(each) for each in page.all("script") if each.get("id") == "arrays"]
    content = base64.b64decode(arrays)
    assert len(content) == model["directions"][-1] + 4 * model["z"]["size"] and len(model["directions"]) == 5
    directions = np.frombuffer(content, "<f4", 25, model["directions"][0]).reshape(5, 5)
    products = directions @ directions.T
    assert np.abs(products - np.eye(5) * products[0, 0]).max() < 1e-5 and 0.9 < products[0, 0] < 1.1


def test_the_first_direction_changes_pictures_most():
    """Pictures whose numbers are those of z times 1, 5 and 2: the axes of z, in the order 1, 2, 0."""
    drawn = np.random.default_rng(0).standard_normal((60, 3))
    z = np.linalg.qr(drawn - drawn.mean(axis=0))[0].reshape(60, 1, 1, 3) * 60**0.5  # of sd 1, and uncorrelated
    found = browser_page.principal(z, z * [1, 5, 2])
    assert np.abs(np.abs(found) - np.eye(3)[[1, 2, 0]]).max() < 1e-6


@pytest.mark.parametrize("bits, most", [(8, 127), (16, 32767)])
def test_quantised(bits, most):
    weight = np.random.default_rng(0).standard_normal((3, 4, 5)) * [1e-3, 1, 1e3, 1, 1]
    weight[..., 3] = 0
    q, scale = plan.quantised(weight, bits)
    assert q.dtype == f"int{bits}" and np.abs(q).reshape(-1, 5).max(axis=0).tolist() == [most, most, most, 0, most]
    assert (np.abs(q * scale - weight) <= 0.501 * scale).all()


def test_bits_grow_where_eight_are_too_few(monkeypatch):
    run = made_run("dcgan64", {})
    fine, coarse = (plan.evaluated(run.G, bits) for bits in (16, 8))
    z = draw_z(np.random.default_rng(1), 20, run.config)
    exact = run.G.forward(z)
    near, far = (np.sqrt(np.mean((net.forward(z) - exact) ** 2)) for net in (fine, coarse))
    assert near < 1e-4 < far
    monkeypatch.setattr(browser_page, "NEAR", float(far) / 4)  # of a range of 1; that of tanh is 2
    assert of(run).data[0]["bits"] == 16


def test_a_layer_that_is_not_known():
    run = made_run("dcgan64", {})
    net = layers.Sequential(run.G[0], layers.Residual(layers.Sequential(layers.LayerNorm(8))))
    with pytest.raises(UserError, match=r"--to html: layer 1\.branch\.0, LayerNorm"):
        browser_page.page(run._replace(G=net))


def test_the_page_of_docs_is_current():
    page = Page(DEMO.read_text(encoding="utf-8"))
    files = {
        name: (browser_page.HERE / name).read_text() for name in ("page.css", "page.js", "numbers.js", "layers.js")
    }
    assert page.texts("style") == [files["page.css"]], "make browser-page writes it anew"
    assert page.inner(page.all("script")[-1]) == files["page.js"], "make browser-page writes it anew"
    (worker,) = [page.inner(each) for each in page.all("script") if each.get("id") == "worker"]
    assert worker == "\n".join([files["numbers.js"], files["layers.js"], (browser_page.HERE / "worker.js").read_text()])
    assert DEMO.stat().st_size < 3e6 and page.data[0]["step"] == 900


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_numbers_that_overflow():
    run = made_run("dcgan64", {})
    for layer in (run.G[0], run.G[3]):
        layer.weight.data[...] = 3e38
    run.G[1].buffers["running_var"][...] = 1e-30
    with pytest.raises(UserError, match="draws numbers that are NaN"):
        browser_page.page(run)


def test_the_command(tmp_path, capsys):
    small = {"width": 4, "image_size": 16, "z_dim": 5, "batch_size": 8, "samples": 4, "steps": 2, "device": "cpu"}
    run = dcgan.train(out=tmp_path, **small)
    assert export.main(words((f"{tmp_path}/{run.name}", "--to html --out", tmp_path / "page.html"))) == 0
    assert Page((tmp_path / "page.html").read_text()).data[0]["run"] == run.name
    assert export.main(words((f"{tmp_path}/{run.name}", "--to html --out", tmp_path / "page.txt"))) == 2
    assert "expected a .html file" in capsys.readouterr().err


# ---- in Chromium ----


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
