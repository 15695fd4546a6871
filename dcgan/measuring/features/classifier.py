"""Features of a small classifier that is trained here, on the data itself: its last hidden layer, 128 numbers.

On data with labels it learns the classes. On data without, it learns by how many quarter turns a picture was turned
(Gidaris et al., "Unsupervised representation learning by predicting image rotations", 2018); of pictures that are not
square, by how many half turns. Its settings, the same on all data, are the constants below. A trained classifier is
kept in the cache folder, so that all runs on the same data share its features.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dcgan import quick
from dcgan.data import Source
from dcgan.data.formats.listing import digest
from dcgan.data.storage.cache import cache_folder
from dcgan.measuring.features import Features
from dcgan.sampling import BATCH
from gpunet import backend, checkpoint, distributed, init
from gpunet.checkpoint import CheckpointError
from gpunet.distributed import ALONE
from gpunet.layers import BatchNorm, Conv2d, Flatten, Layer, Linear, ReLU, Sequential
from gpunet.optim import Adam

SETTINGS: dict[str, Any] = {
    "steps": 1000, "batch_size": 64, "lr": 1e-3, "width": 32, "hidden": 128, "seed": 0, "version": 1,
}  # fmt: skip
SMALLEST_MAP = 8  # pixels of a side, at most, in front of the hidden layer
HELD_OUT, MOST_HELD_OUT = 10, 2000  # every tenth picture tests, at most so many of them
Task = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # indices -> pictures and labels
Say = Callable[[str], None]


def features_of(source: Source, device: str, say: Say = print) -> Features:
    """Return the features of the classifier of these pictures, which is trained now unless the cache has it."""
    learns, classes = _learns(source)
    settings = SETTINGS | ({"steps": 4} if quick.notice() else {}) | {"classes": classes, "learns": learns}
    net = network(source.shape[1:], classes).to(device)
    kept = _cached(source, settings)
    accuracy = _read(kept, settings, net)
    if accuracy is None:
        say(f"training a classifier of {classes} {learns} on the data, which is done once: {settings['steps']:,} steps")
        with distributed.among(ALONE):  # where there are several ranks, they do not train it together
            accuracy = train(net, _task(source, settings), len(source), settings)
        _write(kept, {"settings": settings, "accuracy": accuracy, "net": _on_host(net)}, say)
    net.eval()
    task = "tells the class" if learns == "classes" else "tells how a picture was turned"
    say(f"the classifier {task} and is right about {accuracy:.1%} of pictures that it has not learnt from")
    weights = b"".join(np.ascontiguousarray(value).tobytes() for value in _on_host(net).values())
    origin = {"name": "classifier", "sha256": hashlib.sha256(weights).hexdigest(), "accuracy": accuracy, **settings}
    return Features(lambda images, _: hidden(net, images), origin)


def _learns(source: Source) -> tuple[str, int]:
    """Return what the classifier tells apart, classes or turns, and how many."""
    if source.labels is not None and np.ptp(source.labels) > 0:
        return "classes", int(np.max(source.labels)) + 1
    height, width = source.image_size
    return "turns", 4 if height == width else 2


def network(shape: tuple[int, ...], classes: int) -> Sequential:
    """Return the classifier: pictures (N, H, W, C) -> logits (N, classes).

    Convolutions of 5x5 and stride 2, each with batch norm and ReLU, halve the map until a side has SMALLEST_MAP pixels
    or fewer; then come a hidden layer and the logits. 28x28 takes two convolutions, 64x64 three.
    """
    height, width, channels = shape
    halvings = max(2, math.ceil(math.log2(max(height, width) / SMALLEST_MAP)))
    net: list[Layer] = []
    for i in range(halvings):
        filters = SETTINGS["width"] * 2 ** min(i, 2)
        net += [Conv2d(channels, filters, 5, 2, "same", bias=False), BatchNorm(filters), ReLU()]
        channels, height, width = filters, -(-height // 2), -(-width // 2)
    net += [Flatten(), Linear(height * width * channels, SETTINGS["hidden"]), ReLU()]
    made = Sequential(*net, Linear(SETTINGS["hidden"], classes))
    init.apply(made, np.random.default_rng(SETTINGS["seed"]), init.torch_uniform(), init.constant(0))
    return made


def train(net: Sequential, task: Task, count: int, settings: dict[str, Any]) -> float:
    """Train on all pictures but the held-out ones by softmax cross-entropy; return the accuracy on those.

    The rate falls to 0 on a line. Net and accuracy are a function of the pictures and the settings.
    """
    indices, rng = np.arange(count), np.random.default_rng([settings["seed"], 1])
    held_out = indices[::HELD_OUT][:MOST_HELD_OUT]
    learnt = np.setdiff1d(indices, held_out) if count > HELD_OUT else indices
    adam, order = Adam(net.parameters(), settings["lr"], (0.9, 0.999)), np.empty(0, int)
    net.train()
    for step in range(settings["steps"]):
        while len(order) < settings["batch_size"]:
            order = np.concatenate([order, rng.permutation(learnt)])
        cut, order = np.split(order, [settings["batch_size"]])
        images, labels = task(cut)
        adam.lr = settings["lr"] * (1 - step / settings["steps"])
        adam.zero_grad()
        logits = net.forward(_numbers(net, images))
        _, dlogits = backend.softmax_cross_entropy(logits, backend.to_device(labels, backend.device_of(logits)))
        net.backward(dlogits, input_grad=False)
        adam.step()
    net.eval()
    return accuracy(net, task, held_out)


def accuracy(net: Sequential, task: Task, indices: np.ndarray) -> float:
    """Return the share of the pictures whose largest logit is that of their label."""
    right = 0
    for start in range(0, len(indices), BATCH):
        images, labels = task(indices[start : start + BATCH])
        right += int((backend.to_numpy(net.forward(_numbers(net, images))).argmax(axis=1) == labels).sum())
    return right / len(indices)


def hidden(net: Sequential, images: np.ndarray) -> np.ndarray:
    """Return the last hidden layer (n, 128) of uint8 pictures (n, H, W, C)."""
    with backend.use_precision("fp32"):
        *_, (_, _, found), _ = net.answers(_numbers(net, images))
    return backend.to_numpy(found)


def turned(images: np.ndarray, labels: np.ndarray, turn: int) -> np.ndarray:
    """Return pictures (n, H, W, C), each turned to the left by labels[i] * turn quarter turns."""
    return np.stack([np.rot90(image, int(label) * turn) for image, label in zip(images, labels, strict=True)])


def _task(source: Source, settings: dict[str, Any]) -> Task:
    """Return what the classifier learns: the pictures' own labels, or how they are turned, a function of the index."""
    if settings["learns"] == "classes":
        return lambda indices: (source.batch(indices), np.asarray(source.labels)[indices].astype("int32"))
    classes, turn = settings["classes"], 4 // settings["classes"]

    def task(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels = np.random.default_rng(int(indices[0])).integers(0, classes, len(indices)).astype("int32")
        return turned(source.batch(indices), labels, turn), labels

    return task


def _numbers(net: Sequential, images: np.ndarray) -> Any:
    """Return pictures as numbers from -1 to 1 on the network's device."""
    return backend.images_to_real(backend.to_device(images, backend.device_of(net.parameters()[0].data)))


def _on_host(net: Sequential) -> dict[str, np.ndarray]:
    return {name: backend.to_numpy(value) for name, value in net.state_dict().items()}


# ---- the cache ------------------------------------------------------------------------------------------------------


def _cached(source: Source, settings: dict[str, Any]) -> Path:
    """Return the path for the classifier of these pictures, labels and settings."""
    labels = b"" if source.labels is None else np.asarray(source.labels, "int64").tobytes()
    key = digest([source.fingerprint, source.shape, hashlib.sha256(labels).hexdigest(), settings])
    return cache_folder() / f"classifier-{key}.h5"


def _read(path: Path, settings: dict[str, Any], net: Sequential) -> float | None:
    """Fill the network from the cache and return its accuracy; None where the cache has none that is sound."""
    with contextlib.suppress(CheckpointError, ValueError, LookupError, TypeError, AttributeError):
        state = checkpoint.load(path)
        if state["settings"] == settings:
            net.load_state_dict(state["net"])
            return float(state["accuracy"])
    return None


def _write(path: Path, state: dict[str, Any], say: Say) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, state)
    except (OSError, CheckpointError) as error:
        say(f"the classifier is not kept ({error}): the next start trains it again")
