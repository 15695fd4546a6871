"""dcgan.export --to onnx: every preset and every layer computes the same under ONNX Runtime, for any batch size."""

import copy
import json
import re
import sys

import numpy as np
import pytest

import dcgan
import pages
from cases import CASES
from dcgan import export, presets
from dcgan.errors import UserError
from dcgan.exchange import onnx_file, onnx_graph
from gpunet import layers
from gpunet.gradcheck.cases import Labelled
from gpunet.layers import Layer
from preset_runs import SIZES, made_run, unlike_the_start
from running import words

VARIANTS = [
    *((name, {}) for name in presets.PRESETS),
    ("dcgan64", {"upsample": "nearest", "norm_d": "layer"}),
    ("dcgan64", {"norm_d": "instance", "spectral_norm": True, "head": "pool", "bias": True}),
    ("paper", {"upsample": "nearest", "norm_d": "none", "output": "sigmoid"}),
    ("tf-nw", {"sampling_statistics": "running", "padding": "symmetric"}),
    ("resnet", {"norm_d": "layer", "spectral_norm": False}),
    *((name, {"conditional": kind}) for name in ("dcgan64", "resnet") for kind in ("joined", "projection")),
    ("carpedm20", {"projection_norm": "feature", "bn_scale": False, "channels": 1}),
]


@pytest.fixture
def runtime():
    pytest.importorskip("onnx")
    return pytest.importorskip("onnxruntime")


def session(runtime, path):
    return runtime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name, options", VARIANTS, ids=str)
def test_onnx_runtime_computes_the_same(runtime, tmp_path, name, options):
    run = made_run(name, options)
    onnx_file.write(tmp_path, run)
    G, D = (session(runtime, tmp_path / f"{net}.onnx") for net in "GD")
    exact_G, exact_D = (copy.deepcopy(net).to("cpu", "float64") for net in (run.G, run.D))  # float32 rounds, ours too
    rng = np.random.default_rng(1)
    for count in (1, 3, 64):
        z = rng.standard_normal((count, 5)).astype("float32")
        labels = rng.integers(0, 10, count) if run.config.classes else None
        told = {} if labels is None else {"labels": labels}
        given = None if labels is None else labels.astype("int32")
        with exact_G.given(given), exact_D.given(given):
            ours = exact_G.forward(z.reshape(-1, 1, 1, 5).astype("float64"))
            seen = ours.astype("float32")
            logits = exact_D.forward(seen.astype("float64")).ravel()
        (pictures,) = G.run(None, {"z": z} | told)
        assert pictures.shape == (count, ours.shape[3], *SIZES[name])
        assert np.abs(pictures.transpose(0, 2, 3, 1) - ours).max() <= 1e-5 and np.ptp(ours) > 0.3
        (theirs,) = D.run(None, {"pictures": np.ascontiguousarray(seen.transpose(0, 3, 1, 2))} | told)
        assert theirs.shape == (count,)
        assert np.abs(theirs - logits).max() <= 1e-5 * max(1, np.abs(logits).max())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_every_layer(runtime, case):
    """Each row of the table of layers, odd sizes and paddings included, as a graph of its own."""
    layer, rng = case.make().eval(), np.random.default_rng(2)
    layer = layer.layer if isinstance(layer, Labelled) else layer
    unlike_the_start(layer, rng)
    x = rng.standard_normal(case.shape).astype("float32")
    labels = rng.integers(0, 3, len(x))
    with layer.given(labels.astype("int32")):
        ours = layer.forward(x)
    graph = onnx_graph.Graph()
    y = onnx_graph.add(graph, onnx_graph.Value("x", x.shape[1:]), layer)
    graph.node("Identity", y.name, output="y")
    turned = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
    content = onnx_file.model(graph, {"x": ("N", *turned.shape[1:])}, {"y": ("N", *[None] * (ours.ndim - 1))}, {})
    theirs = session(runtime, content).run(None, {"x": turned} | ({"labels": labels} if graph.labelled else {}))[0]
    theirs = theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs
    assert theirs.shape == ours.shape == (len(x), *y.shape)
    assert np.abs(theirs - ours).max() <= 1e-5 * max(1, np.abs(ours).max())


def test_the_command(runtime, tmp_path):
    small = {"width": 4, "image_size": 16, "z_dim": 5, "batch_size": 8, "samples": 4, "steps": 2, "device": "cpu"}
    run = dcgan.train(out=tmp_path, **small)
    assert export.main(words((f"{tmp_path}/{run.name}", "--to onnx --out", tmp_path / "out"))) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["D.onnx", "G.onnx"]
    G = session(runtime, tmp_path / "out/G.onnx")
    z = np.random.default_rng(3).standard_normal((2, 5)).astype("float32")
    assert np.abs(G.run(None, {"z": z})[0].transpose(0, 2, 3, 1) - run.generator(z)).max() <= 1e-5
    said = G.get_modelmeta().custom_metadata_map
    assert (said["run"], said["step"], said["range"]) == (run.name, "2", "-1 to 1")
    assert json.loads(said["options"])["width"] == 4


def test_onnx_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"--to onnx needs the package onnx .*: pip install 'gpunet\[onnx\]'"):
        onnx_file.write(tmp_path / "out", made_run("dcgan64", {}))
    assert not (tmp_path / "out").exists()


def test_a_layer_that_is_not_known():
    class Swish(Layer):
        def __repr__(self):
            return "Swish()"

    block = layers.Residual(layers.Sequential(layers.ReLU(), Swish()))
    with pytest.raises(UserError, match=r"layer 1\.branch\.1, Swish\(\), is none"):
        onnx_graph.of_generator(layers.Sequential(layers.Flatten(), block), 5)


def test_the_example_of_the_page(runtime, tmp_path, monkeypatch):
    """The block of docs/exchange.md, with a G of its sizes."""
    page = (pages.ROOT / "docs/exchange.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?import onnxruntime.*?)^```", page, re.M | re.S)
    run = made_run("dcgan64", {"z_dim": 100, "image_size": 64})
    onnx_file.write(tmp_path / "onnx", run)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block, names)
    assert names["pictures"].shape == (16, 3, 64, 64)
