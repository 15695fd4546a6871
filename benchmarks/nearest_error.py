"""Measure what a nearest-neighbour classifier learns from generated pictures.

    python -m benchmarks.nearest_error runs/0001-carpedm20-mnist --test t10k-images-idx3-ubyte.gz

The classifier gives a picture the label of the nearest picture that it knows, by the distance of their pixels. First it
knows pictures that G drew, each with the class that G was told; then as many real ones, the data of the run. Pictures
that show their class and are as varied as real ones give an error as low as that of real ones. The order of the pixels
plays no part (permutation-invariant MNIST), so the classifier has no advantage from a network's idea of pictures.

Radford et al. (2016), table 3.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from tqdm import tqdm

from dcgan import cli, generate, quick, sampling, trained
from dcgan.data import Source, open_source
from dcgan.errors import UserError
from dcgan.experiments.nearest import Nearest
from dcgan.trained import Trained

Labelled = Iterable[tuple[np.ndarray, np.ndarray]]  # pictures (n, H, W, C), their labels (n,)


def error(known: Labelled, test: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of test pictures (N, H, W, C) whose nearest known picture has another label."""
    found, of_known, count = Nearest(test.reshape(len(test), -1), 1), [], 0
    for pictures, their_labels in known:
        found.see(np.arange(count, count + len(pictures)), pictures.reshape(len(pictures), -1))
        of_known.append(their_labels)
        count += len(pictures)
    return float(np.mean(np.concatenate(of_known)[found.indices[:, 0]] != labels))


def drawn(by: Trained, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield count pictures of G, of all classes in turn, and their labels."""
    done = 0
    for pictures in generate.pictures(by.G, by.config, count, seed):
        labels = sampling.balanced_labels(len(pictures), by.config, done)
        assert labels is not None
        yield pictures, labels
        done += len(pictures)


def real(source: Source, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield count pictures of a source, drawn without repetition, and their labels."""
    order = np.random.default_rng(0).permutation(len(source))[:count]
    for start in range(0, len(order), sampling.BATCH):
        cut = np.sort(order[start : start + sampling.BATCH])
        yield source.batch(cut), np.asarray(source.labels)[cut]


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = cli.Parser(prog="python -m benchmarks.nearest_error", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", help="run folder or checkpoint of networks that are told labels")
    parser.add_argument("--test", metavar="PATH", required=True, help="labelled pictures that nothing learnt from")
    parser.add_argument("--count", type=int, default=10_000, help="pictures that the classifier knows (10000)")
    parser.add_argument("--most", type=int, default=2000, help="test pictures at most (2000)")
    given = parser.parse_args(arguments)
    quick.cap(given, count=20, most=20)
    if min(given.count, given.most) < 1:
        raise UserError(f"got --count {given.count} and --most {given.most}, expected 1 or more")
    by = trained.load(given.run, {"device": "cpu"})
    if by.config.classes is None:
        raise UserError(f"{given.run}: {by.config.preset} is told no labels, expected a conditional preset")
    by.G.eval()
    held, source = _opened(by, given.test, given.most), _opened(by, by.config.data, None)
    test, labels, count = held.batch(np.arange(len(held))), np.asarray(held.labels), min(given.count, len(source))
    for what, known in (("pictures of G", drawn(by, given.count, seed=1)), ("real pictures", real(source, count))):
        wrong = error(tqdm(known, unit="batch", disable=None), test, labels)
        print(
            f"{given.count if what != 'real pictures' else count:,} {what}: {100 * wrong:.2f} % wrong of {len(test):,}"
        )
    return 0


def _opened(by: Trained, path: str | None, most: int | None) -> Source:
    """Return the labelled pictures of a path, of the run's size. UserError: they have no labels."""
    config = by.config
    source = open_source(path, config.image_size, config.crop, config.channels, config.seed, train_size=most)
    if source.labels is None:
        raise UserError(f"{path}: got pictures without labels, expected a labelled data set")
    return source


if __name__ == "__main__":
    sys.exit(main())
