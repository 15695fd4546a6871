"""Compare trainings of several ranks, with and without --sync-bn, with that of one rank.

    mpirun -n 4 python -m benchmarks.sync_bn
    mpirun -n 2 python -m benchmarks.sync_bn --steps 200 --batch-size 64

Each rank trains dcgan64 on the built-in faces three times, from the same weights, with the same pictures and z: alone
with whole batches, and as one of the ranks with its share of them, where batch norm takes the statistics of all
pictures or of the rank's own. The table has the losses' difference from the training alone, averaged over windows of
steps, and at the end that of the weights, relative to their length.

With --sync-bn the first windows hold rounding, and the command fails where the first two steps hold more. Sooner or
later a number beside 0 rounds to the other side of a ReLU's kink; from there on two trainings drift apart, as with any
other order of additions.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

import numpy as np

from benchmarks import losses
from dcgan import cli, launch, quick, session
from dcgan.checks import check
from dcgan.config import Config
from dcgan.data.share import Share, require_equal
from dcgan.data.source import Source
from dcgan.errors import UserError
from dcgan.gan import GAN
from dcgan.options import integer, named, option_name
from dcgan.presets import config_of
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import distributed

EARLY, ROUNDING = 2, 1e-5  # steps, and what their losses may differ by: the second follows an update of both networks


@launch.on_all_ranks
def main(arguments: Sequence[str] | None = None) -> int:
    """Train and, at rank 0, print the table; return 1 where --sync-bn does not train as one rank does."""
    group, found = distributed.ranks(), {}
    options = launch.everywhere(checked, launch.parsed(parser(), arguments), group.size)
    for name, ranks, sync in (("alone", distributed.ALONE, False), ("synced", group, True), ("own", group, False)):
        config = launch.everywhere(config_for, options, sync)
        source = session.open_data(config, progress=False)
        with distributed.among(ranks):
            found[name] = trained(config, source)
    return int(group.tell(report(options, group.size, found) if group.rank == 0 else 0))


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(prog="python -m benchmarks.sync_bn", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--steps", default=30, metavar="N", help="steps of each training (30)")
    add("--window", default=10, metavar="N", help="steps over which a difference is averaged (10)")
    add("--width", default=8, metavar="N", help="filters of the networks' first layer (8)")
    add("--image-size", default=32, metavar="N", help="sides of the pictures (32)")
    add("--batch-size", default=32, metavar="N", help="pictures per step, over all ranks (32)")
    return parser


def checked(given: Namespace, size: int) -> Namespace:
    """Return the options of a command line; size: how many ranks there are. Raises UserError."""
    for name, value in vars(given).items():
        setattr(given, name, named(option_name(name), integer(1), value))
    if size < 2:
        raise UserError("got one process, expected several: mpirun -n 4 python -m benchmarks.sync_bn")
    quick.cap(given, steps=2, window=2, batch_size=4 * size)
    require_equal(given.batch_size, size)
    return given


def config_for(options: Namespace, sync: bool) -> Config:
    """Return the options of a training. Raises UserError where the network does not take them."""
    given = {"width": options.width, "image_size": options.image_size, "batch_size": options.batch_size}
    config = config_of({**given, "steps": options.steps, "z_dim": 16, "sync_bn": sync})
    check(config)
    return config


def trained(config: Config, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Return the losses (steps, 2), means over ranks, and the weights of both networks, flat."""
    group, rng, curve = distributed.ranks(), np.random.default_rng(0), []
    share, stepper = Share(group.rank, group.size), Stepper(GAN(config, rng, "cpu"), "cpu", graph=False)
    for number in range(1, config.steps + 1):
        images = source.batch(share.of(rng.integers(0, len(source), config.batch_size)))
        stats = stepper(number, Inputs(images, [share.of(draw_z(rng, config.batch_size, config))]))
        curve.append([float(stats[name]) for name in losses.LOSSES])
    parameters = [*stepper.gan.G.parameters(), *stepper.gan.D.parameters()]
    return np.array(curve), np.concatenate([parameter.data.ravel() for parameter in parameters])


def report(options: Namespace, size: int, found: dict[str, tuple[np.ndarray, np.ndarray]]) -> int:
    """Print the table; return the exit status."""
    small = f"width {options.width}, {options.image_size}x{options.image_size} pictures, batch {options.batch_size}"
    print(f"dcgan64 on built-in faces, {small}; {size} ranks against one")
    print(f"{'':16}{'--sync-bn':>12}{'without':>12}")
    curve, weights = found["alone"]
    synced, own = (np.abs(found[name][0] - curve).mean(axis=1) for name in ("synced", "own"))  # (steps,)
    for start in range(0, options.steps, options.window):
        window = slice(start, start + options.window)
        row = f"losses to {min(window.stop, options.steps):,}"
        print(f"{row:16}{synced[window].mean():12.1e}{own[window].mean():12.1e}")
    lengths = [np.linalg.norm(found[name][1] - weights) / np.linalg.norm(weights) for name in ("synced", "own")]
    print(f"{'weights':16}{lengths[0]:12.1e}{lengths[1]:12.1e}")
    good = synced[:EARLY].max() < ROUNDING
    print("--sync-bn trains as one rank does" if good else "FAILED: --sync-bn does not train as one rank does")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
