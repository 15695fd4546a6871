"""dcgan.export --to html: the page as a file, which loads nothing."""

import base64
import hashlib
import re

import numpy as np
import pytest

import dcgan
from dcgan import export
from dcgan.errors import UserError
from dcgan.exchange.browser import page as browser_page
from dcgan.exchange.browser import plan
from dcgan.sampling import draw_z
from gpunet import layers
from page_reader import Page
from pages import ROOT
from preset_runs import made_run
from running import words

DEMO = ROOT / "docs/browser/index.html"


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
