"""Train a small picture for every preset: python -m dcgan.gallery --steps N"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dcgan import cli, images, presets, session
from dcgan.config import Config
from dcgan.run.folder import RunDir

EXAMPLES = """\
examples:
  python -m dcgan.gallery --steps 1000         on the built-in drawn faces
  python -m dcgan.gallery --presets dcgan64,paper --steps 300 --width 16
                                               two of them, narrow
  python -m dcgan.gallery --data celeba.zip --crop 108 --labelled fashion-mnist/

All presets train for the same number of steps (1,000) with the same batch size
(64) on the same data, so the pictures can be compared. Other options that are
not given on the command line are each preset's own, as the picture size is.
Networks that are told labels train on --labelled. The table at the end, in
Markdown, holds the time that each took.
"""
SHARED = {"steps": 1000, "batch_size": Config.batch_size}
UNUSED = (  # a gallery trains in a folder that it throws away, keeps one grid, and says of steps what it means
    "preset", "out", "samples", "real_grids", "tensorboard", "sample_every", "checkpoint_every", "keep", "epochs",
    "checkpoint_minutes",
    "steps",
)  # fmt: skip
SIDE = 360  # pixels: smaller grids are enlarged to be about as wide


class Row(NamedTuple):
    """A line of the table: a preset, its steps, batch size and picture size, and the seconds that it trained."""

    preset: str
    steps: int
    batch_size: int
    size: str
    seconds: float


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = vars(parser().parse_args(arguments))
    names, labelled, out = given.pop("presets").split(","), given.pop("labelled"), Path(given.pop("out"))
    progress, configs = not given.pop("no_progress"), []
    for name in names:
        if not presets.find(name).conditional:
            configs.append(configuration(name, given))
        elif labelled is None:
            cli.say(f"{name}: left out, because it needs --labelled PATH, data with labels")
        else:
            configs.append(configuration(name, given | {"data": labelled}))
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for config in configs:
        row = draw(config, out / f"{config.preset}.png", progress)
        if row is None:
            return cli.INTERRUPTED
        rows.append(row)
    cli.say(table(rows))
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    prog = "python -m dcgan.gallery"
    usage = f"{prog} [--presets A,B] [--steps N] [--out DIR] [options]"
    parser = cli.Parser(prog=prog, usage=usage, description=__doc__, epilog=EXAMPLES)
    parser.add_argument("--presets", metavar="A,B", default=",".join(presets.PRESETS), help="presets to draw (all)")
    parser.add_argument("--labelled", metavar="PATH", help="labelled data for presets that need it (left out without)")
    parser.add_argument("--out", metavar="DIR", default="gallery", help="folder for the pictures, a PNG each (gallery)")
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    help = f"batches that every preset trains ({SHARED['steps']})"
    parser.add_argument("--steps", metavar="N", default=argparse.SUPPRESS, help=help)
    cli.add_options(parser, *(item.name for item in fields(Config) if item.name not in UNUSED))
    return parser


def configuration(name: str, given: Mapping[str, Any]) -> Config:
    """Return the config of a preset in the gallery, checked before the first one trains. Raises UserError."""
    count = 100 if presets.find(name).conditional else 36  # ten columns, of a class each where there are ten; or 6 x 6
    config = presets.config_of({**SHARED, **given, "preset": name, "samples": count})
    presets.find(name).check(config)
    return config


def draw(config: Config, path: Path, progress: bool) -> Row | None:
    """Train a preset in a folder that is then thrown away and keep its last sample grid; None: it was stopped."""
    from PIL import Image

    trainer = session.open_trainer(config, progress)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir.create(folder, config.preset)
        try:
            done = trainer.train(run, progress)
        finally:
            trainer.source.close()
        seconds = time.perf_counter() - start
        if not done:
            cli.say(f"stopped at step {trainer.step} of {trainer.last_step}: {config.preset} has no picture")
            return None
        with Image.open(run.sample(trainer.step)) as image:
            sheet = np.atleast_3d(np.asarray(image))
    size = "x".join(map(str, (*config.image_size, sheet.shape[2])))
    row = Row(config.preset, trainer.step, config.batch_size, size, seconds)
    texts = {name: f"{value:.0f}" if name == "seconds" else str(value) for name, value in row._asdict().items()}
    images.save_png(path, images.enlarged(sheet, math.ceil(SIDE / sheet.shape[1])), texts, small=True)
    cli.say(f"picture: {path} ({trainer.step:,} steps, {seconds:,.0f} s)")
    return row


def table(rows: Sequence[Row]) -> str:
    """Return the times as a table in Markdown."""
    lines = ["", "| preset | steps | batch | pictures | seconds |", "| --- | ---: | ---: | --- | ---: |"]
    lines += [f"| `{r.preset}` | {r.steps:,} | {r.batch_size} | {r.size} | {r.seconds:,.0f} |" for r in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
