"""benchmarks.launches and its dry run: what a step launches on a GPU, told without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import launches as command
from benchmarks.gpu import predictions
from benchmarks.launches import KINDS, by_kind, kind_of
from benchmarks.static.dry_run import Launch, launches_of_a_step
from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend, kernels
from gpunet.backend import launches as launches_page

TINY = {"width": 8, "z_dim": 3, "image_size": 8, "channels": 1}


@pytest.mark.parametrize("precision", backend.PRECISIONS)
def test_a_dry_run_leaves_nothing_behind_and_repeats(precision):
    launch, made = kernels.launch, dict(launches_page._made)
    found = [launches_of_a_step(precision, 2, **TINY) for _ in range(2)]
    assert found[0] == found[1] and len(found[0]) >= 19
    assert kernels.launch is launch and launches_page._made == made
    assert backend.devices.device_of(np.zeros(1)) == "cpu"


def test_every_launch_has_a_kind():
    """The kinds of a step add up to the step, and none of its kernels is of the kind that takes what is left."""
    for precision in backend.PRECISIONS:
        launches = launches_of_a_step(precision, 2, **TINY)
        kinds = by_kind(launches)
        assert sum(count for count, _ in kinds.values()) == len(launches)
        assert sum(mb for _, mb in kinds.values()) == pytest.approx(sum(launch.bytes for launch in launches) / 1e6)
        assert kinds["other"] == (0, 0), precision


STEP = {  # precision -> launches and MB of a step of dcgan64, 64 filters, batches of 64; lower them where a change does
    "fp32": (92, 1933),
    "tf32x3": (69, 1707),
    "tf32": (61, 1622),
    "bf16": (61, 988),
    "fp16": (65, 1013),
}


@pytest.mark.parametrize("precision", backend.PRECISIONS)
def test_launches_and_bytes_of_a_step(precision):
    """Each launch has its price, and so has each byte. fp16 has four launches more than bf16, for the loss scale."""
    launches = launches_of_a_step(precision)
    assert (len(launches), round(sum(launch.bytes for launch in launches) / 1e6)) == STEP[precision]
    assert predictions.LAUNCHES[precision] == STEP[precision][0]
    assert {launch.entry.rpartition(".")[0] for launch in launches} <= set(kernels.of_training_on_cuda([precision]))


def test_the_page_has_todays_tables():
    page = (Path(__file__).parents[2] / "docs/speed.md").read_text()
    shown = page.partition("<!-- launches -->\n")[2].partition("\n<!-- end of launches -->")[0]
    remake = "python -m benchmarks.launches --write docs/speed.md"
    assert shown == command.report(["bf16", "tf32"], 64, markdown=True), remake


def test_weight_gradients_of_a_step_are_those_of_its_layers():
    """Each convolution of dcgan64 gets one: four inner layers and the two outer ones, of G and of D."""
    assert by_kind(launches_of_a_step("fp32", 2))["convolution, weight gradient"][0] == 10


def test_fusing_lowers_launches_and_bytes():
    for precision in ("bf16", "tf32"):
        before, after = (launches_of_a_step(precision, 64, fused) for fused in (False, True))
        assert len(after) <= len(before)
        assert sum(launch.bytes for launch in after) <= sum(launch.bytes for launch in before)


def test_kinds_are_told_by_the_kernel_and_its_file():
    assert kind_of("conv2d_mma/input_grad_bf16.conv2d_input_grad_huge") == "convolution, input gradient"
    assert kind_of("batchnorm.statistics_at_once") == "batch norm: statistics"
    assert kind_of("ladder/channel_sum_1_atomics.channel_sum_atomics") == "other"
    assert by_kind([Launch("adam.adam_update", 1, 2 * 10**6)])["Adam, rounded weights, average"] == (1, 2.0)
    assert list(KINDS)[-1] == "other"


def test_the_command_prints_a_table_for_each_precision_and_the_model(capsys):
    assert command.main(["--precision", "bf16", "fp16", "--batch", "4"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert [line.partition(",")[0] for line in lines if "batches of 4" in line] == ["bf16", "fp16"]
    assert "no measurement" in text and "989.5 TFLOP/s in bf16" in text
    total = next(line.split() for line in lines if line.startswith("a step"))
    assert [int(word) for word in total[2:]][2] == len(launches_of_a_step("bf16", 4))


def test_tables_go_into_a_page_that_has_a_place_for_them(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- launches -->\nold\n<!-- end of launches -->\nbehind\n")
    assert command.main(["--batch", "2", "--write", str(page)]) == 0
    assert "| a step" in page.read_text() and "old" not in page.read_text()
    page.write_text("no place\n")
    assert command.main(["--batch", "2", "--write", str(page)]) == 2
    assert "expected one" in capsys.readouterr().err


def test_a_batch_of_nothing_is_refused(capsys):
    with pytest.raises(SystemExit) as refused:
        command.main(["--batch", "0"])
    assert refused.value.code == 2 and "expected at least 1" in capsys.readouterr().err


@pytest.mark.cuda
@pytest.mark.parametrize("precision", backend.PRECISIONS)
def test_a_dry_run_launches_what_a_gpu_launches(monkeypatch, precision):
    """The same kernels with the same grids on as many bytes, in the same order."""
    found = []

    def noted(entry, grid, block, args, *more, **others):
        size = sum(array.nbytes for array in args if hasattr(array, "__cuda_array_interface__"))
        found.append(Launch(entry, grid, size))

    monkeypatch.setattr(kernels, "launch", noted)
    config = Config(**TINY, batch_size=4, precision=precision)
    with backend.use("kernels"), backend.use_precision(precision):
        gan, rng = GAN(config, np.random.default_rng(0), "cuda"), np.random.default_rng(1)
        stepper = Stepper(gan, "cuda", graph=False)
        for number in (1, 2):
            found.clear()
            stepper(number, Inputs(np.zeros((4, 8, 8, 1), "uint8"), [draw_z(rng, 4, config)]))
    monkeypatch.undo()
    expected = launches_of_a_step(precision, 4, **TINY)
    assert [launch[:2] for launch in found] == [launch[:2] for launch in expected]
    counters = [abs(real.bytes - dry.bytes) for real, dry in zip(found, expected, strict=True)]
    assert max(counters) <= 4096 + 4 * 1024  # a launch's counters are as many as the largest so far has needed
