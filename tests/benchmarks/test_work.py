"""The work of a training step: FLOPs and bytes of its operations."""

from __future__ import annotations

import pytest

from benchmarks.measure.work import step_work, training_step
from dcgan import summary
from dcgan.presets import config_of, find


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


@pytest.mark.parametrize(
    "given", [{"preset": "resnet"}, {"spectral_norm": True, "upsample": "nearest", "head": "pool"}]
)
def test_work_of_layers_that_hold_others(given):
    """A residual block and a spectral norm count as the products inside them, as in the summary."""
    config = config_of({**given, "width": 2})
    products = [w for w in step_work(config, batch=2) if w.product and w.name.endswith("forward")]
    nets = find(config.preset).generator(config), find(config.preset).discriminator(config)
    rows = [
        row for net, shape in zip(nets, ((1, 1, 100), (64, 64, 3)), strict=True) for row in summary.rows(net, shape)
    ]
    assert [w.flops for w in products] == [2 * row.flops for row in rows if row.flops]
