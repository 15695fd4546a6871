"""DCGAN_QUICK: new trainings are tiny, and say so; without it nothing is lowered."""

from __future__ import annotations

import json
from argparse import Namespace

import pytest

from benchmarks.measure.workloads import Workload
from dcgan import presets, quick
from running import run_train


@pytest.fixture(params=["1", "yes"])
def on(request, monkeypatch):
    monkeypatch.setenv(quick.VARIABLE, request.param)


@pytest.mark.parametrize("value", [None, "", "0"])
def test_nothing_is_lowered_without_it(value, monkeypatch):
    if value is None:
        monkeypatch.delenv(quick.VARIABLE, raising=False)
    else:
        monkeypatch.setenv(quick.VARIABLE, value)
    config = presets.config_of({"steps": 7, "preset": "paper"})
    assert (config.steps, config.width, config.batch_size, config.train_size) == (7, 128, 128, None)
    assert not quick.notice() and Workload.named("dcgan64-nf64-b64").name == "dcgan64-nf64-b64"


@pytest.mark.parametrize("given", [{}, {"steps": 1}, {"epochs": 300, "batch_size": 3}, {"preset": "basicgan"}])
def test_numbers_are_lowered_and_never_raised(on, given):
    config = presets.config_of(given)
    assert config.steps == given.get("steps", 2) and config.width == 4 and config.samples == 10
    assert config.batch_size == given.get("batch_size", 4) and config.epochs == given.get("epochs", config.epochs)


@pytest.mark.parametrize("end", ["", "-s128", "-reference"])
def test_a_workload_has_the_name_of_what_is_measured(on, end):
    workload = Workload.named(f"dcgan64-nf64-b64{end}")
    assert workload.name == f"dcgan64-nf4-b4{end}" and (workload.width, workload.batch) == (4, 4)
    assert Workload.named("dcgan64-nf2-b3").name == "dcgan64-nf2-b3"


def test_options_of_a_benchmark(on, capsys):
    options = Namespace(steps=200, seeds=1)
    quick.cap(options, steps=2, seeds=2)
    assert (options.steps, options.seeds) == (2, 1) and capsys.readouterr().out.strip() == quick.notice()


def test_a_run_says_so(on, tiny, run, capsys, numbers_for_plot):
    assert run_train(*tiny, "--steps 50") == 0
    assert quick.notice() in capsys.readouterr().out.splitlines()
    assert json.loads((run / "run.json").read_text())["starts"][0]["quick"] == quick.notice()
    assert json.loads((run / "config.json").read_text())["steps"] == 2
    assert len((run / "log.jsonl").read_text().splitlines()) == 2


def test_a_resumed_run_keeps_its_own_numbers(tiny, run, monkeypatch, capsys, numbers_for_plot):
    assert run_train(*tiny, "--steps 3") == 0
    monkeypatch.setenv(quick.VARIABLE, "1")
    assert run_train("--resume", run, "--steps 5 --no-progress") == 0
    assert quick.notice() in capsys.readouterr().out
    assert len((run / "log.jsonl").read_text().splitlines()) == 5
    assert json.loads((run / "config.json").read_text())["batch_size"] == 8
