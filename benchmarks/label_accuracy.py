"""Measure how often labelled samples show their class, by a classifier.

    python -m benchmarks.label_accuracy runs/0001-carpedm20-mnist --test t10k-images-idx3-ubyte.gz

The command trains a convolutional classifier on the data of the run (one sigmoid per class, gpunet's layers). It prints
two shares: how often the classifier is right on pictures that it has not seen, and how often it sees in generated
pictures the class that G was told. The classifier's own mistakes lower the second share, so compare it with the first.
The unseen pictures are those of --test, or else every tenth picture of the data.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from dcgan import cli, generate, quick, trained
from dcgan.config import Config
from dcgan.data import Source, open_source
from dcgan.errors import UserError
from gpunet import backend, layers, optim

BATCH = 64


def classifier(size: tuple[int, int], channels: int, classes: int) -> layers.Sequential:
    """Return two convolutions and a dense layer: pictures (N, H, W, C) to a logit per class."""
    h, w = (-(-side // 4) for side in size)
    return layers.Sequential(
        layers.Conv2d(channels, 32, 5, 2, "same", bias=False), layers.BatchNorm(32), layers.ReLU(),
        layers.Conv2d(32, 64, 5, 2, "same", bias=False), layers.BatchNorm(64), layers.ReLU(),
        layers.Flatten(), layers.Linear(h * w * 64, classes),
    )  # fmt: skip


def split(source: Source, held: Source | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the indices to train on, and the pictures and labels to test on: all of `held`, or every tenth."""
    everything = np.arange(len(source))
    if held:
        return everything, held.batch(np.arange(len(held))), np.asarray(held.labels)
    return everything[everything % 10 > 0], source.batch(everything[::10]), np.asarray(source.labels)[::10]


def train(net: layers.Sequential, source: Source, order: np.ndarray, classes: int) -> None:
    """Train one epoch on the pictures of these indices, with one sigmoid per class and the one-hot label as target."""
    adam = optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.999))
    for first in tqdm(range(0, len(order) - BATCH + 1, BATCH), unit="step", disable=None):
        cut = order[first : first + BATCH]
        target = np.eye(classes, dtype="float32")[source.labels[cut]]  # type: ignore[index]  # (N, classes)
        adam.zero_grad()
        _, dlogits = backend.bce_with_logits(net.forward(backend.images_to_real(source.batch(cut))), target)
        net.backward(dlogits, input_grad=False)
        adam.step()
    net.eval()


def accuracy(net: layers.Sequential, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of uint8 pictures (N, H, W, C) whose largest logit is that of their label."""
    cuts = [slice(first, first + BATCH) for first in range(0, len(images), BATCH)]
    seen = [net.forward(backend.images_to_real(images[cut])).argmax(axis=1) for cut in cuts]
    return float(np.mean(np.concatenate(seen) == labels))


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = cli.Parser(prog="python -m benchmarks.label_accuracy", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", help="run folder or checkpoint of a conditional preset")
    parser.add_argument("--test", metavar="PATH", default=None, help="labelled pictures, to test the classifier")
    parser.add_argument("--count", type=int, default=320, help="number of generated pictures per class (320)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs that the classifier trains (2)")
    options = parser.parse_args(arguments)
    quick.cap(options, count=8, epochs=1)
    G, config = trained.load(options.run, {"device": "cpu"})[:2]
    if config.classes is None:
        raise UserError(f"{options.run}: {config.preset} is told no labels, expected a conditional preset")
    source = _opened(config.data, config)
    learnt, test, labels = split(source, options.test and _opened(options.test, config))
    net, rng = classifier(source.image_size, source.channels, config.classes), np.random.default_rng(0)
    for _ in range(options.epochs):
        net.train()
        train(net, source, rng.permutation(learnt), config.classes)
    print(f"real pictures it has not seen: {accuracy(net, test, labels):.3f} right of {len(test):,}")
    each = [_of_class(net, G, config, label, options.count) for label in range(config.classes)]
    names = source.classes or [str(label) for label in range(config.classes)]
    print("pictures of G:  " + "  ".join(f"{name} {share:.3f}" for name, share in zip(names, each, strict=False)))
    print(f"pictures of G: {np.mean(each):.3f} show the class that was asked for, of {options.count * len(each):,}")
    return 0


def _opened(path: str | None, config: Config) -> Source:
    source = open_source(path, config.image_size, config.crop, config.channels, config.seed, progress=True)
    if source.labels is None:
        raise UserError(f"{path}: got pictures without labels, expected a labelled data set")
    return source


def _of_class(net: layers.Sequential, G: layers.Sequential, config: Config, label: int, count: int) -> float:
    batches = generate.pictures(G, config, count, seed=1, label=label)
    return accuracy(net, np.concatenate(list(batches)), np.full(count, label))


if __name__ == "__main__":
    sys.exit(main())
