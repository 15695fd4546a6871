"""Time what options of a training cost per step, against a step without them.

    python -m benchmarks.options                                      every row of the table below
    python -m benchmarks.options --only r1 wgan-gp                    the rows whose options hold one of these words
    python -m benchmarks.options --processor                          by the time of the processor, where others use it
    python -m benchmarks.options --processor --write docs/training.md  the table of that page

Every side is a training of its own on the built-in faces, dcgan64 at width 24 with batches of 32 on the CPU. The sides
take turns in one process. A turn is sixteen steps, so that an option that works at every sixteenth step is in it once.
Before a side is timed, its first step is checked: kernels and reference must give the same losses.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import text_table
from benchmarks.measure.timing import Timed, alternate
from dcgan import cli, quick
from dcgan.config import Config
from dcgan.data import open_source
from dcgan.presets import config_of
from dcgan.trainer import Trainer
from gpunet import backend

STEPS = 16  # of a turn
ALIKE = 1e-3  # the first losses of kernels and reference, relative: sums in another order, in float32
DEFAULT = "(the default)"
ROWS = (
    "--loss hinge",
    "--loss ls",
    "--loss wgan",
    "--norm-d layer",
    "--norm-d instance",
    "--norm-d none",
    "--norm-d none --r1 1 --r1-every 1",
    "--norm-d none --r1 1",
    "--norm-d layer --r1 1 --r1-every 1",
    "--norm-d layer --r1 1",
    "--norm-d none --loss wgan-gp",
    "--norm-d layer --loss wgan-gp",
    "--norm-d instance --loss wgan-gp",
    "--spectral-norm",
    "--upsample nearest",
    "--head pool",
    "--augment color,translation,cutout",
    "--instance-noise 0.1",
    "--clip-grad 1",
)


class Side:
    """A training with some options, its next batches, and the clock that times it, which returns seconds."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        faces = open_source(None, config.image_size, channels=3, progress=False)
        self.trainer, self.stack = Trainer(config, faces, "cpu"), contextlib.ExitStack()
        self.loader: Any = self.stack.enter_context(self.trainer._loader())

    def step(self) -> dict[str, float]:
        """Train on the next batch, with the random numbers that a run draws; return the numbers for the log."""
        trainer, batch = self.trainer, next(self.loader)
        stats = trainer.stepper(trainer.step + 1, trainer._inputs(batch))
        trainer.step += 1
        return {name: float(value) for name, value in stats.items()}

    def turn(self) -> float:
        """Return the seconds of a turn's average step."""
        began = self.clock()
        for _ in range(STEPS):
            self.step()
        return (self.clock() - began) / STEPS


def config_with(words: str, width: int, batch_size: int) -> Config:
    """Return the config of a row. Raises UserError for options that do not fit each other."""
    from dcgan import session

    parser = cli.Parser(prog="options")
    cli.add_options(parser)
    given = vars(parser.parse_args([] if words == DEFAULT else words.split()))
    sizes = {"width": width, "batch_size": batch_size, "channels": 3, "samples": 1, "steps": 10**6}
    config = config_of({**given, **sizes})
    session.check(config)
    return config


def require_alike(config: Config) -> None:
    """Raise RuntimeError unless kernels and reference give the same numbers in the first step."""
    found = []
    for implementation in ("reference", "kernels"):
        with backend.use(implementation), side(config) as one:
            found.append(one.step())
    for name, value in found[0].items():
        if abs(found[1][name] - value) > ALIKE * max(1.0, abs(value)):
            raise RuntimeError(f"{name}: the kernels' first step gives {found[1][name]}, the reference's {value}")


@contextlib.contextmanager
def side(config: Config, clock: Callable[[], float] = time.perf_counter) -> Iterator[Side]:
    """Open a side, and close its data at the end."""
    one = Side(config, clock)
    with one.stack:
        yield one


def measure(configs: dict[str, Config], rounds: int, clock: Callable[[], float]) -> dict[str, Timed]:
    """Return the milliseconds of a step of every side, timed in turns."""
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(side(config, clock)) for name, config in configs.items()}
        turns = {name: one.turn for name, one in sides.items()}
        alternate(turns, 1)  # warm-up
        return alternate(turns, rounds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.options", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="WORD", help="rows whose options hold one of these words")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of every side (5)")
    parser.add_argument("--width", type=int, default=24, metavar="N", help="filters next to the pictures (24)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="pictures per step (32)")
    parser.add_argument("--processor", action="store_true", help="measure the time of all cores, not the clock's")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the table into this page")
    options = parser.parse_args(arguments)
    quick.cap(options, rounds=1, width=4, batch_size=4)
    rows = [row for row in ROWS if not options.only or any(word in row for word in options.only)]
    configs = {row: config_with(row, options.width, options.batch_size) for row in (DEFAULT, *rows)}
    for config in configs.values():
        require_alike(config)
    timed = measure(configs, options.rounds, time.process_time if options.processor else time.perf_counter)
    usual = timed[DEFAULT].median
    lines = [(name, t.median, f"{t.least:.0f}-{t.most:.0f}", f"{t.median / usual:.2f}") for name, t in timed.items()]
    head = "options", "ms per step", "spread", "ratio"
    text_table.show(lambda markdown: text_table.table(head, lines, markdown), "options", options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
