"""dcgan.forget: the regression against its gradient, planted filters found, G without them layer by layer, misuse."""

import json

import numpy as np
import pytest

from cases import assert_close, host
from dcgan import forget, generate
from dcgan.experiments import boxes, forgetting, picking
from dcgan.experiments.boxes import Box
from gpunet.layers import BatchNorm, ConvTranspose2d, ReLU, Sequential, Tanh
from small_runs import cells, command, folder


def test_the_regression_stands_where_its_gradient_is_zero():
    rng = np.random.default_rng(0)
    x, inside = rng.standard_normal((60, 4)), rng.random(60) < 0.5
    x[:, 1] += 2 * inside
    x[:, 3] = 7  # says nothing
    w, right = forgetting.logistic_regression(x, inside)
    scaled = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)

    def loss(w, b):
        signed = np.where(inside, 1, -1) * (scaled @ w + b)
        return np.logaddexp(0, -signed).sum() + 0.5 * (w**2).sum()

    best = min(np.linspace(-5, 5, 20001), key=lambda b: loss(w, b))
    for i in range(4):
        step = np.eye(4)[i] * 1e-4
        assert abs(loss(w + step, best) - loss(w - step, best)) / 2e-4 < 1e-3
    assert w[1] > 1 and w[3] == 0 and 0.7 < right <= 1


def test_places_in_boxes():
    maps = np.arange(2 * 4 * 4).reshape(2, 4, 4, 1)
    box = Box(9, 4, 0, 12, 3)  # of 16x16 pixels: the middles 2, 6, 10, 14; columns 1 and 2 of row 0
    x, inside = forgetting.examples(maps, [5, 9], [box], (16, 16), np.random.default_rng(0))
    assert sorted(x[inside].ravel().tolist()) == [17, 18] and len(x) == 4
    assert not {17, 18} & set(x[~inside].ravel().tolist())


def test_G_without_filters_of_cells(cell):
    rng = np.random.default_rng(0)
    G = Sequential(ConvTranspose2d(5, 6, 4), BatchNorm(6), ReLU(), ConvTranspose2d(6, 4, 4, 2, 1), ReLU(),
                   ConvTranspose2d(4, 3, 4, 2, 1), Tanh()).to(cell.device, "float32").eval()  # fmt: skip
    z = cell.array(rng.standard_normal((2, 1, 1, 5)).astype("float32"), "float32")
    first, second = forgetting.map_names(G, z)[::-1]
    for name, cut, width in ((first, 3, 6), (second, 5, 4)):
        filters = np.array([0, 3])
        y = z
        for layer in G.layers[:cut]:
            y = layer.forward(y) if not (isinstance(layer, ReLU) and cut == 3) else y  # inside batch norm
            y = y if not isinstance(layer, BatchNorm) else y
        assert_close(forgetting.feature_map(G, z, name), host(y), 1e-6)
        y = cell.array(host(y) * np.isin(np.arange(width), filters, invert=True), "float32")
        for layer in G.layers[cut:]:
            y = layer.forward(y)
        assert_close(forgetting.drawn_without(G, z, name, filters), host(y), 1e-5)


def test_the_sheet(plain, tmp_path, capsys):
    out = tmp_path / "a.png"
    assert command(forget.main, plain, "--box 2:0,0,8,8 --box 3:4,4,16,12 --count 4 --out", out) == 0
    found, texts = cells(out, 4)
    assert np.abs(found[0].astype(int) - plain.sample(4, seed=1)).max() <= 1 and texts["layer"] == "1"
    assert (found[1] != found[0]).any() and "2 boxes, 10 places in them and 10 others" in capsys.readouterr().out


def test_with_a_threshold_that_no_weight_reaches_nothing_changes(plain, tmp_path, capsys):
    arguments = "--box 2:0,0,8,8 --count 2 --layer 1 --threshold 1e8 --new-seed 0 --out"
    assert command(forget.main, plain, arguments, tmp_path / "a.png") == 0
    found, texts = cells(tmp_path / "a.png", 2)
    assert (found[0] == found[1]).all() and texts["filters"] == "0"
    assert "no filter speaks for what is in the boxes" in capsys.readouterr().out


def test_labels_and_the_only_map(labelled, tmp_path, capsys):
    arguments = "--box 2:0,0,8,8 --label dog --count 3 --out"  # G has one feature map: without --layer it is taken
    assert command(forget.main, labelled, arguments, tmp_path / "a.png") == 0
    assert "1 box, " in capsys.readouterr().out
    assert command(forget.main, labelled, "--layer 2 --box 2:0,0,8,8 --label dog --out", tmp_path / "b.png") == 2
    assert "--layer: got 2, expected 1, the only feature map" in capsys.readouterr().err
    found, _ = cells(tmp_path / "a.png", 3)
    z = picking.z_of(labelled.config, 1, [1, 2, 3])
    assert np.abs(found[0].astype(int) - generate.one_class(labelled.G, z, 1)).max() <= 1


def test_files_of_boxes(tmp_path):
    expected = [Box(1, 0, 2, 8, 9), Box(4, 1, 1, 2, 2)]
    (tmp_path / "a.csv").write_text("number,left,top,right,bottom\n1,0,2,8,9\n\n4,1,1,2,2\n")
    (tmp_path / "a.json").write_text(json.dumps([list(box) for box in expected]))
    for name in ("a.csv", "a.json"):
        assert boxes.from_file(tmp_path / name, (16, 16)) == expected
    assert boxes.from_words(["1:0,2,8,9", "4:1,1,2,2"], (16, 16)) == expected


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("--out a.png", "expected --box or --boxes"),
        ("--box 1:2,3 --out a.png", "--box: got '1:2,3', expected number:left,top,right,bottom"),
        ("--box 1:0,0,17,4 --out a.png", "a box inside a picture 16 high and 16 wide"),
        ("--box 0:0,0,4,4 --out a.png", "--box: got '0:0,0,4,4'"),
        ("--box 1:0,0,1,1 --out a.png", "no box holds the middle of a place"),
        ("--box 1:0,0,16,16 --out a.png", "the boxes cover all of the pictures"),
        ("--box 1:0,0,9,9 --layer 9 --out a.png", "--layer: got 9, expected 1 to 2"),
        ("--boxes none.csv --out a.png", "--boxes: no such file: none.csv"),
        ("--boxes bad.json --out a.png", "is neither JSON nor CSV"),
        ("--boxes map.json --out a.png", "expected a list of boxes"),
        ("--boxes rows.json --out a.png", "got '7', expected number:left,top,right,bottom"),
    ],
)
def test_misuse(plain, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("[[" * 9)
    (tmp_path / "map.json").write_text("{}")
    (tmp_path / "rows.json").write_text("[7]")
    assert forget.main([folder(plain), *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "a.png").exists()
