"""Show the real pictures nearest to samples: python -m dcgan.neighbours RUN"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
from tqdm import tqdm

from dcgan import api, cli, generate, options, sampling
from dcgan.data import Source
from dcgan.doctoring.data import COPIED, NEAR, SIDE, thumbnails
from dcgan.errors import UserError
from dcgan.experiments import command, real
from dcgan.experiments.command import Sheet
from dcgan.experiments.nearest import Nearest
from dcgan.trained import Trained

EXAMPLES = """\
examples:
  python -m dcgan.neighbours RUN --out near.png
                               the run's own data: has G learnt it by heart?
  python -m dcgan.neighbours RUN --data photos/ --by features --out near.png
  python -m dcgan.neighbours RUN --count 8 --k 3 --seed 5 --out near.png

A row shows a sample, then the real pictures nearest to it, each over its
distance. The command also says how far real pictures are from each other: a
network that draws its data again draws samples that are much nearer.
"""
JUDGED = sampling.BATCH  # samples, and real pictures, whose distances are compared
WAYS = ("pixels", "features")

Measured = Callable[[np.ndarray, np.ndarray | None], np.ndarray]  # pictures, labels -> rows (N, F) that are compared


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    sheet, seed = Sheet(given, "neighbours"), command.number(given, "seed", options.integer(0), 0)
    count = command.number(given, "count", options.integer(1, JUDGED), 10)
    k = command.number(given, "k", options.integer(1, 100), 5)
    way = command.number(given, "by", options.choice(*WAYS), WAYS[0])
    by = command.opened(given, with_D=way == "features")
    samples = next(generate.pictures(by.G, by.config, JUDGED, seed))
    with real.opened(real.config_of(given, by, given.data)) as source:
        if len(source) < 2:
            raise UserError(f"--data: got {len(source)} picture, expected 2 or more, of which each has a neighbour")
        found, apart = nearest(by, samples, source, min(k, len(source)), measured(by, way))
        cells = [
            [(samples[i], f"sample {i + 1}"), *zip(source.batch(found.indices[i]), texts_of(found, i), strict=True)]
            for i in range(count)
        ]
        sheet.write(cells, command.texts(by, seed=seed, by=way))
    cli.say(verdict(found.distances[:, 0], apart, way))
    cli.say(f"{count:,} samples of seed {seed}, each with its {min(k, len(source))} nearest: {sheet.path}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = command.parser("neighbours", __doc__, EXAMPLES)
    real.add_data_options(parser)
    cells = f"pixels, averaged to {SIDE}x{SIDE} cells, or features of D"
    parser.add_argument("--by", metavar="NAME", help=f"what distances are taken between: {cells} (pixels)")
    parser.add_argument("--count", metavar="N", help=f"samples to show, at most {JUDGED} (10)")
    parser.add_argument("--k", metavar="N", help="real pictures beside each (5)")
    parser.add_argument("--seed", metavar="N", help="seed of the samples (0)")
    command.add_picture_options(parser)
    return parser


def measured(by: Trained, way: str) -> Measured:
    """Return the function that turns pictures into rows (N, F) whose distances are compared."""
    if way == "pixels":
        return lambda pictures, labels: thumbnails(pictures).reshape(len(pictures), -1)
    run = api.Run(by)
    return lambda pictures, labels: run.features(pictures, real.labels_for(by, labels))


def nearest(by: Trained, samples: np.ndarray, source: Source, k: int, rows_of: Measured) -> tuple[Nearest, np.ndarray]:
    """Return the k nearest real pictures of samples, and for JUDGED real ones the distance to the nearest other."""
    some = np.unique(np.linspace(0, len(source) - 1, min(JUDGED, len(source))).astype(int))
    labels = None if source.labels is None else np.asarray(source.labels)[some]
    made = rows_of(samples, sampling.balanced_labels(len(samples), by.config))
    of_samples, of_real = Nearest(made, k), Nearest(rows_of(source.batch(some), labels), 1, some)
    for indices, pictures, labels in tqdm(real.batches(source), unit="batch", disable=None):
        rows = rows_of(pictures, labels)
        of_samples.see(indices, rows)
        of_real.see(indices, rows)
    return of_samples, of_real.distances[:, 0]


def texts_of(found: Nearest, i: int) -> list[str]:
    """Return what stands below the neighbours of sample i: their distances."""
    return [f"{distance:.3g}" for distance in found.distances[i]]


def verdict(of_samples: np.ndarray, of_real: np.ndarray, way: str) -> str:
    """Return in words whether G draws pictures of the data again; both (N,): distances to the nearest real picture."""
    usual, ours = float(np.median(of_real)), float(np.median(of_samples))
    near = int((of_samples < NEAR * usual).sum())
    unit = "grey levels" if way == "pixels" else "in D's features"
    lines = [
        f"from a sample to the nearest real picture: {ours:.3g} {unit} (median of {len(of_samples):,})",
        f"from a real picture to the nearest other one: {usual:.3g} (median of {len(of_real):,})",
        f"samples nearer than {NEAR:g} of that: {near:,} of {len(of_samples):,}",
    ]
    if near >= COPIED * len(of_samples):
        lines.append("G has learnt pictures by heart: it draws them again")
    elif near:
        lines.append("a few samples may be copies: look at them; most are new pictures")
    else:
        lines.append("no sample is a copy of a picture that was looked at")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
