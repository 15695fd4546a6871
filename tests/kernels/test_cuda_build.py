"""Kernels compiled for a GPU ahead of time: the long files first, several at once, noted, and said at a first start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from dcgan.config import Config
from dcgan.device import choose_device
from dcgan.errors import UserError
from gpunet import kernels
from gpunet.backend import choices
from gpunet.kernels import __main__ as command
from gpunet.kernels.loader import cuda_build, source
from gpunet.kernels.loader.signature import spans

FEW = ["arrays", "columns", "average"]


@pytest.fixture
def own_caches(tmp_path, monkeypatch):
    """Caches that hold nothing, and three quick files as all that a training uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "cupy"))
    monkeypatch.setattr(kernels, "of_training_on_cuda", lambda precisions, winograd=False, hopper=False: FEW)
    monkeypatch.setattr(choices, "_chosen", dict(choices._chosen))


def test_files_that_take_long_come_first_and_several_compile_at_once(monkeypatch):
    started, both = [], threading.Barrier(2, timeout=20)

    def compiled(job):  # file, dtype, part
        started.append(job[0])
        if job[0] == "conv2d/conv2d" or job[2] == "conv2d_forward_huge":
            both.wait()  # only two that run at the same time get past this
        return {"file": job[0], "seconds": 1, "entries": {f"{job[0]} {job[2]}": {}}}

    monkeypatch.setattr(cuda_build, "_in_a_process", compiled)
    monkeypatch.setattr(cuda_build, "threads", lambda: 2)
    seen = []

    def watch(rows):
        for row in rows:
            seen.append(row)
            yield row

    kernels.build(["adam", "conv2d/conv2d", "losses", "conv2d_mma/forward_tf32"], watch=watch, device="cuda")
    tiles = [f"conv2d_mma/forward_tf32 conv2d_forward_{tile}" for tile in ("huge", "wide", "tall", "small")]
    assert set(started[:2]) == {"conv2d/conv2d", "conv2d_mma/forward_tf32"} and len(started) == 7
    assert [row["file"] for row in seen] == ["conv2d/conv2d", "conv2d_mma/forward_tf32", "adam", "losses"]
    assert seen[1]["seconds"] == 4 and list(seen[1]["entries"]) == tiles
    assert list(seen[0]["entries"]) == ["conv2d/conv2d "]  # all of its kernels at a time


def test_a_part_of_a_file_has_one_kernel_and_the_lines_of_the_whole():
    parts = source.parts_of("conv2d_mma/of_cells_bf16")
    assert len(parts) == 6 and source.parts_of("adam") == [""]
    whole = source.text_of("conv2d_mma/of_cells_bf16")
    for part in parts:
        text = source.text_with("conv2d_mma/of_cells_bf16", part)
        assert list(spans(text)) == [part]
        assert text.count("\n") == whole.count("\n")
        start, end = spans(text)[part]
        there = whole.index(text[start:end])  # ValueError: the kernel has changed
        assert text.count("\n", 0, start) == whole.count("\n", 0, there)


@pytest.mark.parametrize("more", [[], ["--all"], ["--precision", "fp32", "--dtype", "float64"]])
def test_without_a_gpu_one_line_says_so(more, tmp_path):
    """CUDA hides the GPUs of a machine that has some; a machine without a driver or CuPy says that."""
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": "", "XDG_CACHE_HOME": str(tmp_path)}
    line = [sys.executable, "-m", "gpunet.kernels", "--device", "cuda", *more]
    done = subprocess.run(line, capture_output=True, text=True, env=hidden)
    assert done.returncode == 2 and done.stdout == ""
    reason = r"no NVIDIA (driver|GPU) found.*|.*No module named 'cupy'.*"
    assert re.fullmatch(rf"python -m gpunet.kernels --device cuda: ({reason})\n", done.stderr), done.stderr
    assert not list(tmp_path.iterdir())  # nothing was begun


SAID = """adam.cu does not compile for this GPU:
Traceback (most recent call last):
  File "cuda_build.py", line 79, in compiled
    raise ValueError(log) from error
cupy.cuda.compiler.CompileException: adam.cu(3): error: identifier "undeclared" is undefined
1 error detected in the compilation of "adam.cu".
"""
IN_SHORT = {
    SAID: "adam.cu does not compile for this GPU: cupy.cuda.compiler.CompileException: adam.cu(3): error: identifier "
    '"undeclared" is undefined',
    "x.cu does not compile as C++:\nIn file included from y.h:\ny.h:3:1: fatal error: z.h: no such file\n": (
        "x.cu does not compile as C++: y.h:3:1: fatal error: z.h: no such file"
    ),
    "x.cu does not compile as C++:\nexit status 7, without a message": (
        "x.cu does not compile as C++: exit status 7, without a message"
    ),
    "no C++ compiler found": "no C++ compiler found",
    "": "",
}


@pytest.mark.parametrize("said", IN_SHORT, ids=range(len(IN_SHORT)))
def test_of_a_compilers_message_the_first_error_is_told(said):
    assert kernels.BuildError(said).short == IN_SHORT[said]


def test_the_command_tells_a_compilers_error_in_short(monkeypatch, capsys):
    def fail(*arguments, **more):
        raise kernels.BuildError(SAID)

    cupy = SimpleNamespace(cuda=SimpleNamespace(Device=lambda: SimpleNamespace(compute_capability="80")))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(kernels, "build", fail)
    assert command.main(["--device", "cuda"]) == 2
    assert capsys.readouterr().err == f"python -m gpunet.kernels --device cuda: {IN_SHORT[SAID]}\n"


def test_a_process_that_compiles_warns_of_nothing(monkeypatch):
    """Its own module is imported once. CuPy's complaint that there is no GPU is all that it says."""
    pytest.importorskip("cupy", exc_type=ImportError)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(kernels.BuildError, match="does not compile for this GPU:\nTraceback") as raised:
        cuda_build._in_a_process(("arrays", "float32", ""))
    assert "Warning" not in str(raised.value) and "cudaError" in raised.value.short


@pytest.mark.cuda
def test_the_command_compiles_all_that_a_training_uses(own_caches, capsys, tmp_path):
    assert kernels.unbuilt(FEW, device="cuda") == FEW
    assert command.main(["--device", "cuda"]) == 0
    assert "3 kernel files are ready for this GPU" in capsys.readouterr().out
    assert kernels.unbuilt(FEW, device="cuda") == [] and any((tmp_path / "cupy").iterdir())
    assert kernels.unbuilt(FEW, "float64", "cuda") == FEW
    row = cuda_build.compiled("arrays", "float32")
    assert row["entries"]["fill"]["registers"] > 0 and row["entries"]["fill"]["local_bytes"] == 0


@pytest.mark.cuda
def test_a_first_start_says_what_it_compiles_and_a_second_one_nothing(own_caches, capsys):
    config = Config(device="cuda", precision="fp32")
    for said in ("compiling 3 kernel files for this GPU", ""):
        assert choose_device(config) == "cuda"
        out = capsys.readouterr().out
        assert out.startswith(said) if said else not out


@pytest.mark.cuda
def test_a_file_that_does_not_compile_is_named(own_caches, monkeypatch, tmp_path):
    wrong = tmp_path / "wrong.cu"
    wrong.write_text('extern "C" __global__ void wrong(real* y) { undeclared(y); }')
    monkeypatch.setattr(kernels, "of_training_on_cuda", lambda *_, **__: [str(wrong.with_suffix(""))])
    with pytest.raises(UserError, match=r"--device cuda: .*wrong.cu does not compile for this GPU"):
        choose_device(Config(device="cuda", precision="fp32"))
