"""The loop over the threads of a kernel becomes SIMD instructions on the CPU: a condition too many, and it is scalar.

g++ says nothing where it gives up, and results stay right: only the machine code tells.
"""

from __future__ import annotations

import collections
import platform
import re
import shutil
import subprocess

import pytest

from gpunet.kernels.loader import cpu
from gpunet.kernels.loader.machine import cpu_features

HOT = {
    "activations": ["leaky_relu", "leaky_relu_backward", "relu_backward", "sigmoid", "tanh_forward", "tanh_backward"],
    "adam": ["adam_update", "clip_weights"],
    "average": ["average_update"],
    "batchnorm": ["normalise", "statistics", "combine", "backward_apply", "backward_reduce"],
    "images": ["images_to_real", "real_to_images"],
    "residual": ["add"],
    "resize": ["gather", "fill_maps", "scaled"],
    "spectral": ["divided", "backward"],
    "norm_tangent": ["apply", "scale_channels"],
}
HOT |= {
    stem: [f"winograd_{part}{way}" for part in ("input", "output", "weight") for way in ("", "_adjoint")]
    for stem in ("winograd/winograd2x2", "winograd/winograd2x3", "winograd/winograd4x2", "winograd/winograd4x3")
}
OTHER_MACHINES = ["haswell", "skylake-avx512"]  # compiled for, not run: AVX2, and AVX-512 of another maker
# ps: of many numbers at once, ss: of one
ARITHMETIC = re.compile(r"\sv?(?:add|sub|mul|div|sqrt|max|min|fn?m(?:add|sub)\d+)(ps|ss)\s")


def arithmetic(stem: str) -> dict[str, collections.Counter]:
    """Count the packed (ps) and scalar (ss) instructions in each kernel's function, by the kernel's name."""
    library = cpu.build(stem, "float32")
    code = subprocess.run(["objdump", "-dC", str(library)], capture_output=True, text=True, check=True).stdout
    counts: dict[str, collections.Counter] = {}
    for function in code.split("\n\n"):
        if name := re.search(r"run_fast<\w+, (\w+)::", function.split("\n", 1)[0]):
            counts.setdefault(name[1], collections.Counter()).update(ARITHMETIC.findall(function))
    return counts


@pytest.mark.skipif(cpu.compiler() is None, reason="needs a C++ compiler")
@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("objdump"), reason="reads x86 code by objdump")
@pytest.mark.parametrize("machine", ["native", *(pytest.param(m, marks=pytest.mark.slow) for m in OTHER_MACHINES)])
@pytest.mark.parametrize("stem", HOT)
def test_hot_kernels_are_simd(stem, machine, monkeypatch):
    if "g++" not in str(cpu.compiler()):
        pytest.skip("function names are g++'s")
    if machine != "native":
        monkeypatch.setenv("GPUNET_KERNEL_FLAGS", f"-march={machine}")
    counts = arithmetic(stem)
    masked_stores = machine == "skylake-avx512" or (machine == "native" and "avx512vl" in cpu_features())
    for name in HOT[stem]:
        if name == "winograd_weight_adjoint" and not masked_stores:
            continue  # it stores under a condition, which g++ 12 does in SIMD with AVX-512 only
        assert counts[name]["ps"] > counts[name]["ss"] / 2, f"{stem}.{name}: {dict(counts[name])}"
