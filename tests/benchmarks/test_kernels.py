"""Static figures: registers, spills, launch bounds, instructions of known kernels, and the command that prints them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import kernels as command
from benchmarks.static import instructions, machine_code
from benchmarks.static.gpus import ARCHITECTURES
from benchmarks.static.machine_code import Figures
from gpunet import kernels
from gpunet.kernels.loader import signature, source

PLAIN = """
constexpr int THREADS = 192;
extern "C" __global__ void __launch_bounds__(THREADS) plain(real* y, const real* x, int n) {
    __shared__ real part[300];
    part[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = part[n - threadIdx.x] * x[n];
}
extern "C" __global__ void unbounded(real* y) { atomicAdd(y, real(1)); }
"""
# 64 registers are all that 1024 threads can have, and 120 numbers are alive at the barrier.
SPILLING = """
extern "C" __global__ void __launch_bounds__(1024) spilling(real* y, const real* x, int n) {
    real kept[120];
#pragma unroll
    for (int i = 0; i < 120; ++i) kept[i] = x[i * n];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 120; ++i) y[i] = kept[119 - i] * kept[i];
}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def nvrtc():
    try:
        return machine_code.nvrtc()
    except RuntimeError as error:
        pytest.skip(str(error))


def write(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / f"{name}.cu").write_text(text)
    return str(tmp_path / name)


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
def test_figures_of_known_kernels(nvrtc, tmp_path, dtype, size):
    plain, unbounded = command.measure((write(tmp_path, "two", PLAIN), dtype, "sm_80"))
    assert plain.kernel.endswith("two.plain") and unbounded.kernel.endswith("two.unbounded")
    assert (plain.threads, unbounded.threads) == (192, machine_code.DEFAULT_THREADS)
    assert (plain.shared_bytes, unbounded.shared_bytes) == (300 * size, 0)
    assert 4 < plain.registers < 40 and plain.spill_bytes == plain.stack_bytes == 0
    assert plain.occupancy == 60 / 64  # ten blocks of six warps: an eleventh would not fit


def test_a_spill_is_found_and_told(nvrtc, tmp_path, capsys):
    stem = write(tmp_path, "much", SPILLING)
    assert command.main(["--quick", "--file", stem, "--gpu", "T4"]) == 1
    out, err = capsys.readouterr()
    assert "much.spilling (float32, sm_80) spills registers" in err
    assert "1 kernels, 1 builds, 1 of them spill" in out


def test_figures_are_kept_until_the_source_changes(nvrtc, tmp_path, monkeypatch):
    job = (write(tmp_path, "two", PLAIN), "float32", "sm_80")
    before = command.measure(job)
    monkeypatch.setattr(machine_code, "compile_file", None)  # would raise if called
    assert command.measure(job) == before
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path, "two", PLAIN.replace("300", "400"))
    assert command.measure(job)[0].shared_bytes == 1600


def test_a_compile_error_shows_the_compilers_words(nvrtc, tmp_path, capsys):
    stem = write(tmp_path, "wrong", 'extern "C" __global__ void wrong(real* y) { undeclared(y); }')
    assert command.main(["--quick", "--file", stem]) == 2
    assert 'identifier "undeclared" is undefined' in capsys.readouterr().err


@pytest.mark.parametrize("sass", [True, False], ids=["machine code", "PTX"])
def test_instruction_mix(nvrtc, tmp_path, monkeypatch, sass):
    if not sass:
        monkeypatch.setattr(instructions, "disassembler", lambda: None)
    elif instructions.disassembler() is None:
        pytest.skip("no nvdisasm: pip install nvidia-cuda-nvdisasm")
    stem = write(tmp_path, "two", PLAIN)
    code = machine_code.compile_file(stem, "float32", "sm_80")
    mix = instructions.mix(stem, "float32", "sm_80", code, "plain")
    kinds = ("global load", "global store", "shared load", "shared store", "barrier", "arithmetic", "atomic")
    assert [mix[kind] for kind in kinds] == [2, 1, 1, 1, 1, 1, 0]
    assert instructions.mix(stem, "float32", "sm_80", code, "unbounded")["atomic"] == 1


PRODUCTS = """
#include "device/tensor_core.cuh"
extern "C" __global__ void without_loop(float* y, const unsigned* x) {
    unsigned a[4] = {x[0], x[1], x[2], x[3]}, b[2] = {x[4], x[5]};
    float d[4] = {};
    mma_half(d, a, b);
    y[threadIdx.x] = d[0] + d[1] + d[2] + d[3];
}
extern "C" __global__ void with_loop(float* y, const unsigned* x, int turns) {
    unsigned a[4] = {x[0], x[1], x[2], x[3]}, b[2] = {x[4], x[5]};
    float d[4] = {}, e[4] = {};
#pragma unroll 1
    for (int i = 0; i < turns; ++i) y[i] = x[i];
#pragma unroll 1
    for (int i = 0; i < turns; ++i) mma_half(d, a, b), mma_half(e, a, b), a[0] += 3;
    y[threadIdx.x] = d[0] + d[1] + d[2] + d[3] + e[0] + e[1] + e[2] + e[3];
}
"""


@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
def test_the_loop_with_products_on_tensor_cores_is_found(nvrtc, tmp_path, arch):
    if instructions.disassembler() is None:
        pytest.skip("no nvdisasm: pip install nvidia-cuda-nvdisasm")
    code = machine_code.compile_file(write(tmp_path, "products", PRODUCTS), "float32", arch)
    text = instructions.disassembled(code.cubin)
    assert instructions.main_loop(text["without_loop"]) == []
    loop = instructions.main_loop(text["with_loop"])
    assert instructions.products(loop) == 2 and 4 < len(loop) < 12  # and a counter, its comparison, an addition, a jump
    assert loop[-1].startswith("BRA") and not any(name.startswith("LDG") for name in loop)


def test_without_nvrtc_one_line_says_what_to_install(monkeypatch, capsys):
    def missing() -> None:
        raise RuntimeError("CuPy or NVRTC is missing: pip install 'gpunet[nvrtc]'")

    monkeypatch.setattr(machine_code, "nvrtc", missing)
    assert command.main(["--quick"]) == 2
    assert capsys.readouterr().err == "benchmarks.kernels: CuPy or NVRTC is missing: pip install 'gpunet[nvrtc]'\n"


def test_json_holds_figures_and_limits(nvrtc, tmp_path, capsys):
    target = tmp_path / "figures.json"
    stem = write(tmp_path, "two", PLAIN)
    assert command.main(["--quick", "--file", stem, "--markdown", "--json", str(target)]) == 0
    content = json.loads(target.read_text())
    assert [Figures(**row).kernel.rpartition(".")[2] for row in content["kernels"]] == ["plain", "unbounded"]
    seconds = sum(row["uses"] * row["seconds"]["T4"] for row in content["limits"])
    (total,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| training step"))
    assert f" {seconds * 1e6:.0f} " in total


SLOW = ("conv2d", "winograd", "ladder/matmul")  # to compile


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "stem", [pytest.param(stem, marks=[pytest.mark.slow] * stem.startswith(SLOW)) for stem in kernels.stems()]
)
def test_every_kernel_compiles_for_every_architecture_without_spills(nvrtc, stem):
    jobs = command.jobs_of([stem], command.DTYPES, ARCHITECTURES)
    parallel = stem.startswith(SLOW)  # the others are done before a second process has started
    found = command.measure_all(jobs) if parallel else [f for job in jobs for f in command.measure(job)]
    text = source.read(source.path_of(stem))
    expected = sorted(f"{stem}.{entry.name}" for entry in signature.entries(text, np.dtype("float32")))
    assert sorted(f.kernel for f in found) == sorted(expected * len(jobs))
    assert [f for f in found if f.spill_bytes] == []
