"""dcgan.stepper: a step replayed as one graph gives the bits of the step itself, whatever changes per step."""

import contextlib

import numpy as np
import pytest

from dcgan import stepper as page
from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.presets import config_of
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend, kernels
from gpunet.backend import launches as launches_page

TINY = {"preset": "carpedm20-mnist", "classes": 3, "width": 1, "image_size": 8, "z_dim": 3, "batch_size": 4}


def losses(graph, device="cuda", **options):
    """Six steps, of networks on a device, with other pictures, labels, mirrorings and another rate in each."""
    config = config_of({**TINY, **options})
    gan, rng = GAN(config, np.random.default_rng(0), device), np.random.default_rng(1)
    stepper, found = Stepper(gan, "cuda", graph), []
    with stepper.running():
        for number in range(1, 7):
            gan.adam_G.lr = gan.adam_D.lr = 1e-2 / number
            images = rng.integers(0, 256, (4, 8, 8, 1), dtype="uint8")
            zs = [draw_z(rng, 4, config) for _ in range(gan.draws(number))]
            flip, labels = rng.random(4) < 0.5, rng.integers(0, 3, 4).astype("int32")
            stats = stepper(number, Inputs(images, zs, flip, labels))
            found.append({name: float(value) for name, value in stats.items()})
    return found


@pytest.mark.cuda
@pytest.mark.parametrize(
    "precision, launches, megabytes",
    [("fp32", 92, 1934), ("tf32", 61, 1623), ("bf16", 61, 988), ("fp16", 65, 1014)],
)
def test_launches_and_bytes_of_a_step(monkeypatch, precision, launches, megabytes):
    """The first step of dcgan64, width 64, batch 64, with both its numbers for the log, and the second.

    Nothing runs here. Each launch has its price. The bytes are those of all arrays that are handed to kernels, once per
    launch. Lower the numbers where a change lowers them. A scaled loss costs four launches: for either network the loss
    is scaled, and the gradients are scaled back.
    """
    config = Config(width=64, z_dim=100, batch_size=64, channels=3, precision=precision)
    with backend.use_precision(precision):
        gan, rng = GAN(config, np.random.default_rng(0), "cuda"), np.random.default_rng(1)
    stepper, launched = Stepper(gan, "cuda", graph=False), []
    files = set()

    def noted(entry, grid, block, args, *more, **others):
        files.add(entry.rpartition(".")[0])
        launched.append(sum(array.nbytes for array in args if hasattr(array, "__cuda_array_interface__")))

    monkeypatch.setattr(kernels, "launch", noted)
    monkeypatch.setattr(launches_page, "_made", {})  # counters are as many as the largest launch so far has needed
    with backend.use("kernels"), backend.use_precision(precision), stepper.running():
        for number in (1, 2):
            launched.clear()
            stepper(number, Inputs(np.zeros((64, 64, 64, 3), "uint8"), [draw_z(rng, 64, config)]))
            assert len(launched) == launches  # the first one, too: the weights were rounded before it
    assert (len(launched), -(-sum(launched) // 10**6)) == (launches, megabytes)
    assert files <= set(kernels.of_training_on_cuda([precision]))


PLAIN = {"classes": None, "channels": 1}
EVERY_VARIANT = {"upsample": "nearest", "norm_d": "layer", "spectral_norm": True, "head": "pool"}
GRAPHS = {
    "1:1": {"ratio": "1:1"},
    "2:1": {"ratio": "2:1", "fresh_z": True},
    "variants": {"preset": "dcgan64", **PLAIN, **EVERY_VARIANT},
    "resnet": {"preset": "resnet", **PLAIN, "norm_d": "instance"},
    "penalty": {"preset": "dcgan64", **PLAIN, "r1": 10.0, "r1_every": 2},
    "accumulate": {"preset": "dcgan64", **PLAIN, "accumulate": 2, "batch_size": 2, "clip_grad": 0.5},
}


@pytest.mark.cuda
@pytest.mark.parametrize("options", GRAPHS.values(), ids=GRAPHS)
def test_a_graph_is_the_step_bit_for_bit(options):
    with backend.use("kernels"):
        assert losses(True, **options) == losses(False, **options)


def weights(graph, precision, steps, rounds=1):
    """Return the bytes of all weights, averages and moments after some steps; again and again from one state.

    The net is one whose convolutions tensor cores take.
    """
    config = Config(width=8, z_dim=3, image_size=8, channels=1, batch_size=2, precision=precision)
    gan, found = GAN(config, np.random.default_rng(0), "cuda"), []
    state, stepper = gan.state_dict(), Stepper(gan, "cuda", graph)
    with backend.use("kernels"), backend.use_precision(precision):
        for _ in range(rounds):
            gan.load_state_dict(state)
            rng = np.random.default_rng(1)
            with stepper.running():
                for number in range(1, steps + 1):
                    images = rng.integers(0, 256, (2, 8, 8, 1), dtype="uint8")
                    stepper(number, Inputs(images, [draw_z(rng, 2, config)]))
            after = gan.state_dict()
            found.append(b"".join(np.asarray(array).tobytes() for part in after.values() for array in part.values()))
    return found


@pytest.mark.cuda
@pytest.mark.parametrize("precision", backend.PRECISIONS)
def test_a_graph_is_the_step_bit_for_bit_in_every_precision(monkeypatch, precision):
    launch, files = kernels.launch, set()

    def noted(entry, *more, **others):
        files.add(entry.partition("/")[0])
        launch(entry, *more, **others)

    monkeypatch.setattr(kernels, "launch", noted)
    assert weights(True, precision, 4) == weights(False, precision, 4)  # the graph takes over at the third step
    assert ("conv2d_mma" in files) == (precision != "fp32")


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_fifty_repeats_of_a_graph_are_equal(precision):
    """Blocks arrive in another order each time; no sum may depend on it."""
    assert len(set(weights(True, precision, 1, 50))) == 1


@pytest.mark.cuda
def test_steps_come_behind_what_was_loaded_and_before_what_is_read():
    """Nothing else orders the stream of the steps and the one that loads and reads."""
    config, found = config_of(TINY), []
    with backend.use("kernels"):
        for graph in (True, False):
            gan, rng = GAN(config, np.random.default_rng(0), "cuda"), np.random.default_rng(1)
            state, stepper = gan.state_dict(), Stepper(gan, "cuda", graph)
            for _ in range(2):
                gan.load_state_dict(state)
                images, labels = rng.integers(0, 256, (4, 8, 8, 1), dtype="uint8"), np.zeros(4, "int32")
                with stepper.running():
                    stepper(1, Inputs(images, [draw_z(rng, 4, config)], None, labels))
                found.append(np.concatenate([array.get() for array in (*gan.adam_D.m, *gan.adam_G.data)]))
    assert np.array_equal(found[:2], found[2:])


@pytest.mark.parametrize("flip, labels", [(False, False), (True, False), (False, True), (True, True)])
def test_inputs_are_the_arrays_that_there_are_and_back(flip, labels):
    arrays = {name: np.full(2, i) for i, name in enumerate(("images", "flip", "labels", "z", "another z"))}
    given = Inputs(
        arrays["images"],
        [arrays["z"], arrays["another z"]],
        arrays["flip"] if flip else None,
        arrays["labels"] if labels else None,
    )
    order = ["images", *["flip"] * flip, *["labels"] * labels, "z", "another z"]
    assert [id(array) for array in given.arrays()] == [id(arrays[name]) for name in order]
    back = given.with_arrays(array + 10 for array in given.arrays())
    assert back.images[0] == 10 and [z[0] for z in back.zs] == [13, 14]
    assert (back.flip is None, back.labels is None) == (not flip, not labels)
    assert [array[0] - 10 for array in back.arrays()] == [array[0] for array in given.arrays()]


class UploadOnTheCpu:
    """Takes the place of `Upload`."""

    def __init__(self, examples):
        self.inputs = [np.zeros_like(example) for example in examples]

    def __call__(self, arrays, stream):
        for place, array in zip(self.inputs, arrays, strict=True):
            place[...] = array


class GraphOnTheCpu:
    """Takes the place of `Graph`, and counts the inputs of each."""

    made: list = []

    def __init__(self, function, inputs):
        self.function, self.inputs = function, inputs
        self.made.append(len(inputs))

    def __call__(self, stream):
        return self.function(*self.inputs)


@pytest.mark.parametrize("options", [{"ratio": "1:1"}, {"ratio": "2:1", "fresh_z": True}], ids=["1:1", "2:1"])
def test_uploads_and_graphs_of_every_plan(monkeypatch, options):
    """With stand-ins that run on the CPU: each plan has its graph, and its inputs arrive in their places."""
    monkeypatch.setattr(page, "Upload", UploadOnTheCpu)
    monkeypatch.setattr(page, "Graph", GraphOnTheCpu)
    monkeypatch.setattr(GraphOnTheCpu, "made", [])
    monkeypatch.setattr(page, "computing_stream", contextlib.nullcontext)
    monkeypatch.setattr(page, "working_on", lambda stream: stream)
    monkeypatch.setattr(backend, "to_device", lambda array, device: array)
    with backend.use("reference"):
        assert losses(True, "cpu", **options) == losses(False, "cpu", **options)
    assert GraphOnTheCpu.made == ([4] if options["ratio"] == "1:1" else [4, 5])  # pictures, flip, labels, one z or two
