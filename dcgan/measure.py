"""Say in numbers how good a run's pictures are: python -m dcgan.measure RUN"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dcgan import cli, launch, options, quick, together, trained
from dcgan.measuring import quality, results
from dcgan.measuring.features.onnx_file import RANGES
from dcgan.measuring.split import SPLITS
from dcgan.options import integer, named

EXAMPLES = """\
examples:
  python -m dcgan.measure RUN                  against its own data, by the
                                               features of its own D
  python -m dcgan.measure RUN --data mnist/ --split test --features classifier
                                               against unseen pictures, if the
                                               run learnt from the other half
  python -m dcgan.measure RUN --features inception.onnx --feature-size 299
                                               the usual FID
  python -m dcgan.measure RUN/checkpoints/000500.h5 --seeds 5
                                               with an interval over five draws

Numbers of different features, counts or data do not compare. All results are
kept in RUN/measure.json. docs/measure.md says what each number means.
"""
MACHINE = ("device", "implementation", "conv")
# The rows of the table: name, title, what is good.
ROWS = (
    ("frechet", "Frechet distance", "0 is best"),
    ("kid", "KID (kernel distance)", "0 is best"),
    ("precision", "precision", "1 is best: single pictures look real"),
    ("recall", "recall", "1 is best: all kinds are made"),
    ("density", "density", "about 1: as precision, outliers count less"),
    ("coverage", "coverage", "1 is best: all kinds are made"),
)


@launch.on_all_ranks
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    path, settings = launch.everywhere(asked, launch.parsed(parser(), arguments))
    folder = trained.folder_of(Path(path))
    with np.errstate(all="ignore"):  # what is too large is no news; NaN is told
        result = quality.measure(path, say=cli.say, **settings)
    if together.is_first():
        cli.say(table(result))
    kept = together.on_first(results.append, folder, result)
    cli.say(f"kept in {kept}")
    return 0


def asked(given: Namespace) -> tuple[str, dict[str, Any]]:
    """Return the run of a command line's options, and the arguments of quality.measure. Raises UserError."""
    for name, kind in KINDS.items():
        if getattr(given, name) is not None:
            setattr(given, name, named(options.option_name(name), kind, getattr(given, name)))
    quick.cap(given, count=16, seeds=2)
    settings: dict[str, Any] = vars(given)
    settings.pop("ranks", None)  # launch.on_all_ranks has taken it
    path, half = settings.pop("run"), settings.pop("split")
    replaced: dict[str, Any] = {name: settings.pop(name) for name in MACHINE if name in settings}
    results.read(trained.folder_of(trained.require(path)))  # a damaged file is told now, not after minutes
    return path, settings | {"half": half, "given": replaced}


KINDS: dict[str, options.Kind] = {
    "count": integer(quality.LEAST),
    "seeds": integer(1, results.MOST_SEEDS),
    "split": options.choice(*SPLITS),
    "feature_size": options.size,
    "feature_range": options.choice(*RANGES),
    "weights": options.choice(*trained.NETWORKS),
}


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    prog = "python -m dcgan.measure"
    usage = f"{prog} RUN_OR_CHECKPOINT [--data PATH] [options]"
    parser = cli.Parser(prog=prog, usage=usage, description=__doc__, epilog=EXAMPLES)
    add = parser.add_argument
    add("run", metavar="RUN_OR_CHECKPOINT", help="a run folder (its newest checkpoint) or a .h5 file")
    add("--data", metavar="PATH", help="real pictures (those that the run learnt from)")
    add("--split", metavar="NAME", default="all", help="half of the data: train, test or all (all)")
    add("--count", metavar="N", default=quality.COUNT, help=f"pictures of either side ({quality.COUNT})")
    add("--seeds", metavar="K", default=1, help="times that pictures are drawn anew, at most 10 (1)")
    add("--weights", metavar="NAME", help="weights of G: ema, the moving average, or raw (ema if there is one)")
    features = "discriminator, classifier (trained here) or an .onnx file (discriminator)"
    add("--features", metavar="NAME|FILE", default="discriminator", help=features)
    add("--feature-size", metavar="N|HxW", help="size that the .onnx file reads, if it does not say")
    words = "numbers that it reads: unit (0 to 1), signed (-1 to 1), bytes, imagenet or clip (unit)"
    add("--feature-range", metavar="NAME", default="unit", help=words)
    cli.add_options(parser, *MACHINE, "ranks")
    return parser


def table(result: dict[str, Any]) -> str:
    """Return a result as lines for people."""
    features, seeds = result["features"], len(result["seeds"])
    lines = [
        f"{result['count']:,} pictures by {result['run']}, step {result['step']:,}, {result['weights']} weights, "
        f"against {result['real_count']:,} real ones; features: {features['name']}, {features['numbers']:,} numbers",
        f"{'':22} {'mean' if seeds > 1 else 'value':>10}" + f"  {'interval of 95 %':>23}" * (seeds > 1),
    ]
    for name, title, good in ROWS:
        found = result["result"][name]
        reach = f"  {found['low']:>10.4g} to {found['high']:>9.4g}" if seeds > 1 else ""
        lines.append(f"{title:22} {found['mean']:>10.4g}{reach}  {good}")
    return "\n".join([*lines, *(f"note: {text}" for text in result["warnings"])])


if __name__ == "__main__":
    sys.exit(main())
