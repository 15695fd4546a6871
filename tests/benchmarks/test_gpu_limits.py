"""The least time that a GPU needs for an operation."""

from __future__ import annotations

import pytest

from benchmarks.measure.work import Work
from benchmarks.static.gpu_limits import limit
from benchmarks.static.gpus import GPUS


def test_limit_is_the_longer_of_arithmetic_and_memory():
    t4 = next(gpu for gpu in GPUS if gpu.name == "T4")  # 8.1 TFLOP/s, 65 in fp16, no tf32; 320 GB/s
    heavy, light = Work("", 1, True, 8.1e12, 1.0), Work("", 1, False, 1.0, 320e9)
    assert limit(t4, heavy, "tf32") == limit(t4, heavy, "fp32") == pytest.approx(1)
    assert limit(t4, heavy, "fp16") == pytest.approx(8.1 / 65)
    assert limit(t4, light, "fp16") == pytest.approx(1)
    assert limit(t4, heavy._replace(product=False), "fp16") == pytest.approx(1)  # no tensor cores for sums
