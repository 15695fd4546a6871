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


def test_a_cache_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match="cannot make the cache folder .*: set XDG_CACHE_HOME to another"):
        cpu.build("arrays", "float32")


def test_several_files_in_parallel(cache):
    kernels.build(["arrays", "columns"], ["float32", "float64"])
    assert sorted(path.name.rsplit("-", 1)[0] for path in cache.glob("*.so")) == [
        "arrays-float32", "arrays-float64", "columns-float32", "columns-float64",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "omp, quota, cores", [("3", "max 100000", 3), ("", "150000 100000", 2), ("", "max 100000", 8), ("x", "nonsense", 8)]
)
def test_thread_count_respects_omp_affinity_and_quota(omp, quota, cores, monkeypatch, tmp_path):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setenv("OMP_NUM_THREADS", omp)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert machine.threads.__wrapped__() == cores


def test_which_kernels_need_the_exact_path():
    text = """
    #define WAIT __syncthreads()
    __device__ int plain(int x) { return x + 1; }
    __device__ int index() { return blockIdx.x; }
    __device__ int sum(int x) { return __shfl_down_sync(~0u, x, 1); }
    __device__ int deep(int x) { return sum(x); }
    """
    bodies = {
        "fast": 'plain(threadIdx.x); /* __syncthreads() */ f("}");', "barrier": "WAIT;", "shared": "__shared__ int x;",
        "helper": "deep(1);", "hidden": "index();", "atomic": "atomicAdd(p, 1);", "tensor": "mma_tf32(d, a, b);",
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
