"""Completion for shells: the scripts run, and know every option of every command and the values of options."""

import shutil
import subprocess
from importlib import import_module

import pytest

from dcgan import __main__ as listing
from dcgan import completion
from dcgan.__main__ import COMMANDS
from dcgan.config.machine import PRECISIONS
from dcgan.presets import PRESETS

PRESET_NAMES = sorted(PRESETS)
# What is typed, its last word not finished, and what may follow. None: files, which the shell itself completes.
TYPED = {
    "dcgan-train --preset ": PRESET_NAMES,
    "dcgan-train --preset carped": ["carpedm20", "carpedm20-mnist"],
    "dcgan-train --lr 1 --precision ": sorted(PRECISIONS),
    "python -m dcgan.train --lr-": ["--lr-d", "--lr-decay", "--lr-g", "--lr-period", "--lr-schedule"],
    "python3 -m dcgan.generate runs/1 --weights ": ["ema", "raw"],
    "dcgan-generate runs/1 --mode merged": ["merged-gif"],
    "python -m dcgan.summary pap": ["paper"],
    "python -m dcgan.su": ["dcgan.summary"],
    "dcgan-compare --no-pro": ["--no-progress"],
}
IN_BASH = {  # what bash cuts at the =, as it hands it over
    "dcgan-train --preset =": PRESET_NAMES,
    "dcgan-train --preset = pap": ["paper"],
    "/opt/bin/dcgan-train --device c": ["cpu", "cuda"],
    "dcgan-train --data ": [],
    "dcgan-train --lr ": [],
    "python script.py --pre": [],
}
ASK = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_dcgan
printf '%s\\n' "${COMPREPLY[@]}"
"""


def written(name, folder):
    """The path of a shell's script; skips where the shell is not installed."""
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    path = folder / f"dcgan.{name}"
    path.write_text(completion.script(name, COMMANDS))
    return path


def shell(*command):
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    return sorted(line.split("\t")[0] for line in ended.stdout.splitlines() if line)


def asked(name, path, typed):
    """What the shell offers behind a text."""
    words = typed.split(" ")
    if name == "bash":
        return shell("bash", "--norc", "-c", ASK, "bash", path, *words)
    assert name == "fish"
    return shell("fish", "--no-config", "-c", f"source {path}; complete -C '{typed}'")


@pytest.mark.parametrize("name", completion.SHELLS)
def test_the_scripts_are_sound(name, tmp_path):
    shell(name, "-n", written(name, tmp_path))


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize("name", ["bash", "fish"])  # zsh completes in its line editor only
def test_what_is_offered(name, typed, tmp_path):
    assert asked(name, written(name, tmp_path), typed) == TYPED[typed]


@pytest.mark.parametrize("typed", IN_BASH)
def test_what_bash_offers(typed, tmp_path):
    assert asked("bash", written("bash", tmp_path), typed) == IN_BASH[typed]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_there(command):
    options = {name for action in import_module(f"dcgan.{command}").parser()._actions for name in action.option_strings}
    assert "--help" in options and "--version" in options
    lines = completion.script("bash", [command]).splitlines()
    (line,) = [line for line in lines if line.strip().startswith("options=")]
    assert set(line.split('"')[1].split()) == options
    for shell in ("zsh", "fish"):
        text = completion.script(shell, [command])
        assert all(name in text or f"-l {name[2:]} " in text for name in options if name.startswith("--"))


def test_the_command(capsys):
    for name in completion.SHELLS:
        assert listing.main(["--completion", name]) == 0
        assert capsys.readouterr().out.strip() == completion.script(name, COMMANDS).strip()
    assert listing.main(["--completion", "bsh"]) == 2
    assert "--completion: got 'bsh', expected one of bash, zsh, fish: did you mean bash?" in capsys.readouterr().err
