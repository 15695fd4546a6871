"""Check that training goes the same way with every algorithm of convolutions.

    python -m benchmarks.losses
    python -m benchmarks.losses --data train-images-idx3-ubyte --algorithms auto --seeds 5 --steps 1500 --width 64 \\
        --batch-size 64

The command trains on the built-in faces from several seeds, with the direct convolutions and with each Winograd form.
It averages the losses over windows of steps and over the seeds, and compares each form with direct: the means may
differ by at most four standard errors of their difference, which the spread of the seeds gives. Losses of single steps
cannot be compared: where a number lies next to a ReLU's kink, rounding decides its sign, and from there two trainings
drift apart as if they had different seeds.

With --data, labelled pictures, the networks are those of carpedm20-mnist. After the last step the command also draws
pictures by the average of G's weights and takes their Frechet distance to the data, in the features of a classifier of
these labels (docs/measure.md). It is compared over the seeds in the same way.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dcgan import cli, quick, session
from dcgan.config import Config
from dcgan.measuring import quality
from dcgan.measuring.features import classifier
from dcgan.presets import config_of
from dcgan.run import log
from dcgan.trainer import Trainer

ALGORITHMS = "direct", "winograd2", "winograd4", "auto"
LOSSES = "loss_d", "loss_g"
ERRORS = 4  # standard errors; with four seeds and 24 comparisons, one run of about seven exceeds this by chance
Curves = Mapping[str, np.ndarray]  # algorithm -> (seeds, steps, losses)


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Train and print the table; return 1 where an algorithm differs from direct by more than the seeds explain."""
    options = parsed(arguments)
    judge = Judge(options) if options.data else None
    curves, distances = dict[str, np.ndarray](), dict[str, np.ndarray]()
    for name in ("direct", *options.algorithms):
        found = [trained(options, name, seed, judge) for seed in range(options.seeds)]
        curves[name] = np.stack([curve for curve, _ in found])
        distances[name] = np.array([distance for _, distance in found])
    lines, strays = compare(curves, options.window)
    if judge:
        more, away = compare_distances(distances)
        lines, strays = [*lines, more], [*strays, *away]
    what = f"carpedm20-mnist on {options.data}" if options.data else "dcgan64 on built-in faces"
    return report(f"{what}, width {options.width}, batch {options.batch_size}, {options.seeds} seeds", lines, strays)


def report(what: str, lines: Sequence[str], strays: Sequence[str]) -> int:
    """Print what was trained, the table and which differences are too large; return the exit status."""
    print(what, *lines, sep="\n")
    print(f"further than seeds explain: {', '.join(strays)}" if strays else "no difference that seeds do not explain")
    return 1 if strays else 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = cli.Parser(prog="python -m benchmarks.losses", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--steps", type=int, default=200, help="steps of each training (200)")
    add("--window", type=int, default=50, help="steps over which a loss is averaged (50)")
    add("--seeds", type=int, default=4, help="trainings of each algorithm (4)")
    add("--width", type=int, default=16, help="filters of the networks' first layer (16)")
    add("--batch-size", type=int, default=32, help="pictures per step (32)")
    others = ALGORITHMS[1:]
    add("--algorithms", nargs="+", metavar="NAME", choices=others, default=others, help="those beside direct (all)")
    add("--data", metavar="PATH", help="labelled pictures of 28x28, for Frechet distances")
    add("--count", type=int, default=10_000, help="pictures of a Frechet distance (10000)")
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error(f"--seeds: got {options.seeds}, expected at least 2: one training has no spread to compare with")
    quick.cap(options, steps=2, width=4, batch_size=4, seeds=2, count=16)
    return options


def config_for(options: argparse.Namespace, algorithm: str, seed: int, folder: str) -> Config:
    """Return the options of one training."""
    chosen = {"width": options.width, "batch_size": options.batch_size, "steps": options.steps, "seed": seed}
    chosen |= {"data": options.data, "preset": "carpedm20-mnist"} if options.data else {}
    return config_of({**chosen, "conv": algorithm, "device": "cpu", "out": folder})


class Judge:
    """Takes Frechet distances to labelled pictures, in the features of their classifier."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.count = options.count
        config = config_for(options, "direct", 0, "runs")
        source = session.open_data(config, progress=False)
        settled = replace(config, classes=session.count_classes(config, source))
        taken = np.linspace(0, len(source) - 1, min(self.count, len(source))).astype(int)
        self.features = classifier.features_of(source, "cpu")
        self.reference = quality.Reference(self.features.of(quality.real_batches(source, taken, settled)))

    def __call__(self, trainer: Trainer) -> float:
        """Return the distance of pictures by the average of a trainer's G."""
        with trainer.gan.averaged():
            made = self.features.of(quality.made_batches(trainer.gan.G, trainer.config, self.count, seed=0))
        return self.reference.numbers(made)["frechet"]


def trained(options: argparse.Namespace, algorithm: str, seed: int, judge: Judge | None) -> tuple[np.ndarray, float]:
    """Return the losses (steps, 2) of one training and, from a judge, its distance; the run folder is deleted."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        trainer, run = session.new_run(config_for(options, algorithm, seed, folder), progress=False)
        if status := session.train(trainer, run, progress=False):
            raise SystemExit(status)
        curve = np.array([[record[name] for name in LOSSES] for record in log.read(run.log)])
        distance = judge(trainer) if judge else 0.0
    if judge:
        print(f"{algorithm}, seed {seed}: Frechet distance {distance:.2f}", flush=True)
    return curve, distance


def compare(curves: Curves, window: int) -> tuple[list[str], list[str]]:
    """Return a table of means and standard deviations over the seeds, line by line, and names of what strays in it."""
    lines, strays = [f"{'steps':>9}  {'loss':6}" + "".join(f"{name:>16}" for name in curves)], []
    for start in range(0, curves["direct"].shape[1], window):
        for k, name in enumerate(LOSSES):
            means = {of: values[:, start : start + window, k].mean(axis=1) for of, values in curves.items()}
            away = [of for of, seeds in means.items() if strayed(seeds, means["direct"])]
            strays += [f"{of}, {name}, from step {start + 1}" for of in away]
            row = "".join(f"{seeds.mean():>9.3f} +-{seeds.std(ddof=1):5.3f}" for seeds in means.values())
            lines.append(f"{start + 1:>4}-{start + window:<4}  {name}{row}")
    return lines, strays


def compare_distances(distances: Mapping[str, np.ndarray]) -> tuple[str, list[str]]:
    """Return the line of the Frechet distances, {algorithm: (seeds,)}, and the names of what strays in it."""
    row = "".join(f"{seeds.mean():>9.2f} +-{seeds.std(ddof=1):5.2f}" for seeds in distances.values())
    away = [name for name, seeds in distances.items() if strayed(seeds, distances["direct"])]
    return f"{'Frechet distance':17}{row}", [f"{name}, Frechet distance" for name in away]


def strayed(seeds: np.ndarray, direct: np.ndarray) -> bool:
    """Return whether the means over seeds differ by more than ERRORS standard errors of their difference."""
    error = np.sqrt((seeds.var(ddof=1) + direct.var(ddof=1)) / len(seeds))
    return bool(abs(seeds.mean() - direct.mean()) > ERRORS * error)


if __name__ == "__main__":
    sys.exit(main())
