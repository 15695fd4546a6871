"""What the commands of the paper's experiments have in common: their options, their run, and the sheet they write."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dcgan import cli, generate_options, options, trained
from dcgan.errors import UserError
from dcgan.picture_files import PictureFiles, require_free
from dcgan.trained import NETWORKS, Trained

MACHINE = ("device", "implementation", "conv")
RUN_HELP = "a run folder (its newest checkpoint), a .h5 file, or a file that dcgan.export wrote"


def parser(name: str, doc: str | None, examples: str) -> cli.Parser:
    """Return the parser of `python -m dcgan.NAME RUN`, with the options that all of them take."""
    parser = cli.Parser(prog=f"python -m dcgan.{name}", description=doc, epilog=examples)
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--weights", metavar="NAME", help="weights of G: ema or raw (ema where the run has it)")
    cli.add_options(parser, *MACHINE)
    return parser


def add_picture_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that writes one sheet of pictures."""
    parser.add_argument("--out", metavar="FILE.png", required=True, help="the picture to write")
    parser.add_argument("--scale", metavar="N", help="enlargement: each pixel becomes N x N pixels (1)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file --out")


def opened(given: argparse.Namespace, with_D: bool = False) -> Trained:
    """Return the trained networks that the command names, in evaluation mode. Raises UserError."""
    if given.weights is not None:
        options.named("--weights", options.choice(*NETWORKS), given.weights)
    machine: dict[str, Any] = {name: getattr(given, name) for name in MACHINE if name in given}
    # A picture shall depend on its z alone, and not on the others of its batch.
    by = trained.load(given.run, {**machine, "sampling_statistics": "running"}, given.weights, with_D)
    if with_D and by.D is None:
        raise UserError(f"{given.run} holds no discriminator: take the run folder")
    by.G.eval()
    if by.D:
        by.D.eval()
    return by


def number(given: argparse.Namespace, name: str, kind: options.Kind, default: Any) -> Any:
    """Return an option as its kind reads it; default: where it is not given. Raises UserError."""
    value = getattr(given, name)
    return default if value is None else options.named(options.option_name(name), kind, value)


def label_of(given: argparse.Namespace, by: Trained) -> int | None:
    """Return the class of all pictures, which networks that are told classes need. Raises UserError."""
    if given.label is None and by.config.classes:
        which = generate_options.classes_in_words(by.config, by.classes)
        raise UserError(f"--label: the networks of {by.run} draw one class at a time: say which, {which}")
    return generate_options.as_label(given.label, by.config, by.classes)


class Sheet:
    """One picture that shows rows of pictures, each over its caption."""

    def __init__(self, given: argparse.Namespace, command: str) -> None:
        """Check the options. Raises UserError where the file may not be written, before anything is drawn."""
        self.path: Path = generate_options.as_output(given.out, (".png",))
        if not given.overwrite:
            require_free(self.path)
        self.scale = number(given, "scale", options.integer(1, 64), 1)
        self.command = f"dcgan.{command}"

    def write(self, rows: Sequence[Sequence[tuple[np.ndarray | None, str]]], texts: Mapping[str, Any]) -> None:
        """Write rows of (picture uint8 (H, W, C) or None for an empty place, caption); texts: those of the PNG."""
        columns = max(map(len, rows))
        blank = np.full_like(next(picture for row in rows for picture, _ in row if picture is not None), 255)
        cells = [cell for row in rows for cell in [*row, *[(None, "")] * (columns - len(row))]]
        pictures = np.stack([blank if picture is None else picture for picture, _ in cells])
        files = PictureFiles(self.path, self.scale, texts={"Software": self.command})
        files.png("", pictures, columns, [caption for _, caption in cells], **texts)


def texts(by: Trained, /, **more: Any) -> dict[str, str]:
    """Return what a PNG says of the networks that drew it, and more."""
    said = {"run": by.run, "step": by.step, "weights": by.weights, **more}
    return {name: str(text) for name, text in said.items() if text is not None}
