"""Where a training runs: closed or broken outputs, terminals of few letters, a compiler that fails, no home folder."""

import os
import signal
import subprocess
import sys
import time

import pytest

from running import ROOT, TINY, words, write_pictures

FAILING = "#!/bin/sh\necho 'unknown option' >&2\nexit 1\n"
STEPS = ["--steps", 1]


def train(place, *arguments, shell="", **environment):
    """Train in a process of its own, in a folder; `shell` is put behind the command line."""
    command = [sys.executable, "-m", "dcgan.train", *words(arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        ["sh", "-c", f'"$@" {shell}', "sh", *command], cwd=place, env=environment, capture_output=True, timeout=120
    )


@pytest.fixture
def on_kernels(tmp_path):
    """The options of a tiny training by whatever implementation there is, with a compiler that fails."""
    (tmp_path / "cxx").write_text(FAILING)
    (tmp_path / "cxx").chmod(0o755)
    return [option.replace(" --implementation reference", "") for option in TINY]


def test_a_compiler_that_fails_is_said_and_the_reference_runs(on_kernels, tmp_path):
    cache = {"CXX": str(tmp_path / "cxx"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    ended = train(tmp_path, *on_kernels, *STEPS, **cache)
    assert ended.returncode == 0
    assert ended.stderr.decode().count("\n") == 1
    assert b"unknown option: running the NumPy reference instead of the kernels" in ended.stderr
    assert b"device cpu, implementation reference" in ended.stdout
    asked = train(tmp_path, *on_kernels, *STEPS, "--implementation kernels", **cache)
    assert asked.returncode == 2 and asked.stderr.decode().count("\n") == 1
    assert asked.stderr.startswith(b"error: --implementation kernels: ") and b"unknown option" in asked.stderr


def test_a_compiler_that_writes_rubbish(on_kernels, tmp_path):
    """What it says is shown on one line, without codes for the terminal."""
    (tmp_path / "cxx").write_text("#!/bin/sh\nprintf '\\033[31m\\001\\377\\007\\n\\010' >&2\nexit 1\n")
    cache = {"CXX": str(tmp_path / "cxx"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    ended = train(tmp_path, *on_kernels, *STEPS, **cache)
    said = ended.stderr.decode()
    assert ended.returncode == 0 and said.count("\n") == 1 and said[:-1].isprintable()
    assert said.endswith("running the NumPy reference instead of the kernels\n")


def test_no_place_for_matplotlib_s_fonts_is_not_spoken_of(tmp_path):
    ended = train(tmp_path, *TINY, *STEPS, MPLCONFIGDIR="/proc/nowhere", HOME="/nonexistent")
    assert ended.returncode == 0 and ended.stderr == b"" and (tmp_path / "runs/0001-dcgan64/loss.png").exists()


@pytest.mark.parametrize("shell", ["2>&-", ">&-", ">&- 2>&-"])
def test_closed_outputs(tmp_path, shell):
    assert train(tmp_path, *TINY, *STEPS, shell=shell).returncode == 0
    assert (tmp_path / "runs/0001-dcgan64/checkpoints/000001.h5").exists()


def test_a_reader_that_goes_away_ends_no_training(tmp_path):
    command = [sys.executable, "-m", "dcgan.train", *words((*TINY, "--steps 40 --checkpoint-every 99"))]
    command.remove("--no-progress")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert (tmp_path / "runs/0001-dcgan64/checkpoints/000040.h5").exists()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8:strict"])
def test_names_that_the_output_cannot_write(tmp_path, encoding):
    folder = os.fsdecode(b"caf\xe9")  # Latin-1, no UTF-8
    write_pictures(tmp_path / folder)
    ended = train(tmp_path, *TINY, *STEPS, "--data", folder, "--out", "läufe", PYTHONIOENCODING=encoding)
    assert ended.returncode == 0 and ended.stderr == b""
    assert b"caf\\udce9" in ended.stdout


@pytest.mark.parametrize("ignored", [False, True], ids=["a terminal that closes", "nohup"])
def test_hangup(tmp_path, ignored):
    """It saves as Ctrl-C does; started by nohup, which ignores it, the training goes on."""
    command = [sys.executable, "-m", "dcgan.train", *words((*TINY, "--steps 100000 --checkpoint-every 99999"))]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    signal.signal(signal.SIGHUP, before)
    run, deadline = tmp_path / "runs/0001-dcgan64", time.monotonic() + 60
    while not (run / "log.jsonl").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    if ignored:
        time.sleep(1)
        assert process.poll() is None and not list((run / "checkpoints").iterdir())
        process.terminate()
    assert process.wait(60) == 130
    assert len(list((run / "checkpoints").iterdir())) == 1


BEGUN = """
import runpy, sys
sys.argv[0] = "-m"  # as in python -m dcgan.train
import dcgan
print("begun", flush=True)
runpy.run_module("dcgan.train", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("seconds", [0, 0.15, 0.3, 0.6])
def test_ctrl_c_while_starting(tmp_path, seconds):
    """The time counts from where code of ours runs first: Python's own start takes long on a busy machine."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", BEGUN, *words((*TINY, "--steps 1000"))]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-1, stderr=-1, text=True)
    signal.signal(signal.SIGINT, before)
    assert process.stdout.readline() == "begun\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert errors == "interrupted\n" or "everything is saved" in out
    # While modules are loaded Python ends the process by the signal itself. A shell shows 130 for it, too.
    assert process.returncode in (130, -signal.SIGINT) and "Traceback" not in errors


INTERRUPTED = """
import runpy, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            raise KeyboardInterrupt  # as Ctrl-C would while modules are loaded
sys.meta_path.insert(0, Interrupting())
sys.argv = {argv}
{start}
"""


@pytest.mark.parametrize("name", ["generate", "compare", "summary", "gallery", "prepare", "train"])
@pytest.mark.parametrize("way", ["python -m", "an installed command"])
def test_ctrl_c_while_modules_are_loaded(tmp_path, name, way):
    """Whatever the moment, one word and no traceback."""
    if way == "python -m":
        start = f"runpy.run_module('dcgan.{name}', run_name='__main__', alter_sys=True)"
        program = INTERRUPTED.format(argv=["-m"], start=start)
    else:
        start = f"from dcgan.{name} import main; main()"
        program = INTERRUPTED.format(argv=[f"/usr/bin/dcgan-{name}", "--list-presets"], start=start)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.stderr == "interrupted\n"


@pytest.mark.parametrize("value", ["", "abc", "0", "-1", "2,3", "999999"])
def test_any_number_of_threads(on_kernels, tmp_path, value):
    assert train(tmp_path, *on_kernels, *STEPS, OMP_NUM_THREADS=value).returncode == 0
