"""What a training says before and at its start: whether its batch fits into memory, and how long it will take."""

import math
from dataclasses import replace

import numpy as np
import pytest

from dcgan import memory
from dcgan.config import Config
from dcgan.presets import PRESETS, config_of
from dcgan.run import log, pace
from gpunet import distributed
from gpunet.layers import base
from running import run_train

GIB = 2.0**30


def test_answers_by_hand():
    """dcgan64 of 16x16 and width 2: 4x4 and 8x8 maps of batch norm inside, and of convolutions."""
    config = Config(image_size=16, width=2, z_dim=3, channels=1, batch_size=10)
    needed = memory.need(config)
    of_G = [4 * 4 * 4, 4 * 4 * 4, 8 * 8 * 2, 8 * 8 * 2, 16 * 16, 16 * 16]
    of_D = [8 * 8 * 2, 4 * 4 * 4, 4 * 4 * 4, 1]
    parameters = 3 * 16 * 4 + 8 + 4 * 16 * 2 + 4 + 2 * 16 + 16 * 2 + 2 * 16 * 4 + 8 + 4 * 16
    assert needed.picture == pytest.approx(4 * memory.KEPT * (sum(of_G) + 2 * sum(of_D)))
    assert needed.grid == pytest.approx(4 * 128 * memory.DRAWN * 256)
    assert needed.fixed == pytest.approx(memory.BASE + 4 * memory.COPIES * parameters)
    assert needed.least == 16 * parameters + 2 * 10 * (sum(of_G) + 2 * sum(of_D))


@pytest.mark.parametrize("precision, size", [("tf32", 4), ("bf16", 2), ("fp16", 2)])
def test_answers_that_are_handed_over_in_16_bits(precision, size):
    """All but those of the last layers: pictures, tanh's input and logits."""
    needed = memory.need(Config(image_size=16, width=2, z_dim=3, channels=1, batch_size=10, precision=precision))
    handed = 4 * 4 * 4 + 4 * 4 * 4 + 8 * 8 * 2 + 8 * 8 * 2 + 2 * (8 * 8 * 2 + 4 * 4 * 4 + 4 * 4 * 4)
    others = 2 * 16 * 16 + 2
    assert needed.picture == pytest.approx(memory.KEPT * (size * handed + 4 * others))
    assert needed.least == memory.need(Config(image_size=16, width=2, z_dim=3, channels=1, batch_size=10)).least


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_an_estimate(preset):
    config = config_of({"preset": preset, "width": 4})
    needed = memory.need(config)
    assert 0 < needed.least < needed.of(config.batch_size) < math.inf
    most = needed.largest(2 * GIB)
    assert needed.of(most) <= 2 * GIB < needed.of(most + 1)


@pytest.fixture
def here(monkeypatch):
    """Say what memory there is."""
    return lambda free, total: monkeypatch.setattr(memory, "available", lambda device: (free * GIB, total * GIB))


BATCH = Config(batch_size=4096, channels=3)  # about 22 GiB, 5 at the least


@pytest.mark.parametrize("free, words", [(100, ", 100.0 GiB are free on cpu"), (math.inf, "")])
def test_memory_that_is_enough(here, free, words):
    here(free, free)
    expected = memory.need(BATCH).of(4096) / GIB
    assert memory.require(BATCH, "cpu") == f"memory: about {expected:.1f} GiB are needed{words}"


def test_every_start_says_what_is_expected(tiny, capsys):
    assert run_train(*tiny, "--steps 1") == 0
    assert capsys.readouterr().out.count("memory: about 0.2 GiB are needed, ") == 1


@pytest.mark.parametrize("times, fits", [(1.49, True), (1.51, False)])
def test_an_estimate_far_over_all_memory_is_refused(here, times, fits):
    """Even where the least that a training takes would fit, as here."""
    needed = memory.need(BATCH)
    total = needed.of(4096) / GIB / times
    assert needed.least < total * GIB
    here(total / 2, total)
    if fits:
        assert "the largest batch that fits is about " in memory.require(BATCH, "cpu")
    else:
        with pytest.raises(memory.UserError, match="^--batch-size: got 4096, which takes about 2"):
            memory.require(BATCH, "cpu")


@pytest.mark.parametrize("free, total", [(15, 100), (10, 15)])
def test_memory_that_is_tight(here, free, total):
    here(free, total)
    words = memory.require(BATCH, "cpu")
    assert words.startswith("memory: about 21")
    assert f"{free}.0 GiB are free on cpu; the largest batch that fits is about " in words
    fits = int(words.rsplit(" ", 1)[1])
    assert memory.need(BATCH).of(fits) <= memory.TIGHT * free * GIB < memory.need(BATCH).of(fits + 1)


def test_a_batch_that_surely_does_not_fit(here, tiny, runs, capsys):
    here(0.1, 0.1)
    assert run_train(*tiny, "--steps 1 --width 64 --image-size 64 --batch-size 20") == 2
    assert capsys.readouterr().err.startswith("error: --batch-size: got 20, which takes about 0.5 GiB of memory on cpu")
    here(1, 4)
    with pytest.raises(memory.UserError, match="^--batch-size: got 4096, .* the largest batch that fits is"):
        memory.require(BATCH, "cpu")
    here(0.1, 0.2)
    with pytest.raises(memory.UserError, match="not even one picture fits: a smaller --width$"):
        memory.require(BATCH, "cpu")
    assert not runs.exists()


def test_each_rank_needs_memory_for_its_part_of_a_batch(here):
    """Four ranks on one machine share its memory; those on a GPU each have one of their own."""
    group = distributed.Ranks()
    group.size = group.local_size = 4
    here(16, 100)
    for device, free in (("cpu", 16 / 4), ("cuda", 16)):
        with distributed.among(group):
            words = memory.require(replace(BATCH, batch_size=4 * 4096), device)
        assert words.startswith("memory: about 21")
        assert f"are needed for each of 4 ranks, {free:.1f} GiB are free" in words
        most = int(words.rsplit(" ", 1)[1])
        assert most == 4 * memory.need(BATCH).largest(memory.TIGHT * free * GIB)


def test_an_estimate_leaves_the_run_as_it_is():
    """The layers of the estimate draw first values, and those of the run draw the same afterwards."""
    config = Config(image_size=16, width=2)
    weights = []
    for estimates in (0, 2):
        base._default_rng.bit_generator.state = np.random.default_rng(0).bit_generator.state
        for _ in range(estimates):
            memory.need(config)
        weights.append(PRESETS["dcgan64"].generator(config).parameters()[0].data)
    np.testing.assert_array_equal(*weights)


def test_this_machine_has_memory():
    free, total = memory.available("cpu")
    assert 2**27 < free <= total


def timings(*stretches):
    """Records of timing.jsonl: (steps, seconds) of each stretch, in batches of 8."""
    step = 0
    for steps, seconds in stretches:
        step += steps
        yield {"step": step, "images_per_second": 8 * steps / seconds}


@pytest.mark.parametrize(
    "stretches, said",
    [
        ([(2, 9.0), (10, 1.0), (10, 2.0)], ["0.1 s a step: the 888 steps left take about 1 minute"]),
        ([(2, 9.0), (1, 0.1), (20, 40.0), (10, 1.0)], ["2 s a step: the 877 steps left take about 29 minutes"]),
        ([(2, 9.0)], []),
        ([(2, 9.0), (100, 1.0), (1, 9.0)], []),  # eight seconds are left
    ],
)
def test_the_pace(stretches, said):
    words = []
    watch = pace.Pace(0, 900, 8, words.append)
    for record in timings(*stretches):
        watch([{"step": record["step"], "loss_d": 1.0}, record])
    assert words == said


@pytest.mark.parametrize(
    "seconds, words",
    [
        (1, "less than a minute"), (31, "1 minute"), (3599, "1 hour"), (9000, "2 hours 30 minutes"),
        (201_000, "2 days 7 hours"), (86_400, "1 day"),
    ],
)  # fmt: skip
def test_lengths_of_time(seconds, words):
    assert pace.in_words(seconds) == words


def test_a_training_says_its_pace(tiny, capsys, monkeypatch):
    monkeypatch.setattr(log, "INTERVAL", 0.0)
    monkeypatch.setattr(pace, "LEAST", 0.0)
    monkeypatch.setattr(pace, "LONG", 0.0)
    assert run_train(*tiny, "--steps 5") == 0
    assert capsys.readouterr().out.count(" s a step: the ") == 1
