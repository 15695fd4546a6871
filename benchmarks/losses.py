"""Does training go the same way whichever algorithm the convolutions take? python -m benchmarks.losses

Trains the built-in faces from several seeds with the direct convolutions and with each Winograd form, and compares the
losses, averaged over windows of steps and over the seeds: an algorithm may be four standard errors of the difference
away from direct, as the seeds of both spread. Single steps cannot agree: rounding decides the sign of numbers next to
a ReLU's kink, and two roundings drift apart as two seeds do.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np

from dcgan import session
from dcgan.presets import config_of
from dcgan.run import log

ALGORITHMS = "direct", "winograd2", "winograd4", "auto"
LOSSES = "loss_d", "loss_g"
ERRORS = 4  # standard errors; with four seeds and 24 comparisons, chance alone strays in about one run of seven
Curves = Mapping[str, np.ndarray]  # algorithm -> (seeds, steps, losses)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print the table, return 1 where an algorithm strays further than seeds explain."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.losses", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--window", type=int, default=50, help="steps that are averaged (50)")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args(arguments)
    curves = {name: np.stack([losses(options, name, seed) for seed in range(options.seeds)]) for name in ALGORITHMS}
    lines, strays = compare(curves, options.window)
    print(f"dcgan64, width {options.width}, batch {options.batch_size}, {options.seeds} seeds, built-in faces")
    print("\n".join(lines))
    print(f"further than seeds explain: {', '.join(strays)}" if strays else "no difference that seeds do not explain")
    return 1 if strays else 0


def losses(options: argparse.Namespace, algorithm: str, seed: int) -> np.ndarray:
    """Return the losses (steps, 2) of one training in a folder that is then thrown away."""
    chosen = {"width": options.width, "batch_size": options.batch_size, "steps": options.steps, "seed": seed}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        config = config_of({**chosen, "conv": algorithm, "device": "cpu", "out": folder})
        trainer, run = session.new_run(config, progress=False)
        if status := session.train(trainer, run, progress=False):
            raise SystemExit(status)
        return np.array([[record[name] for name in LOSSES] for record in log.read(run.log)])


def compare(curves: Curves, window: int) -> tuple[list[str], list[str]]:
    """Return the lines of a table, mean and standard deviation over the seeds, and what in it strays from direct."""
    lines, strays = [f"{'steps':>9}  {'loss':6}" + "".join(f"{name:>16}" for name in curves)], []
    for start in range(0, curves["direct"].shape[1], window):
        for k, name in enumerate(LOSSES):
            means = {of: values[:, start : start + window, k].mean(axis=1) for of, values in curves.items()}
            away = [of for of, seeds in means.items() if strayed(seeds, means["direct"])]
            strays += [f"{of}, {name}, from step {start + 1}" for of in away]
            row = "".join(f"{seeds.mean():>9.3f} +-{seeds.std(ddof=1):5.3f}" for seeds in means.values())
            lines.append(f"{start + 1:>4}-{start + window:<4}  {name}{row}")
    return lines, strays


def strayed(seeds: np.ndarray, direct: np.ndarray) -> bool:
    """Return whether the means over seeds differ by more than ERRORS standard errors of their difference."""
    error = np.sqrt((seeds.var(ddof=1) + direct.var(ddof=1)) / len(seeds))
    return bool(abs(seeds.mean() - direct.mean()) > ERRORS * error)


if __name__ == "__main__":
    sys.exit(main())
