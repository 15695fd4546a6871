"""dcgan in code of yours: `load` opens a trained run, `train` makes one.

    run = dcgan.load("runs/0001-dcgan64")
    run.sample(64, seed=1)                  uint8 (64, H, W, C)
    run.generator(z)                        float32 (N, H, W, C), in the range of G's last layer
    run.discriminator(pictures)             float32 (N,), D's logits
    run.features(pictures)                  float32 (N, F)
    run.invert(pictures)                    float32 (N, z_dim), the z whose pictures are nearest

    run = dcgan.train(data="photographs/", preset="dcgan64", steps=500, callback=print)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dcgan import discriminator_features, generate, generate_options, presets, sampling, session, together, trained
from dcgan.address import Address
from dcgan.errors import UserError
from dcgan.inversion.effort import Effort, Networks
from dcgan.inversion.search import search
from dcgan.options import choice, integer, named
from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers import Sequential

SEED = integer(0, 10**39 - 1)  # as large as an address takes them
Callback = Callable[[Mapping[str, Any]], None]  # is called with the numbers of every step, some steps late


class Run:
    """A trained GAN: G and D of a checkpoint, on their device, in evaluation mode.

    name, step, weights ("ema" or "raw"), config: what the run says of itself. labels: the names of its classes, or
    their numbers as text; empty for networks that are told no labels.
    """

    def __init__(self, opened: trained.Trained) -> None:
        self._opened, self.G = opened, opened.G.eval()
        self.name, self.step, self.weights, self.config = opened.run, opened.step, opened.weights, opened.config
        numbers = map(str, range(self.config.classes or 0))
        self.labels = tuple(opened.classes[: self.config.classes or 0]) or tuple(numbers)

    @property
    def D(self) -> Sequential:
        """The discriminator. UserError: the file that was opened holds none."""
        if self._opened.D is None:
            raise UserError(f"{self!r} was opened from a file without the discriminator")
        return self._opened.D.eval()

    def sample(self, count: int, seed: int = 0, label: str | int | None = None) -> np.ndarray:
        """Return count pictures, uint8 (N, H, W, C): those of `dcgan.generate` with this seed.

        label: the class of all of them, by name or number; None: the classes in turn, if the networks are told classes.
        """
        count, seed = named("count", integer(0), count), named("seed", SEED, seed)
        drawn = list(generate.pictures(self.G, self.config, count, seed, self._number(label)))
        return np.concatenate(drawn) if drawn else np.empty((0, *self._picture_shape()), "uint8")

    def address(self, seed: int, index: int, label: str | int | None = None) -> str:
        """Return the address of the index-th picture of a seed, counted from 1."""
        seed, index = named("seed", SEED, seed), named("index", integer(1), index)
        return self._opened.address(seed, index, self._number(label)).text()

    def at(self, address: str) -> np.ndarray:
        """Return the picture of an address, uint8 (H, W, C). UserError: it is one of another run, step or weights."""
        where = Address.parse(address)
        self._opened.require_at(where)
        return generate.picture(self.G, self.config, where.seed, where.index, where.label)

    def generator(self, z: Any, labels: Any = None) -> np.ndarray:
        """Return G(z), float32 (N, H, W, C), in the range of G's last layer: -1 to 1 of tanh, 0 to 1 of sigmoid.

        z (N, z_dim) or (N, 1, 1, z_dim); labels (N,): numbers of classes, for networks that are told them.
        """
        numbers = _finite("z", z)
        if numbers.ndim not in (2, 4) or not len(numbers) or numbers.size != len(numbers) * self.config.z_dim:
            raise UserError(f"z: got shape {numbers.shape}, expected (N, {self.config.z_dim})")
        return self._by_batches(self.G, self.G.forward, numbers.reshape(-1, 1, 1, self.config.z_dim), labels)

    def discriminator(self, pictures: Any, labels: Any = None) -> np.ndarray:
        """Return D's logits of pictures, float32 (N,): with the loss "ns" their sigmoid is the probability of real.

        pictures (N, H, W, C): uint8, or floats in the range of G's pictures.
        """
        return self._by_batches(self.D, self.D.forward, self._numbers(pictures), labels).ravel()

    def features(self, pictures: Any, labels: Any = None) -> np.ndarray:
        """Return D's features of pictures, float32 (N, F): see dcgan.discriminator_features."""
        pooled = partial(discriminator_features.pooled, self.D)
        return self._by_batches(self.D, pooled, self._numbers(pictures), labels)

    def invert(self, pictures: Any, labels: Any = None, **effort: Any) -> np.ndarray:
        """Return the z whose pictures G(z) are nearest to given ones: float32 (N, z_dim). See dcgan.inversion.search.

        pictures (N, H, W, C) as for `discriminator`; labels (N,) for networks that are told them. effort: options of
        `python -m dcgan.invert`, such as steps=500.
        """
        targets = self._numbers(pictures)
        return search(self.networks(), Effort.of(effort), targets, self._labels(labels, len(targets))).z

    def networks(self) -> Networks:
        """Return G, D or None, and the config."""
        return Networks(self.G, self._opened.D, self.config)

    def _by_batches(
        self, net: Sequential, function: Callable[[Array], Array], x: np.ndarray, labels: Any
    ) -> np.ndarray:
        """Return function(x) on the host, batch by batch, while net is told the labels. UserError: not one for each."""
        given, results = self._labels(labels, len(x)), []
        for start in range(0, len(x), sampling.BATCH):
            cut = slice(start, start + sampling.BATCH)
            with net.given(None if given is None else self._on_device(given[cut])):
                results.append(backend.to_numpy(function(self._on_device(x[cut]))))
        return np.concatenate(results)

    def _labels(self, labels: Any, count: int) -> np.ndarray | None:
        """Return labels as numbers (count,), int32, or None for networks without. UserError: not one for each."""
        classes = self.config.classes
        if (labels is None) != (classes is None):
            raise UserError(f"labels: got {labels}, expected {'one for each' if classes else 'none'}: {self!r}")
        if labels is None:
            return None
        given = np.asarray(labels)
        whole = given.dtype.kind in "iu" and given.shape == (count,)
        if not whole or not ((given >= 0) & (given < classes)).all():
            raise UserError(f"labels: got {labels}, expected {count} whole numbers from 0 to {(classes or 1) - 1}")
        return given.astype("int32")

    def _numbers(self, pictures: Any) -> np.ndarray:
        """Return pictures as D reads them. UserError: they are of another shape."""
        given, shape = np.asarray(pictures), self._picture_shape()
        if given.ndim != 4 or given.shape[1:] != shape or not len(given):
            raise UserError(f"pictures: got shape {given.shape}, expected (N, {', '.join(map(str, shape))})")
        if given.dtype == np.uint8:
            return backend.images_to_real(given, low=sampling.lowest(self.G))
        return _finite("pictures", given)

    def _on_device(self, array: np.ndarray) -> Array:
        return backend.to_device(array, backend.device_of(self.G.parameters()[0].data))

    def _picture_shape(self) -> tuple[int, ...]:
        return (*self.config.image_size, self.config.channels or 3)

    def _number(self, label: str | int | None) -> int | None:
        return generate_options.as_label(None if label is None else str(label), self.config, self._opened.classes)

    def __repr__(self) -> str:
        return f"Run({self.name}, step {self.step}, {self.config.preset})"


def load(path: str | os.PathLike, weights: str | None = None, **options: Any) -> Run:
    """Return the run of a folder, at its newest checkpoint, of a checkpoint file, or of a file that dcgan.export wrote.

    netG.pth of pytorch/examples is such a file, too; netD.pth is read with it where it lies beside it.

    weights: ema, the moving average of G's weights, raw, or None: ema where there is one. options: those of the machine
    and of sampling, such as device="cpu". Raises UserError where there is none or it does not fit.
    """
    if weights is not None:
        named("weights", choice(*trained.NETWORKS), weights)
    return Run(trained.load(os.fspath(path), options, weights, with_D=True))


def train(callback: Callback | None = None, progress: bool = False, **options: Any) -> Run:
    """Train as `python -m dcgan.train` does and return the run; options by their names, such as image_size=32.

    callback: called with the numbers of each step ({"step": 1, "loss_d": ...}), about once a second for all steps
    since. What it raises ends the training. Ctrl-C saves, and the run as it is then is returned.
    Within dcgan.launch.on_all_ranks, under mpirun, all ranks train together and return the same run; rank 0 calls back.
    Raises UserError for a bad option or bad data, Diverged where a loss is no longer finite,
    Collapsed where on_collapse="stop" ends a training.
    """
    if callback is not None and not callable(callback):
        raise UserError(f"callback: got {callback!r}, expected a function of the numbers of a step")
    trainer, run = session.new_run(presets.config_of(options), progress)
    if callback:
        trainer.watches.append(lambda records: _call(callback, records))
    session.train(trainer, run, progress)
    return load(together.spread(run and str(run.path)), device=trainer.device)


def _finite(name: str, given: Any) -> np.ndarray:
    """Return numbers as float32, C-contiguous. UserError: they are no numbers, or NaN or infinite."""
    try:
        with np.errstate(over="ignore"):
            numbers = np.ascontiguousarray(given, "float32")
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: expected an array of numbers ({error})") from error
    if not np.isfinite(numbers).all():
        raise UserError(f"{name}: got NaN or an infinite number")
    return numbers


def _call(callback: Callback, records: Sequence[Mapping[str, Any]]) -> None:
    for record in records:
        if "loss_d" in record or "loss_g" in record:  # not the record of the speed
            callback(record)
