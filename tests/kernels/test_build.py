"""Building kernels for the CPU: the cache, its use by several processes, and what a failed build says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpunet import kernels
from gpunet.kernels.loader import cpu, machine, source

ROOT = Path(__file__).parents[2]
DOUBLE = 'extern "C" __global__ void twice(real* y, int n) {\n    if (threadIdx.x < n) y[threadIdx.x] *= 2;\n}\n'
LAUNCH = """
import sys, numpy
from gpunet import kernels
y = numpy.arange(8, dtype="float32")
kernels.launch(sys.argv[1] + ".twice", 1, 32, (y, 8))
print(y.tolist())
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gpunet"


def write(folder: Path, text: str) -> str:
    """Write a kernel file and return its stem."""
    (folder / "mine.cu").write_text(text)
    return str(folder / "mine")


def test_several_processes_build_at_once(tmp_path, cache):
    stem = write(tmp_path, DOUBLE)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LAUNCH, stem]
    running = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[0] for process in running] == [f"{(np.arange(8.0) * 2).tolist()}\n"] * 4
    assert sorted(path.suffix for path in cache.iterdir()) == [".lock", ".so"]


def test_a_cached_build_is_not_compiled_again_but_an_edited_file_is(tmp_path, cache, monkeypatch):
    stem = write(tmp_path, DOUBLE)
    first = cpu.build(stem, "float32")
    monkeypatch.setattr(cpu, "_compile", lambda *args: pytest.fail("compiled again"))
    assert cpu.build(stem, "float32") == first
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    write(tmp_path, DOUBLE.replace("*= 2", "*= 3"))
    assert cpu.build(stem, "float32") != first
    monkeypatch.setenv("GPUNET_KERNEL_FLAGS", "-DSOMETHING")
    assert len({first, cpu.build(stem, "float32"), cpu.build(stem, "float64")}) == 3


def test_an_included_file_counts_and_is_found_beside_or_in_kernels(tmp_path, cache):
    (tmp_path / "two.cuh").write_text("constexpr int TWO = 2;\n")
    text = '#include "two.cuh"\n#include "device/half.cuh"\n#include "device/half.cuh"\n' + DOUBLE.replace("2;", "TWO;")
    stem, y = write(tmp_path, text), np.ones(4, "float32")
    kernels.launch(f"{stem}.twice", 1, 32, (y, 4))
    assert np.array_equal(y, np.full(4, 2, "float32"))
    first = cpu.build(stem, "float32")
    (tmp_path / "two.cuh").write_text("constexpr int TWO = 3;\n")
    assert cpu.build(stem, "float32") != first


def test_a_failed_build_shows_the_compilers_message_with_file_and_line(tmp_path, cache):
    stem = write(tmp_path, DOUBLE.replace("*= 2", "*= two"))
    with pytest.raises(RuntimeError, match="mine.cu does not compile as C.*") as raised:
        kernels.launch(f"{stem}.twice", 1, 32, (np.ones(4, "float32"), 4))
    assert f"{stem}.cu:2:" in str(raised.value) and "two" in str(raised.value)
    assert not list(cache.glob("*.so")) and not list(cache.glob("*.tmp"))


def test_no_compiler(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    cpu.compiler.cache_clear()
    try:
        assert not kernels.compiler_available()
        with pytest.raises(RuntimeError, match=r"no C\+\+ compiler found: install g\+\+ .*use\(\"reference\"\)"):
            cpu.build(write(tmp_path, DOUBLE), "float32")
    finally:
        cpu.compiler.cache_clear()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder that a cache folder which does not suit is replaced by."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(machine.tempfile, "tempdir", str(tmp_path / "temporary"))
    machine._temporary_folder.cache_clear()
    yield tmp_path / "temporary"
    machine._temporary_folder.cache_clear()


@pytest.mark.parametrize("name", ["file", "nowhere\0"])
def test_a_cache_folder_that_cannot_be_made(name, tmp_path, temporary, monkeypatch, caplog):
    """A folder among the temporary files takes its place, and this is said once."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(machine.os, "environ", {**os.environ, "XDG_CACHE_HOME": str(tmp_path / name)})
    assert {cpu.build("arrays", "float32").parent for _ in range(2)} == {temporary / f"gpunet-{os.getuid()}"}
    assert [record.message.partition(" cannot be made")[1] for record in caplog.records] == [" cannot be made"]


def test_a_cache_folder_that_others_can_write_to_is_not_trusted(tmp_path, cache, temporary, caplog):
    stem = write(tmp_path, DOUBLE)
    cpu.build(stem, "float32")
    assert not list(temporary.iterdir())
    cache.chmod(0o777)
    (temporary / f"gpunet-{os.getuid()}").mkdir(mode=0o777)
    (temporary / f"gpunet-{os.getuid()}").chmod(0o777)  # nor the first that could take its place
    assert cpu.build(stem, "float32").parent.parent == temporary
    assert not list((temporary / f"gpunet-{os.getuid()}").iterdir())
    assert "can be written by other users: compiled kernels go to" in caplog.text


def test_no_folder_at_all(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(machine.tempfile, "tempdir", str(tmp_path / "file"))
    machine._temporary_folder.cache_clear()
    with pytest.raises(machine.BuildError, match="no folder for compiled kernels: .* cannot be made"):
        cpu.build("arrays", "float32")


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: data[:-1] + b"x"]
)
def test_a_damaged_library_is_built_anew(tmp_path, cache, damage):
    stem = write(tmp_path, DOUBLE)
    library = cpu.build(stem, "float32")
    whole = library.read_bytes()
    library.write_bytes(damage(whole))
    assert not cpu.is_built(stem, "float32")
    assert cpu.build(stem, "float32") == library and cpu.is_built(stem, "float32")
    y = np.ones(4, "float32")
    kernels.launch(f"{stem}.twice", 1, 32, (y, 4))
    assert y.tolist() == [2] * 4


def test_a_file_that_is_no_library(tmp_path):
    (tmp_path / "x.so").write_text("no library")
    with pytest.raises(machine.BuildError, match="cannot load .*x.so.*: set XDG_CACHE_HOME to another folder"):
        cpu.open_library(tmp_path / "x.so")


BROKEN = {
    "exit 1": "exit status 1, without a message",
    "printf 'error \\377' >&2; exit 1": "error \ufffd",
    "kill -9 $$": "exit status -9",
    "cat >/dev/null": "exit status 0, without a message",
}


@pytest.mark.parametrize("body", BROKEN)
def test_a_compiler_that_fails(body, tmp_path, cache, monkeypatch):
    """It leaves nothing in the cache, so that a sound one can build later."""
    (tmp_path / "cxx").write_text(f"#!/bin/sh\n{body}\n")
    (tmp_path / "cxx").chmod(0o755)
    monkeypatch.setenv("CXX", str(tmp_path / "cxx"))
    cpu.compiler.cache_clear()
    try:
        with pytest.raises(machine.BuildError, match="(?s)mine.cu does not compile.*" + BROKEN[body]):
            cpu.build(write(tmp_path, DOUBLE), "float32")
    finally:
        cpu.compiler.cache_clear()
    assert {path.suffix for path in cache.iterdir()} == {".lock"}


def test_a_compiler_of_several_words(tmp_path, cache, monkeypatch):
    """CXX="ccache g++ -m64": a program in front, and options. A path with a space is one word, if it is a program."""
    real = str(cpu.compiler())
    for name in ("front", "with space"):
        (tmp_path / name).write_text('#!/bin/sh\nexec "$@"\n' if name == "front" else f'#!/bin/sh\nexec {real} "$@"\n')
        (tmp_path / name).chmod(0o755)
    stem, built = write(tmp_path, DOUBLE), set()
    for text in (real, f"{tmp_path}/front {real} -DX=1", f"{tmp_path}/with space"):
        monkeypatch.setenv("CXX", text)
        cpu.compiler.cache_clear()
        built.add(cpu.build(stem, "float32"))
    cpu.compiler.cache_clear()
    assert len(built) == 3


def test_several_files_in_parallel(cache):
    kernels.build(["arrays", "columns"], ["float32", "float64"])
    assert sorted(path.name.rsplit("-", 1)[0] for path in cache.glob("*.so")) == [
        "arrays-float32", "arrays-float64", "columns-float32", "columns-float64",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "omp, quota, cores",
    [("3", "max 100000", 3), ("", "150000 100000", 2), ("", "max 100000", 8), ("x", "nonsense", 8),
     ("0", "x", 8), ("-1", "x", 8), ("2,3", "x", 2), ("999999", "x", 128), ("\u00b2", "x", 8), ("9" * 5000, "x", 8)],
)  # fmt: skip
def test_thread_count_respects_omp_affinity_and_quota(omp, quota, cores, monkeypatch, tmp_path):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setenv("OMP_NUM_THREADS", omp)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert machine.threads.__wrapped__() == cores


@pytest.mark.parametrize("first", ["backend.leaky_relu(x, 0.2)", "backend.matmul(x, x)"])
def test_threads_without_work_do_not_wait_in_a_busy_loop_for_long(first):
    """Whatever is called first, and loads the first library: a file of kernels, or one of functions (products.cpp)."""
    script = f"import numpy; from gpunet import backend; x = numpy.ones((64, 64), 'float32'); {first}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT,
                          env=os.environ | {"OMP_DISPLAY_ENV": "VERBOSE", "PYTHONPATH": str(ROOT)})  # fmt: skip
    if "GOMP" not in done.stderr:
        pytest.skip("the compiler's OpenMP is another one than GCC's")
    assert "GOMP_SPINCOUNT = '1000'" in done.stderr


def test_which_kernels_need_the_exact_path():
    text = """
    #define WAIT __syncthreads()
    __device__ int plain(int x) { return x + 1; }
    __device__ int index() { return blockIdx.x; }
    __device__ int sum(int x) { return __shfl_down_sync(~0u, x, 1); }
    __device__ int deep(int x) { return sum(x); }
    __device__ void count(int* p) { if (threadIdx.x == 0) { atomicAdd(p, 1); } }
    """
    bodies = {
        "fast": 'if (plain(threadIdx.x)) { /* __syncthreads() */ f("}"); }', "barrier": "WAIT;", "hidden": "index();",
        "helper": "deep(1);", "counts": "count(p);", "atomic": "atomicAdd(p, 1);", "tensor": "mma_tf32(d, a, b);",
        "shared": "__shared__ int x;",
    }  # fmt: skip
    text += "".join(f'extern "C" __global__ void {name}(int* p) {{ {body} }}\n' for name, body in bodies.items())
    assert source.cooperative(text, list(bodies)) == set(bodies) - {"fast"}


def test_building_ahead(cache):
    """python -m gpunet.kernels leaves nothing for a training step to build; without a compiler that is no error."""
    command = [sys.executable, "-m", "gpunet.kernels"]
    first = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "kernel files are ready in" in first.stdout
    built = {path.name.partition("-")[0] for path in cache.glob("*.so")}
    assert {"activations", "adam", "batchnorm", "im2col", "losses", "winograd4x2"} <= built
    assert not any(name.startswith("conv2d") for name in built)
    without = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env={"PATH": ""})
    assert "no C++ compiler" in without.stdout
