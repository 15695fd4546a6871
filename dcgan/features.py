"""Write D's features of pictures, or judge them: python -m dcgan.features RUN

The features are every map of D behind an activation, max-pooled to 4x4.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dcgan import cli, options
from dcgan.errors import UserError
from dcgan.experiments import command, feature_file, real, svm
from dcgan.prepare import as_packed
from dcgan.trained import Trained

EXAMPLES = """\
examples:
  python -m dcgan.features RUN --data cifar/ --out features.h5
                               "features" (N, F), and "labels" (N,) where the
                               data has them
  python -m dcgan.features RUN --data cifar/train --svm --test cifar/test
                               a linear SVM on them: accuracy on --test
  python -m dcgan.features RUN --data svhn/train --svm --test svhn/test \\
      --labelled 1000          learnt from 1,000 examples

A command that was stopped while it wrote goes on where it was when it is given
again; until it is finished its file is called OUT.part. --svm needs
scikit-learn: pip install 'gpunet[svm]'. docs/paper.md names the figures of the
paper.
"""
SAME = (
    "--test has the pictures of --data, from which the machine has learnt: how many of them are right says nothing "
    "about pictures that it has not seen"
)


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    out = checked(given)
    labelled = command.number(given, "labelled", options.integer(2), None)
    repeats = command.number(given, "repeats", options.integer(1, 100), 1)
    seed = command.number(given, "seed", options.integer(0), 0)
    by = command.opened(given, with_D=True)
    if out:
        with real.opened(real.config_of(given, by, given.data)) as source:
            count, numbers = feature_file.write(out, by, source)
        cli.say(f"{numbers:,} features of {count:,} pictures: {out}")
    if given.svm:
        judge(given, by, labelled, repeats, seed)
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = command.parser("features", __doc__, EXAMPLES)
    real.add_data_options(parser)
    parser.add_argument("--out", metavar="FILE.h5", help="the file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the file --out")
    parser.add_argument("--svm", action="store_true", help="train a linear SVM on the features, and test it")
    parser.add_argument("--test", metavar="PATH", help="pictures with labels that the SVM has not seen")
    parser.add_argument("--labelled", metavar="N", help="examples to learn from, as many of each class (all)")
    parser.add_argument("--repeats", metavar="N", help="times that other examples are drawn (1)")
    parser.add_argument("--seed", metavar="N", help="seed that the examples are drawn with (0)")
    return parser


def checked(given: argparse.Namespace) -> Path | None:
    """Return the file to write, if there is one. UserError: nothing is asked for, or options do not go together."""
    if not given.out and not given.svm:
        raise UserError("expected --out FILE.h5, or --svm with --test, or both")
    for name in ("test", "labelled", "repeats"):
        if getattr(given, name) is not None and not given.svm:
            raise UserError(f"--{name}: goes with --svm")
    if given.svm:
        if given.test is None:
            raise UserError("--svm: expected --test, pictures that the machine has not learnt from")
        svm.require()
    out = as_packed(given.out) if given.out else None
    if out and out.exists() and not given.overwrite:
        raise UserError(f"--out: {out} is there already: choose another name, or replace it with --overwrite")
    return out


def judge(given: argparse.Namespace, by: Trained, labelled: int | None, repeats: int, seed: int) -> None:
    """Train and test the machine, and say what came out. Raises UserError."""
    with real.opened(real.config_of(given, by, given.data)) as source:
        train, learnt_from = feature_file.held(by, source, "--data"), source.fingerprint
    with real.opened(real.config_of(given, by, given.test)) as source:
        test = feature_file.held(by, source, "--test")
        if source.fingerprint == learnt_from:
            print(SAME, file=sys.stderr)
    found = [svm.judge(train, test, labelled, np.random.default_rng([seed, i])) for i in range(repeats)]
    rights = [100 * each.accuracy for each in found]
    for each in found:
        cli.say(
            f"{each.examples:,} examples, C {each.C:g}: {100 * each.accuracy:.2f} % right of {len(test.labels):,} "
            f"test pictures ({100 * each.held_out:.2f} % of those that chose C)"
        )
    if repeats > 1:
        cli.say(f"mean of {repeats}: {np.mean(rights):.2f} % right, standard deviation {np.std(rights, ddof=1):.2f}")


if __name__ == "__main__":
    sys.exit(main())
