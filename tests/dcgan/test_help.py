"""--help of every command: it fits a terminal of 80 columns, and needs no package that the command alone needs."""

import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from itertools import pairwise

import pytest

from dcgan.__main__ import COMMANDS
from dcgan.config import GROUPS, Config
from running import ROOT

BENCHMARKS = (
    "invert", "kernels", "label_accuracy", "ladder", "losses", "memory", "nearest_error", "ops", "options", "pipeline",
    "roofline_plot", "scaling", "step", "table",
)  # fmt: skip
MODULES = (
    *(f"dcgan.{name}" for name in COMMANDS),
    *("gpunet.gradcheck.__main__", "gpunet.kernels.__main__"),
    *(f"benchmarks.{name}" for name in BENCHMARKS),
)
NEED_TORCH = ("ops", "scaling", "step")


def help_of(module, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["x", "--help"])
    with pytest.raises(SystemExit) as ended:
        import_module(module).main()
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("module", MODULES)
def test_the_help_fits_80_columns(module, capsys, monkeypatch):
    text = help_of(module, capsys, monkeypatch)
    assert text.startswith("usage: python -m ") and "--help" in text
    assert not [line for line in text.splitlines() if len(line) > 80]


@pytest.mark.parametrize("name", NEED_TORCH)
def test_the_help_needs_no_pytorch(name, tmp_path):
    """Without PyTorch the help is shown, and the command itself ends in one line."""
    program = f"""
import sys
from dataclasses import fields
sys.modules["torch"] = None
sys.argv[0] = "x"
from benchmarks import {name}
sys.exit({name}.main())
"""
    for arguments, status in (["--help"], 0), ([], None):
        command = [sys.executable, "-c", program, *arguments]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        if status == 0:
            assert ended.returncode == 0 and ended.stdout.startswith("usage: ") and not ended.stderr
        else:
            assert ended.returncode and ended.stderr.count("\n") == 1
            assert "pip install 'gpunet[torch]'" in ended.stderr


def test_the_options_of_a_training_stand_in_groups(capsys, monkeypatch):
    text = help_of("dcgan.train", capsys, monkeypatch)
    places = [text.index(f"\n{title}:\n") for title in GROUPS]
    assert places == sorted(places)
    of_title = dict(zip(GROUPS, (text[start:end] for start, end in pairwise([*places, len(text)])), strict=True))
    networks = of_title["networks"]
    assert "--lr X" in of_title["training"] and "--seed" in of_title["training"] and "--width" in networks
    for word in ("ngf", "ndf", "nz"):  # what other programs call them
        assert word in networks


def test_the_options_of_config_are_those_of_the_groups_in_their_order():
    of_groups = [item.name for group in GROUPS.values() for item in fields(group)]
    assert [item.name for item in fields(Config)] == of_groups
