"""The work of a training step, and the least time that a GPU needs for it."""

from __future__ import annotations

import pytest

from benchmarks.measure.work import Work, training_step
from benchmarks.static.gpus import GPUS
from benchmarks.static.roofline import limit


def test_work_of_a_convolution_is_that_of_its_loops():
    work = {w.name: w for w in training_step(batch=2)}
    taps, places = 4 * 4 * 64, 2 * 16 * 16 * 128  # 32 x 32 x 64 -> 16 x 16 x 128
    for part in ("forward", "input grad", "weight grad"):
        assert work[f"D 2 Conv2d {part}"].flops == 2 * taps * places
        assert work[f"D 2 Conv2d {part}"].bytes == 4 * (2 * 32 * 32 * 64 + places + taps * 128)
    assert work["G 0 ConvTranspose2d forward"].flops == 2 * 2 * 100 * 4 * 4 * 512  # one place per picture
    assert "G 0 ConvTranspose2d input grad" not in work  # nobody asks for the gradient of z
    assert [work[f"D 0 Conv2d {part}"].uses for part in ("forward", "input grad", "weight grad")] == [3, 1, 2]
    assert work["D Adam"].bytes == 7 * 4 * 2_765_568


def test_limit_is_the_longer_of_arithmetic_and_memory():
    t4 = next(gpu for gpu in GPUS if gpu.name == "T4")  # 8.1 TFLOP/s, 65 in fp16, no tf32; 320 GB/s
    heavy, light = Work("", 1, True, 8.1e12, 1.0), Work("", 1, False, 1.0, 320e9)
    assert limit(t4, heavy, "tf32") == limit(t4, heavy, "fp32") == pytest.approx(1)
    assert limit(t4, heavy, "fp16") == pytest.approx(8.1 / 65)
    assert limit(t4, light, "fp16") == pytest.approx(1)
    assert limit(t4, heavy._replace(product=False), "fp16") == pytest.approx(1)  # no tensor cores for sums
