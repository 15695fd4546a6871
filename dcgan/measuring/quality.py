"""All numbers of a generator: its pictures against real ones, by any features, over several seeds."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dcgan import generate, together, trained
from dcgan.config import Config
from dcgan.data import Source, open_source
from dcgan.errors import UserError
from dcgan.measuring import results, split
from dcgan.measuring.features import Features, Labelled, classifier, discriminator, onnx_file
from dcgan.measuring.frechet import Moments, frechet_distance, moments
from dcgan.measuring.kernel_distance import kernel_distance
from dcgan.measuring.neighbours import NEAREST_OF_COVERAGE, neighbours
from dcgan.options import Size, size_text
from dcgan.sampling import BATCH, balanced_labels
from dcgan.sampling_ranks import put_together, share
from dcgan.trained import Trained
from gpunet import backend, distributed
from gpunet.layers import Sequential

LEAST = NEAREST_OF_COVERAGE + 1  # pictures: each needs so many neighbours
COUNT = 10_000
Say = Callable[[str], None]


class Reference:
    """The features of real pictures, with what every comparison with them needs."""

    def __init__(self, features: np.ndarray) -> None:
        self.features, self.moments = features, moments(features)

    def numbers(self, made: np.ndarray, seed: int = 0) -> dict[str, float]:
        """Return every number for the features of made pictures (M, F); seed: of the kernel distance's blocks."""
        of_made: Moments = moments(made)
        distance = kernel_distance(self.features, made, np.random.default_rng(seed))
        near = neighbours(self.features, made)._asdict()
        return {"frechet": frechet_distance(self.moments, of_made), "kid": distance.value, **near}


def measure(
    path: str,
    data: str | None = None,
    count: int = COUNT,
    features: str = "discriminator",
    seeds: int = 1,
    half: str = "all",
    weights: str | None = None,
    given: Mapping[str, Any] | None = None,
    feature_size: Size | None = None,
    feature_range: str = "unit",
    say: Say = print,
) -> dict[str, Any]:
    """Return what a run's generator is worth, as results.append takes it: numbers, and all that they depend on.

    path: a run folder or a checkpoint. data: real pictures, without it those that the run learnt from; half: a word of
    split.SPLITS. count: pictures of either side, fewer where the data has fewer. features: discriminator, classifier or
    the path of an .onnx file, which reads pictures of feature_size in feature_range (onnx_file.RANGES). seeds: how
    often pictures are drawn, each time from other z. given: options of the run to replace. Raises UserError.

    Ranks (gpunet.distributed) share the pictures of both sides; all call it, and the numbers are in rank 0's result.
    """
    by = together.everywhere(trained.load, path, given or {}, weights, features == "discriminator")
    source, taken = together.everywhere(_real, by.config, data, half, count)
    say(f"real pictures: {source.description}")
    found = together.by_turns(chosen, features, by, source, (feature_size, feature_range), say)
    mine, own = (share(number, distributed.ranks()) for number in (len(taken), count))
    real = _features(found, real_batches(source, taken[mine.start : mine.stop], by.config), len(taken))
    reference, each = Reference(real), []
    for seed in range(seeds):
        say(f"drawing {count:,} pictures" + (f", draw {seed + 1} of {seeds}" if seeds > 1 else ""))
        made = _features(found, made_batches(by.G, by.config, own.stop, seed, own.start), count)
        each.append(together.on_first(reference.numbers, made, seed))
    source.close()
    others = split.seen(by.config, data, half), results.wide(seeds)
    return {
        "run": by.run, "step": by.step, "weights": by.weights, "count": count, "seeds": list(range(seeds)),
        **_of_data(by, source, data, half, len(taken)),
        **_of_features(found, reference, min(count, len(taken)), others),
        "result": {name: results.interval([one[name] for one in each], name) for name in each[0] or ()},
    }  # fmt: skip


def _real(config: Config, data: str | None, half: str, count: int) -> tuple[Source, np.ndarray]:
    """Return the opened real pictures, and the indices of those to take, spread over all. Raises UserError."""
    source = _opened(config, data, half)
    taken = np.linspace(0, len(source) - 1, min(count, len(source))).astype(int)
    require_enough(len(taken), source.description)
    return source, taken


def _features(found: Features, batches: Iterator[Labelled], count: int) -> np.ndarray:
    """Return the features (count, F) of all ranks' pictures; batches: those of this rank, perhaps none."""

    def own() -> np.ndarray | None:
        first = next(batches, None)
        return None if first is None else found.of(itertools.chain([first], batches))

    return put_together(together.everywhere(own), count, distributed.ranks())


def chosen(name: str, by: Trained, source: Source, reads: tuple, say: Say) -> Features:
    """Return the features of a name: discriminator, classifier or an .onnx file; reads: its size and range."""
    if by.D and name == "discriminator":
        return discriminator.features_of(by.D, by.G)
    return lasting(name, source, backend.device_of(by.G.parameters()[0].data), say, *reads)


def lasting(
    name: str, source: Source, device: str, say: Say, size: Size | None = None, numbers: str = "unit"
) -> Features:
    """Return the features of a name that stay the same from step to step and from run to run."""
    if name == "classifier":
        return classifier.features_of(source, device, say)
    return onnx_file.features_of(name, size, numbers)


def require_enough(count: int, what: str) -> None:
    """Raise UserError where so few pictures have no numbers."""
    if count < LEAST:
        raise UserError(f"{what}: got {count} pictures to measure with, expected at least {LEAST}")


def few(count: int, width: int) -> str:
    """Return a warning where so few pictures make the Frechet distance of so many features large, else ""."""
    if count > width:
        return ""
    return f"{count:,} pictures cannot fill {width:,} features: the Frechet distance is too large; compare equal counts"


def real_batches(source: Source, indices: np.ndarray, config: Config) -> Iterator[Labelled]:
    """Yield the pictures of these indices and, for networks that are told classes, their labels."""
    for start in range(0, len(indices), BATCH):
        cut = indices[start : start + BATCH]
        images = source.batch(cut)
        yield images, np.asarray(source.labels)[cut].astype("int32") if config.classes else None


def made_batches(G: Sequential, config: Config, count: int, seed: int, first: int = 0) -> Iterator[Labelled]:
    """Yield count pictures of G from z of a seed, and their labels, the classes in turn; the first are left out."""
    done = first
    for images in generate.pictures(G, config, count, seed, first=first):
        yield images, balanced_labels(len(images), config, done)
        done += len(images)


def _opened(config: Config, data: str | None, half: str) -> Source:
    """Open the real pictures, cropped and sized as the run's. Raises UserError."""
    if data is not None:  # the run's choice among its own files is none among others
        config = replace(config, data=data, pattern=None, train_size=None, labels="auto")
    if config.data is None and half != "all":
        raise UserError(f"--split {half}: the built-in faces have no halves, expected all")
    path = split.half(config.data, half) if config.data else None
    c = config
    source = open_source(
        path, c.image_size, c.crop, c.channels, c.seed, pattern=c.pattern, labels=c.labels, train_size=c.train_size,
        crop_larger=c.crop_larger,
    )  # fmt: skip
    there = 0 if source.labels is None else int(np.max(source.labels)) + 1
    if config.classes and not 0 < there <= config.classes:
        raise UserError(f"{path}: got pictures of {there} classes, expected 1 to {config.classes}, as the run was told")
    return source


def _of_data(by: Trained, source: Source, data: str | None, half: str, taken: int) -> dict[str, Any]:
    """Return what a result says of the real pictures."""
    path = data or by.config.data
    return {
        "data": path and os.path.abspath(path),
        "data_is": source.description,
        "fingerprint": source.fingerprint,
        "split": half,
        "files": split.halves(path) if path and half == "all" else [],
        "real_count": taken,
        "image_size": size_text(by.config.image_size),
        "crop": size_text(crop) if (crop := by.config.crop or by.config.crop_larger) else None,
        "resize": "bicubic, antialiased",
        "pictures": "bytes of both sides in memory, no file format between",
    }


def _of_features(found: Features, reference: Reference, count: int, others: Sequence[str]) -> dict[str, Any]:
    """Return what a result says of the features, and all that there is to warn of; others: warnings, "" for none."""
    width = reference.features.shape[1]
    warnings = [text for text in (found.warning, few(count, width), *others) if text]
    return {"features": {**found.origin, "numbers": width}, "warnings": warnings}
