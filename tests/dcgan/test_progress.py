"""What a run shows while it trains and afterwards: the line of progress, loss.png, the list of runs."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from tqdm import tqdm

from dcgan import plot
from dcgan import runs as listing
from dcgan.progress import FORMAT, step_text
from dcgan.run import curves
from dcgan.run.curves import LossPlot, curves_of, save_plot, smooth
from dcgan.run.folder import RunDir
from running import run_train

Figure = pytest.importorskip("matplotlib.figure").Figure

RECORD = {"step": 98765, "epoch": 25, "loss_d": 1.2345, "loss_g": 12.345, "d_real": 0.512, "d_fake": 0.487}


def records(count):
    rng = np.random.default_rng(0)
    return [{**RECORD, "step": step, "loss_d": float(rng.uniform(0, 2))} for step in range(1, count + 1)]


def test_the_line_fits_80_columns():
    text = step_text(RECORD, 2345.6, {})
    assert text == "ep 25 D(x) .51 D(G) .49 lossD 1.23 lossG 12.35 2346/s"
    out = io.StringIO()
    with tqdm(total=100_000, initial=98_765, file=out, bar_format=FORMAT) as bar:
        bar.set_postfix_str(text)
    line = out.getvalue().split("\r")[-1].rstrip("\n")
    assert len(line) <= 80 and text in line


def test_the_line_of_other_numbers():
    assert step_text({}, 0, {"decoded": "37%"}) == "0/s decoded 37%"
    assert step_text({"epoch": 1, "loss_g": 1234.5}, 3, {}) == "ep 1 lossG 1234 3/s"


def test_the_run_folder_is_named_before_it_trains(tiny, run, capsys):
    assert run_train(*tiny, "--steps 1") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[3] == said[-1] == f"run folder: {run}" and said[-2].startswith("samples: ")


def test_smooth():
    values = np.arange(1000.0)
    assert np.allclose(smooth(values)[100:900], values[100:900])  # the mean of a window around each
    assert np.array_equal(smooth(np.full(90, 0.25)), np.full(90, 0.25))
    assert smooth(np.zeros(0)).shape == (0,)
    noisy = np.random.default_rng(0).standard_normal(10_000)
    assert smooth(noisy).std() < 0.1


@pytest.mark.parametrize("count", [0, 1, 2, 10_000])
def test_a_picture_of_any_length(tmp_path, count):
    save_plot(tmp_path / "x.png", ("a run", records(count)))
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (900, 600)


def test_the_picture_says_what_it_shows(monkeypatch):
    """Reference lines in words, a legend above the curves, faint lines behind strong ones."""
    
    axes = Figure().subplots()
    curves.draw(axes, *curves.PANELS[0], records(1000))
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["D", "G", "2 ln 2: D's loss if D only guesses", "ln 2: G's loss then"]
    assert [line.get_ydata()[0] for line in axes.lines[-2:]] == pytest.approx([1.3863, 0.6931], abs=1e-4)
    faint, strong = axes.lines[:2]
    assert faint.get_alpha() < 0.5 and faint.get_linewidth() < strong.get_linewidth()
    assert strong.get_ydata().std() < faint.get_ydata().std() / 2


def test_the_picture_is_drawn_while_the_run_trains(tmp_path, monkeypatch):
    run = RunDir.create(tmp_path, "x")
    run.log.write_text("".join(json.dumps(record) + "\n" for record in records(5)))
    drawing = LossPlot(run, "dcgan64")
    drawing.update()
    assert not run.plot.exists()  # not yet
    drawing.next = 0
    drawing.update()
    assert run.plot.exists()
    run.plot.unlink()
    drawing.update()
    assert not run.plot.exists()  # not again so soon
    drawing.update(now=True)
    assert run.plot.exists()
    assert curves_of(run, "dcgan64")[0] == "0001-x, preset dcgan64"


def test_a_picture_that_cannot_be_drawn_stops_nothing(tmp_path, capsys):
    run = RunDir.create(tmp_path, "x")
    LossPlot(run, "dcgan64").update(now=True)
    assert "could not draw" in capsys.readouterr().out


@pytest.fixture
def two(tiny, run, runs, capsys):
    """Two runs: one finished, one that was stopped."""
    assert run_train(*tiny, "--steps 3") == run_train(*tiny, "--steps 2") == 0
    path = runs / "0002-dcgan64/run.json"
    path.write_text(path.read_text().replace('"last_step": 2', '"last_step": 5000'))
    capsys.readouterr()
    return runs


def test_plot(two, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    one, other = two / "0001-dcgan64", two / "0002-dcgan64"
    (one / "loss.png").unlink()
    assert plot.main([str(one)]) == 0
    assert (one / "loss.png").exists() and capsys.readouterr().out == f"losses: {one}/loss.png\n"
    assert plot.main([str(one), str(other)]) == 0
    with Image.open("losses.png") as image:
        assert image.size == (1800, 600)


@pytest.mark.parametrize("loss, lowest", [("wgan", -2.0), ("ns", 0.0)])
def test_a_run_with_scores_has_axes_for_any_numbers(loss, lowest):
    """Losses and scores below 0 are seen, and probabilities have their axes from 0 to 1."""
    names = ("score_real", "score_fake") if loss == "wgan" else ("d_real", "d_fake")
    records = [{"step": step, "loss_d": lowest, "loss_g": 1.0, names[0]: 0.5, names[1]: lowest} for step in (1, 2)]
    panels = curves.panels_of(records)
    shown = [curves.draw(Figure().subplots(), *panel, records) for panel in panels]
    assert [set(panel[1]) for panel in panels] == [{"loss_d", "loss_g"}, set(names)]
    if loss == "wgan":
        assert all(bottom <= lowest and top >= 0.5 for bottom, top in shown)
    else:
        assert shown == [(0.0, pytest.approx(1.65)), (0.0, 1.0)]


@pytest.mark.parametrize("wrong", [["nowhere"], [], ["0001-dcgan64", "--out", "x.jpg"]])
def test_mistakes_of_plot(two, wrong, capsys, monkeypatch):
    monkeypatch.chdir(two)
    assert plot.main(wrong) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_list_of_runs(two, capsys):
    (two / "notes").mkdir()
    (two / "0003-x").mkdir()
    (two / "0003-x/config.json").write_bytes(b"\xff")
    with RunDir(two / "0002-dcgan64").locked():
        assert listing.main([str(two)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["run", "preset", "step"] and len(lines) == 3
    assert lines[0].split()[:5] == ["0001-dcgan64", "dcgan64", "3", "/", "3"]
    assert lines[0].split()[6:] == ["finished", f"{two}/0001-dcgan64/samples/000003.png"]
    assert "2 / 5,000" in lines[1] and "running" in lines[1]
    assert lines[2] == f"{'0003-x':24} config.json is damaged"
    assert listing.main([str(two)]) == 0
    assert "stopped" in capsys.readouterr().out.splitlines()[2]


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_mistakes_of_the_list(folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert listing.main([str(tmp_path / folder)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
