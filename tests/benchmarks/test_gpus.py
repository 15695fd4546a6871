"""Occupancy: hand-computed cases, and NVIDIA's own calculator on drawn ones."""

from __future__ import annotations

import random
import subprocess
import sysconfig
from pathlib import Path

import pytest

from benchmarks.static.gpus import ARCHITECTURES, GPUS, blocks_per_multiprocessor, occupancy
from gpunet.kernels.loader import cpu


@pytest.mark.parametrize(
    ("arch", "threads", "registers", "shared", "expected"),
    [
        ("sm_80", 256, 32, 0, 1.0),
        ("sm_80", 256, 128, 0, 0.25),  # 65536 / 128 = 512 threads
        ("sm_80", 256, 33, 0, 0.75),  # 33 * 32 registers count as 1280: 12 warps in each quarter
        ("sm_86", 128, 32, 48 * 1024, 8 / 48),  # two blocks of 49 KB
        ("sm_75", 32, 16, 0, 0.5),  # 16 blocks of one warp
        ("sm_90", 1024, 65, 0, 0.0),  # more registers than there are
    ],
)
def test_occupancy_of_hand_computed_cases(arch, threads, registers, shared, expected):
    assert occupancy(arch, threads, registers, shared) == pytest.approx(expected)


CALCULATOR = r"""
#include <climits>
#include <cstdio>
#include <cuda_occupancy.h>
int main() {
    int cc, warps, shared, reserved, threads, registers, bytes;
    while (scanf("%d %d %d %d %d %d %d", &cc, &warps, &shared, &reserved, &threads, &registers, &bytes) == 7) {
        cudaOccDeviceProp device;
        device.computeMajor = cc / 10, device.computeMinor = cc % 10, device.maxThreadsPerBlock = 1024;
        device.maxThreadsPerMultiprocessor = warps * 32, device.regsPerBlock = device.regsPerMultiprocessor = 65536;
        device.warpSize = 32, device.sharedMemPerBlock = 49152, device.sharedMemPerMultiprocessor = shared;
        device.numSms = 1, device.sharedMemPerBlockOptin = shared - reserved;
        device.reservedSharedMemPerBlock = reserved;
        cudaOccFuncAttributes kernel;
        kernel.maxThreadsPerBlock = 1024, kernel.numRegs = registers, kernel.sharedSizeBytes = bytes;
        cudaOccDeviceState state;
        state.carveoutConfig = 100;
        cudaOccResult result;
        cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &kernel, &state, threads, 0);
        printf("%d\n", result.activeBlocksPerMultiprocessor);
    }
}
"""


def test_occupancy_agrees_with_nvidias_calculator(tmp_path):
    headers = [*Path(sysconfig.get_path("purelib"), "nvidia").rglob("cuda_occupancy.h")]
    if not headers or cpu.compiler() is None:
        pytest.skip("needs a C++ compiler and cuda_occupancy.h: pip install nvidia-cuda-runtime")
    (tmp_path / "calculator.cpp").write_text(CALCULATOR)
    program = tmp_path / "calculator"
    build = [cpu.compiler(), "-w", f"-I{headers[0].parent}", str(tmp_path / "calculator.cpp"), "-o", str(program)]
    subprocess.run(build, check=True)
    draw = random.Random(0)
    cases = [
        (arch, draw.randint(1, 1024), draw.randint(8, 255), draw.choice([0, draw.randint(1, 49152)]))
        for arch in ARCHITECTURES
        for _ in range(300)
    ]
    lines = [
        f"{arch[3:]} {a.warps} {a.shared_bytes} {a.shared_reserved} {threads} {registers} {shared}"
        for arch, threads, registers, shared in cases
        for a in [ARCHITECTURES[arch]]
    ]
    done = subprocess.run([str(program)], input="\n".join(lines), capture_output=True, text=True, check=True)
    theirs = list(map(int, done.stdout.split()))
    assert [blocks_per_multiprocessor(*case) for case in cases] == theirs
    assert len(set(theirs)) > 5  # the cases differ


def test_every_gpu_has_its_architecture_and_source():
    assert {gpu.arch for gpu in GPUS} == set(ARCHITECTURES)
    assert all(gpu.source and gpu.fp32 > 0 and gpu.bandwidth > 0 for gpu in GPUS)
