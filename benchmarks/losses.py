"""Check that losses go the same way with every algorithm of the convolutions.

    python -m benchmarks.losses

The command trains on the built-in faces from several seeds, with the direct convolutions and with each Winograd form.
It averages the losses over windows of steps and over the seeds, and compares each form with direct: the means may
differ by at most four standard errors of their difference, which the spread of the seeds gives. Losses of single steps
cannot be compared: where a number lies next to a ReLU's kink, rounding decides its sign, and from there two trainings
drift apart as if they had different seeds.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np

from dcgan import quick, session
from dcgan.presets import config_of
from dcgan.run import log

ALGORITHMS = "direct", "winograd2", "winograd4", "auto"
LOSSES = "loss_d", "loss_g"
ERRORS = 4  # standard errors; with four seeds and 24 comparisons, one run of about seven exceeds this by chance
Curves = Mapping[str, np.ndarray]  # algorithm -> (seeds, steps, losses)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and print the table; return 1 where an algorithm differs from direct by more than the seeds explain."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.losses", description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=200, help="steps of each training (200)")
    parser.add_argument("--window", type=int, default=50, help="steps over which a loss is averaged (50)")
    parser.add_argument("--seeds", type=int, default=4, help="trainings of each algorithm (4)")
    parser.add_argument("--width", type=int, default=16, help="filters of the networks' first layer (16)")
    parser.add_argument("--batch-size", type=int, default=32, help="pictures per step (32)")
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error(f"--seeds: got {options.seeds}, expected at least 2: one training has no spread to compare with")
    quick.cap(options, steps=2, width=4, batch_size=4, seeds=2)
    curves = {name: np.stack([losses(options, name, seed) for seed in range(options.seeds)]) for name in ALGORITHMS}
    lines, strays = compare(curves, options.window)
    print(f"dcgan64, width {options.width}, batch {options.batch_size}, {options.seeds} seeds, built-in faces")
    print("\n".join(lines))
    print(f"further than seeds explain: {', '.join(strays)}" if strays else "no difference that seeds do not explain")
    return 1 if strays else 0


def losses(options: argparse.Namespace, algorithm: str, seed: int) -> np.ndarray:
    """Return the losses (steps, 2) of one training, whose run folder is deleted."""
    chosen = {"width": options.width, "batch_size": options.batch_size, "steps": options.steps, "seed": seed}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        config = config_of({**chosen, "conv": algorithm, "device": "cpu", "out": folder})
        trainer, run = session.new_run(config, progress=False)
        if status := session.train(trainer, run, progress=False):
            raise SystemExit(status)
        return np.array([[record[name] for name in LOSSES] for record in log.read(run.log)])


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


def strayed(seeds: np.ndarray, direct: np.ndarray) -> bool:
    """Return whether the means over seeds differ by more than ERRORS standard errors of their difference."""
    error = np.sqrt((seeds.var(ddof=1) + direct.var(ddof=1)) / len(seeds))
    return bool(abs(seeds.mean() - direct.mean()) > ERRORS * error)


if __name__ == "__main__":
    sys.exit(main())
