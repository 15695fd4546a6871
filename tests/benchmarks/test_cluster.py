"""benchmarks.cluster: the model of sums over many ranks, checked against rings and backward passes played through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import cluster as command
from benchmarks.cluster import CPU_CLUSTERS, GPU_CLUSTERS, KEPT, batch_that_keeps, efficiency, exposed
from benchmarks.each_rank import Counted
from benchmarks.measure.work import training_step
from benchmarks.measure.workloads import Batch, Workload
from benchmarks.static.all_reduce import Cluster, Layer, Link, buckets, ring_bytes, ring_seconds, tree_seconds
from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.stepper import Inputs, Stepper
from gpunet import distributed
from gpunet.distributed import Ranks
from gpunet.distributed.base import DONE
from threads_as_ranks import on_ranks

SLOW = Link("a link for the tests", 1e-9, 0.5)  # a byte and a message take 1 s and 0.5 s
CLUSTERS = (*GPU_CLUSTERS, *CPU_CLUSTERS)


def play_ring(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Add up the rows of numbers (R, N) as a ring does, piece by piece.

    Returns what every rank has in the end (R, N), how many numbers each has sent (R,), and how many messages.
    """
    ranks, count = numbers.shape
    pieces = [[piece.copy() for piece in np.split(row, ranks)] for row in numbers]
    sent, messages = np.zeros(ranks, int), 0
    for add in (True, False):  # first sums travel once round the ring, then the finished ones
        for turn in range(ranks - 1):
            moving = [(rank, (rank - turn + (not add)) % ranks) for rank in range(ranks)]
            carried = [pieces[rank][which].copy() for rank, which in moving]
            for (rank, which), piece in zip(moving, carried, strict=True):
                sent[rank] += piece.size
                there = pieces[(rank + 1) % ranks]
                there[which] = there[which] + piece if add else piece
            messages += 1
    return np.array([np.concatenate(row) for row in pieces]), sent, messages


@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_a_ring_sends_what_the_formula_says(ranks):
    numbers = np.random.default_rng(0).integers(0, 100, (ranks, 6 * ranks))
    found, sent, messages = play_ring(numbers)
    assert (found == numbers.sum(axis=0)).all()
    assert (sent == ring_bytes(6 * ranks, ranks)).all()
    assert ring_seconds(6 * ranks, ranks, SLOW) == pytest.approx(sent[0] + 0.5 * messages)


def test_one_rank_sends_nothing():
    assert Cluster("alone", ((1, SLOW),)).all_reduce(100) == 0
    assert tree_seconds(0, 1, SLOW) == 0


def test_a_tree_takes_one_message_per_level_up_and_down():
    assert tree_seconds(0, 8, SLOW) == 0.5 * 6
    assert tree_seconds(10, 5, SLOW) == 20 + 0.5 * 6  # 5 ranks have 3 levels, as 8 have


def test_rings_of_rings_send_as_many_bytes_as_one_ring_of_all():
    """Over equal links without latency, 3 x 4 ranks send 2 x 11/12 of the bytes, as 12 in one ring do."""
    free = Link("no latency", 1e-9, 0)
    assert Cluster("3 x 4", ((3, free), (4, free))).all_reduce(24) == pytest.approx(ring_bytes(24, 12))


@pytest.mark.parametrize("layers, bucket, late", [
    ([(1, 3), (1, 1)], 1, 3),  # the example of the docstring
    ([(1, 3), (3, 1)], 1, 1),  # the first sum ends with the backward pass, the last one still has to travel
    ([(1, 3), (1, 1)], 4, 4),  # one bucket for all leaves at the end
    ([(1, 1), (1, 1), (1, 0), (5, 0)], 2, 0),  # the last layers give no gradients: all arrived at 4 s of 8 s
    ([(1, 0)], 1, 0),
    ([(1, 3, 1), (3, 0, 1)], 1, 2),  # vectors go by themselves at the end
])  # fmt: skip
def test_what_is_on_its_way_after_the_backward_pass_is_lost(layers, bucket, late):
    assert exposed([Layer(*each) for each in layers], lambda size: size, bucket) == late


def test_gradients_are_those_of_the_networks():
    gan = GAN(Config(), np.random.default_rng(0), "cpu")
    bytes_of = [sum(parameter.data.nbytes for parameter in net.parameters()) for net in (gan.D, gan.G)]
    assert command.gradient_bytes() == bytes_of


class Deaf(Ranks):
    """One of two ranks, whose sums are those of one."""

    size, captures = 2, False


def test_a_step_sums_what_the_model_says(monkeypatch):
    """Messages and bytes of a step of dcgan64, in their order, and the short ones at its end."""
    group, sizes = Counted(Deaf()), []
    monkeypatch.setattr(group, "begin_sum", lambda array: sizes.append(array.nbytes) or DONE)
    workload = Workload.named("dcgan64-nf64-b2")
    with distributed.among(group):
        gan = GAN(workload.config, np.random.default_rng(0), "cpu")
        batch = Batch.drawn(workload, 1)
        stats = Stepper(gan, "cpu", graph=False)(1, Inputs(batch.images, batch.zs))
    expected = [size for each in command.step(2).backward for _, size in buckets(each, command.BUCKET)]
    assert sizes == expected and len(sizes) == 6
    assert (group.sums, group.bytes) == (1, command.SMALL[0]), stats


def test_work_lies_on_a_line_over_the_batch():
    for found, counted in zip(command.work_of(48), training_step(48), strict=True):
        assert found._replace(flops=0, bytes=0) == counted._replace(flops=0, bytes=0)
        assert (found.flops, found.bytes) == pytest.approx((counted.flops, counted.bytes))


def test_the_step_is_the_sum_of_its_parts_and_a_cpu_step_the_measured_one():
    assert command.step(64, 591.0).seconds == pytest.approx(0.591)
    for found in (command.step(64), command.step(64, 591.0)):
        assert 0.3 < sum(layer.seconds for each in found.backward for layer in each) / found.seconds < 0.6
    d, g = command.step(64).backward
    assert len(d) == 12 and len(g) == 14
    assert (d[0].bytes, g[0].bytes) == (4 * 512 * 16, 0)  # D's last convolution and G's tanh come first


@pytest.mark.parametrize("cluster", CLUSTERS, ids=lambda each: each.name)
def test_the_batch_that_keeps_a_share_is_the_least_one(cluster):
    least = batch_that_keeps(KEPT, cluster)
    assert efficiency(cluster, least) >= KEPT > efficiency(cluster, least - 1)


def test_no_batch_makes_up_for_a_link_that_hardly_moves():
    with pytest.raises(ValueError, match="hopeless: got an efficiency below 0.9"):
        batch_that_keeps(KEPT, Cluster("hopeless", ((2, Link("", 1e-9, 1e9)),)))


def test_numbers_are_shown_with_three_digits():
    assert [command.shown(number) for number in (0.0612, 1.0198, 12.55, 591, 12345.6)] == [
        "0.0612", "1.02", "12.6", "591", "12,346",
    ]  # fmt: skip


def test_the_command_prints_the_tables_and_writes_them_into_a_page(capsys, tmp_path):
    assert command.main([]) == 0
    assert "A model, no measurement" in capsys.readouterr().out
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- cluster -->\n<!-- end of cluster -->\nafter\n")
    assert command.main(["--write", str(page), "--cpu-ms", "300"]) == 0
    text = page.read_text()
    assert command.report(300.0, markdown=True) in text and text.endswith("after\n")
    page.write_text("no place")
    assert command.main(["--write", str(page)]) == 2
    assert "expected one" in capsys.readouterr().err


def test_the_page_has_the_tables_of_the_script():
    page = (Path(command.__file__).parents[1] / "docs" / "scaling.md").read_text(encoding="utf-8")
    written = page.partition("<!-- cluster -->\n")[2].partition("\n<!-- end of cluster -->")[0]
    assert written == command.report(markdown=True), "run python -m benchmarks.cluster --write docs/scaling.md"


def test_the_sentences_of_the_page_have_the_numbers_of_the_model():
    tree = next(each for each in GPU_CLUSTERS if each.name == "64 machines of 1 GPU, InfiniBand, tree")
    assert sum(command.gradient_bytes()) == pytest.approx(25.4e6, abs=0.05e6)
    assert command.shown(1e3 * sum(map(tree.all_reduce, command.gradient_bytes()))) == "1.13"
    assert (batch_that_keeps(KEPT, tree), batch_that_keeps(KEPT, GPU_CLUSTERS[0])) == (678, 153)
    assert command.shown(1e3 * command.step(64).seconds) == "1.02"
    assert f"{efficiency(tree, 64):.0%}" == "45%"
    for each in CLUSTERS:  # "Most of the lost time is G's."
        d, g = (exposed(layers, each.all_reduce, command.BUCKET) for layers in command.step(64).backward)
        assert each.cpu or g > d, each.name


def test_a_time_that_is_none_is_refused(capsys):
    for text in ("0", "-1", "nan", "inf"):
        with pytest.raises(SystemExit):
            command.main(["--cpu-ms", text])
        assert "expected a time above 0" in capsys.readouterr().err


def test_bytes_of_sync_bn_are_those_that_a_training_sums(monkeypatch):
    """One step of two ranks; sums of gradients and of the log's numbers are flat."""
    config, shapes, nets = Config(width=2, image_size=16, batch_size=4, z_dim=3, sync_bn=True), [], []

    def step(ranks):
        gan = GAN(config, np.random.default_rng(0), "cpu")
        nets.append((gan.G.layers, gan.D.layers))
        Stepper(gan, "cpu", graph=False)(1, Inputs(np.zeros((2, 16, 16, 3), "uint8"), [np.ones((2, 1, 1, 3), "f4")]))

    on_ranks(2, step, shapes)
    monkeypatch.setattr(command, "networks", lambda: nets[0])
    assert sorted(command.sync_bn_bytes(2)) == sorted(4 * int(np.prod(shape)) for shape in shapes if len(shape) > 1)
