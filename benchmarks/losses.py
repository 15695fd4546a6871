"""Does training go the same way whichever algorithm the convolutions take? python -m benchmarks.losses

Trains the built-in faces from several seeds with the direct convolutions and with each Winograd form, and compares the
losses, averaged over windows of steps: that of Winograd, averaged over the seeds, may differ from that of direct by no
more than the seeds of direct differ among themselves. Single steps cannot agree: rounding decides the sign of numbers
next to a ReLU's kink, and two roundings drift apart as two seeds do.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np

from dcgan import log, session
from dcgan.config import Config

ALGORITHMS = "direct", "winograd2", "winograd4", "auto"
LOSSES = "loss_d", "loss_g"
Curves = Mapping[str, np.ndarray]  # algorithm -> (seeds, steps, losses)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print the table, return 1 where an algorithm leaves the seeds' spread."""
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
    print(f"outside the spread: {', '.join(strays)}" if strays else "every algorithm stays within the spread of seeds")
    return 1 if strays else 0


def losses(options: argparse.Namespace, algorithm: str, seed: int) -> np.ndarray:
    """Return the losses (steps, 2) of one training in a folder that is then thrown away."""
    chosen = {"width": options.width, "batch_size": options.batch_size, "steps": options.steps, "seed": seed}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        config = Config.from_options({**chosen, "conv": algorithm, "device": "cpu", "out": folder})
        trainer, run = session.begin(config, progress=False)
        if status := session.train(trainer, run, progress=False):
            raise SystemExit(status)
        return np.array([[record[name] for name in LOSSES] for record in log.read(run.log)])


def compare(curves: Curves, window: int) -> tuple[list[str], list[str]]:
    """Return the lines of a table, and what in it lies further from direct than the seeds of direct spread."""
    lines, strays = [f"{'steps':>9}  {'loss':6}  {'spread of seeds':>15}  " + "".join(f"{n:>11}" for n in curves)], []
    for start in range(0, curves["direct"].shape[1], window):
        for k, name in enumerate(LOSSES):
            means = {of: values[:, start : start + window, k].mean(axis=1) for of, values in curves.items()}
            direct = means["direct"]
            away = [a for a, values in means.items() if abs(values.mean() - direct.mean()) > np.ptp(direct)]
            strays += [f"{algorithm}, {name}, from step {start + 1}" for algorithm in away]
            row = f"{start + 1:>4}-{start + window:<4}  {name}  {direct.min():7.3f}-{direct.max():7.3f}  "
            lines.append(row + "".join(f"{values.mean():>11.3f}" for values in means.values()))
    return lines, strays


if __name__ == "__main__":
    sys.exit(main())
