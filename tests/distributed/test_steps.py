"""Training steps of several ranks are those of one process; shares of batches; sums of gradients in buckets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dcgan.data import ArraySource, Loader
from dcgan.data.loader import batches
from dcgan.data.share import Share, require_equal
from dcgan.errors import UserError
from gpunet import distributed, layers
from gpunet.distributed import gradients
from gpunet.distributed.base import Handle, Ranks
from gpunet.optim import Adam
from mpirun import mpirun, needs_mpi

# A network has a buffer of matrices and one of vectors: 2 sums for an update, or 4 where buckets begin before the end.
# Ten steps train each network once. Penalties add to D's gradients after its backward pass, so there nothing is early.
SUMS = {
    "plain": 80, "parts of a batch": 80, "clipped gradients, two G steps, fresh z": 120, "penalties": 60,
    "what D sees": 80, "noise, parts and decay": 80, "clipped weights, alternating": 40, "spectral norm": 80,
}  # fmt: skip


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_ten_steps_of_ranks_are_those_of_one_process(count):
    """In float64, to 1e-12: weights, moments, averages, and every number of the log."""
    done = mpirun(count, Path(__file__).parent / "steps_on_ranks.py", timeout=200)
    assert done.returncode == 0, done.stderr
    wanted = [f"rank {rank}: {name}: {sums} sums" for rank in range(count) for name, sums in SUMS.items()]
    assert sorted(done.stdout.splitlines()) == sorted(wanted)


# ---- shares ----


def test_a_share_has_its_part_of_each_batch():
    """The example of dcgan/data/share.py: two batches of 8 on 4 ranks."""
    whole = np.arange(16)
    assert Share(1, 4, 2).of(whole).tolist() == [2, 3, 10, 11]
    assert Share(1, 4, 2).of(np.stack([whole, whole + 100]), axis=1).tolist() == [[2, 3, 10, 11], [102, 103, 110, 111]]
    assert Share(0, 1, 2).of(whole) is whole
    for size in (2, 4):
        parts = [Share(rank, size, 2).of(whole) for rank in range(size)]
        assert sorted(np.concatenate(parts)) == whole.tolist()


def test_ranks_together_read_what_one_process_reads_in_its_order():
    pixels = np.arange(23, dtype="uint8").reshape(23, 1, 1, 1)
    source = ArraySource(pixels, "", "", labels=np.arange(23) * 10)
    for wrap in (False, True):
        whole = batches(source, 8, 3, (0, 0), wrap)
        parts = [batches(source, 8, 3, (0, 0), wrap, Share(rank, 4, 2)) for rank in range(4)]
        for _ in range(7):
            one, some = next(whole), [next(part) for part in parts]
            assert [each[::4] for each in some] == [one[::4]] * 4  # epoch and the start of the next
            assert all((each.indices == one.indices).all() for each in some)
            pixels = np.concatenate([each.images.reshape(2, 1) for each in some], axis=1)  # (batches, ranks)
            assert pixels.ravel().tolist() == one.images.ravel().tolist()
            assert np.concatenate([each.labels for each in some]).sum() == one.labels.sum()


def test_a_rank_is_told_to_expect_its_own_pictures_alone():
    told = []
    source = ArraySource(np.zeros((10, 1, 1, 1), "uint8"), "", "")
    source.expect = told.append
    for share in (Share(), Share(1, 2)):
        Loader(source, 4, 0, share=share).close()
    order = told[0]
    assert told[1].tolist() == [*order[2:4], *order[6:8]]  # of 10 pictures in batches of 4, two are left over


@pytest.mark.parametrize(("batch", "size", "near"), [(64, 3, "63 or 66"), (2, 4, "4"), (10, 4, "8 or 12")])
def test_a_batch_that_cannot_be_shared_out_is_refused(batch, size, near):
    words = f"--batch-size: got {batch}, expected a multiple of {size}, the number of ranks, such as {near}$"
    with pytest.raises(UserError, match=words):
        require_equal(batch, size)
    require_equal(batch * size, size)


# ---- buckets ----


class Doubling(Ranks):
    """A group of two ranks, both of which have the gradients of this process; `begun` lists the sizes of sums."""

    size = 2

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.waited = 0

    def begin_sum(self, array) -> Handle:
        self.begun.append(array.size)
        group = self

        class Later(Handle):
            def wait(self) -> None:
                array[...] *= 2
                group.waited += 1

        return Later()


def network() -> layers.Sequential:
    """Return three layers with matrices of 64 numbers each, and vectors, which take as much room."""
    net = layers.Sequential(*(layers.Linear(8, 8) for _ in range(3)))
    for parameter in net.parameters():
        parameter.data = parameter.data.astype("float64")
    return net


@pytest.mark.parametrize(
    ("bucket", "early", "late"),
    [(64, [64] * 4, [64] * 2), (128, [128] * 2, [64] * 2), (10**6, [], [192] * 2)],
    ids=["each layer", "two layers", "all at the end"],
)
def test_buckets_begin_when_backward_has_filled_them(monkeypatch, bucket, early, late):
    """Backward leaves layers 3 and 2 before it ends; the first layer's gradients are summed by `step`."""
    monkeypatch.setattr(gradients, "BUCKET", bucket)
    group, x = Doubling(), np.random.default_rng(0).standard_normal((4, 8))
    with distributed.among(group):
        net = network()
        adam = Adam(net.parameters(), lr=0.1)
    first = [parameter.data.copy() for parameter in net.parameters()]
    with adam.summing(net):
        net.backward(net.forward(x))
    assert group.begun == early and group.waited == 0
    adam.step()
    assert group.begun == early + late and group.waited == len(group.begun)
    alone, other = network(), None
    other = Adam(alone.parameters(), lr=0.1)
    for parameter, value in zip(alone.parameters(), first, strict=True):
        parameter.data[...] = value
    alone.backward(alone.forward(x))
    other.step()  # the mean over two equal ranks is what one has
    for mine, wanted in zip(net.parameters(), alone.parameters(), strict=True):
        assert (mine.data == wanted.data).all()


def test_a_parameter_whose_gradient_was_assigned_from_outside_waits_for_the_step(monkeypatch):
    """Nothing that lies elsewhere can be in a sum that has begun; so its bucket, and all before it, begin later."""
    monkeypatch.setattr(gradients, "BUCKET", 64)
    group = Doubling()
    with distributed.among(group):
        net = network()
        adam = Adam(net.parameters())
    net.layers[2].weight.grad = np.ones((8, 8))  # the backward pass adds to it
    with adam.summing(net):
        net.backward(net.forward(np.ones((4, 8))))
    assert group.begun == [64, 64]  # both vectors
    adam.step()
    assert sum(group.begun) == 2 * 192 and group.begun[2:] == [192, 64]


def test_a_process_alone_has_no_hook():
    net = network()
    adam = Adam(net.parameters())
    assert adam.sums is None
    with adam.summing(net):
        assert net.finished is None
