"""Show what the last filters of D answer to: python -m dcgan.filters RUN"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from dcgan import cli, options, presets, sampling
from dcgan.data import Source
from dcgan.experiments import command, guided, real
from dcgan.experiments.command import Sheet
from dcgan.trained import Trained
from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers import Sequential

EXAMPLES = """\
examples:
  python -m dcgan.filters RUN --out filters.png
  python -m dcgan.filters RUN --filters 12 --pictures 4 --data photos/ \\
      --most 5000 --out filters.png

Two rows for each filter: the pictures that it answers to most, and below each
its guided gradient, the pixels that make it answer. On the right stands the
same for a D that was not trained, whose filters are random.
"""
Cells = list[tuple[np.ndarray | None, str]]


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    sheet, seed = Sheet(given, "filters"), command.number(given, "seed", options.integer(0), 0)
    filters = command.number(given, "filters", options.integer(1, 1000), 6)
    k = command.number(given, "pictures", options.integer(1, sampling.BATCH), 5)
    by = command.opened(given, with_D=True)
    assert by.D is not None  # with_D
    nets = [by.D, untrained(by, seed)]
    with real.opened(real.config_of(given, by, given.data)) as source:
        best = most_answered(by, nets, source, filters, min(k, len(source)))
        halves = [rows_of(by, net, source, chosen) for net, chosen in zip(nets, best, strict=True)]
    sheet.write(
        [[*left, (None, ""), *right] for left, right in zip(*halves, strict=True)], command.texts(by, seed=seed)
    )
    cli.say(f"{len(best[0]):,} filters of the last convolution, right of them random ones: {sheet.path}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = command.parser("filters", __doc__, EXAMPLES)
    real.add_data_options(parser)
    parser.add_argument("--filters", metavar="N", help="filters to show, from the first on (6)")
    parser.add_argument("--pictures", metavar="N", help="pictures of each (5)")
    parser.add_argument("--seed", metavar="N", help="seed of the random filters (0)")
    command.add_picture_options(parser)
    return parser


def untrained(by: Trained, seed: int) -> Sequential:
    """Return a discriminator as the run's was before its training, with weights of this seed."""
    D = presets.find(by.config.preset).discriminator(by.config)
    presets.initialiser(by.config)(D, np.random.default_rng(seed))
    return D.to(backend.device_of(by.G.parameters()[0].data)).eval()


def most_answered(by: Trained, nets: list[Sequential], source: Source, filters: int, k: int) -> list[np.ndarray]:
    """Return for each network the indices (filters, k) of the pictures that its first filters answer to most."""
    answers: list[list[np.ndarray]] = [[] for _ in nets]  # each (n, filters)
    for _, pictures, labels in tqdm(real.batches(source), unit="batch", disable=None):
        x, told = numbers(by, pictures, labels)
        for net, found in zip(nets, answers, strict=True):
            with net.given(told):
                found.append(guided.answers(net, x)[:, :filters])
    return [np.argsort(-np.concatenate(found), axis=0, kind="stable")[:k].T for found in answers]


def rows_of(by: Trained, net: Sequential, source: Source, chosen: np.ndarray) -> list[Cells]:
    """Return two rows for each filter: its pictures, chosen (filters, k), and their guided gradients."""
    rows: list[Cells] = []
    for filter, indices in enumerate(chosen):
        pictures = source.batch(indices)
        x, told = numbers(by, pictures, None if source.labels is None else np.asarray(source.labels)[indices])
        with net.given(told):
            gradients = guided.gradients(net, x, filter)
        rows.append([(picture, f"filter {filter + 1}" if i == 0 else "") for i, picture in enumerate(pictures)])
        rows.append([(guided.as_picture(gradient), "") for gradient in gradients])
    return rows


def numbers(by: Trained, pictures: np.ndarray, labels: np.ndarray | None) -> tuple[Array, Array | None]:
    """Return pictures as D reads them, and the labels that it has to be told, both on its device."""
    device, told = backend.device_of(by.G.parameters()[0].data), real.labels_for(by, labels)
    x = backend.images_to_real(backend.to_device(pictures, device), low=sampling.lowest(by.G))
    return x, None if told is None else backend.to_device(told.astype("int32"), device)


if __name__ == "__main__":
    sys.exit(main())
