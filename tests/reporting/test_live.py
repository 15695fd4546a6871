"""--report-every: RUN/report.html while a run trains, and that it changes nothing else of the run."""

import re

import pytest

from dcgan.config import Config
from dcgan.reporting import live
from dcgan.reporting.live import Live
from dcgan.run.folder import RunDir
from page_reader import read_page
from running import content, run_train

pytestmark = pytest.mark.usefixtures("numbers_for_plot")


@pytest.fixture
def written(monkeypatch):
    """What each report said when it was written: whether it reloads, and the last step of its first curve."""
    seen = []
    write = Live.write

    def noted(self, goes_on=True):
        write(self, goes_on)
        page = read_page(self.watched.run.report)
        (state,) = re.findall(r"step \d of \d · (\w+) · ", page.text)
        seen.append((page.reloads, state, page.data[0]["curves"][0]["last"][-1]))

    monkeypatch.setattr(Live, "write", noted)
    return seen


def test_the_page_follows_the_run(often, run, written):
    assert run_train(*often, "--steps 7 --report-every 2") == 0
    assert written == [(True, "running", step) for step in (2, 4, 6)] + [(False, "finished", 7)]
    page = read_page(run / "report.html")
    assert "ended" in page.texts("dt") and [each["data-step"] for each in page.all("figure") if "data-step" in each]


def test_at_the_end_of_epochs(often, written):
    assert run_train(*often, "--epochs 2 --report-every 1ep") == 0  # 20 pictures: two batches of 8 each
    assert written == [(True, "running", 2), (True, "running", 4), (False, "finished", 4)]


def test_a_run_with_reports_is_the_same_run(often, runs):
    assert run_train(*often, "--steps 7") == 0
    assert run_train(*often, "--steps 7 --report-every 1") == 0
    assert run_train(*often, "--steps 4 --report-every 3") == 0
    assert run_train("--resume", runs / "0003-dcgan64", "--steps 7 --report-every 2 --no-progress") == 0
    plain, reported, resumed = (content(runs / f"000{i}-dcgan64") for i in (1, 2, 3))
    assert reported.pop("report.html") and resumed.pop("report.html")
    for files in (plain, reported, resumed):
        del files["config.json"]
    assert plain == reported
    del resumed["samples/000004.png"], reported["samples/000004.png"]
    assert {name: files for name, files in resumed.items() if name in reported} == reported


def test_without_the_option_there_is_no_page(often, run):
    assert run_train(*often, "--steps 2") == 0
    assert not (run / "report.html").exists() and Config().report_every is None


def test_a_page_that_cannot_be_written_stops_no_training(often, run, capsys):
    assert run_train(*often, "--steps 3") == 0
    (run / "report.html").mkdir()
    assert run_train("--resume", run, "--steps 6 --report-every 2 --no-progress") == 0
    assert f"could not write {run}/report.html: " in capsys.readouterr().out


def test_the_page_is_written_when_training_fails(tmp_path):
    (tmp_path / "run/samples").mkdir(parents=True)
    with pytest.raises(ArithmeticError), live.final(True, RunDir(tmp_path / "run"), print):
        raise ArithmeticError("a loss is NaN")
    assert not read_page(tmp_path / "run/report.html").reloads


def test_a_grid_is_read_once(often, run, monkeypatch):
    from dcgan.reporting import pictures

    read, embedded = [], pictures.embedded

    def noted(content, name):
        read.append(name)
        return embedded(content, name)

    monkeypatch.setattr(pictures, "embedded", noted)
    assert run_train(*often, "--steps 9 --report-every 1") == 0
    during = read[: -len({*read})]  # the last page, written at the end, reads all anew
    assert sorted(during) == ["samples/000001.png", "samples/000004.png", "samples/000008.png", "samples/000009.png",
                              "samples/real.png"]  # fmt: skip
