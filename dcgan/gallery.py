"""Train a small picture for every preset: python -m dcgan.gallery --steps N"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dcgan import cli, images, options, presets, session
from dcgan.config import Config
from dcgan.run.folder import RunDir

EXAMPLES = """\
examples:
  python -m dcgan.gallery --steps 1000         on the built-in drawn faces
  python -m dcgan.gallery --presets dcgan64,paper --steps 300 --narrow 4
                                               two of them, a quarter as wide
  python -m dcgan.gallery --data celeba.zip --crop 108 --labelled fashion-mnist/

All presets train for the same number of steps (1,000) with the same batch size
(64) on the same data, so the pictures can be compared. Other options that are
not given on the command line are each preset's own, as the picture size is.
Networks that are told labels train on --labelled. The table at the end, in
Markdown, holds the time that each took: by the clock, and of the processor,
which work of other programs changes less. Every PNG holds its line of the
table, its options, the data and the date as text.
"""
SHARED = {"steps": 1000, "batch_size": Config.batch_size}
UNUSED = (  # a gallery trains in a folder that it throws away, keeps one grid, and says of steps what it means
    "preset", "out", "samples", "real_grids", "tensorboard", "sample_every", "checkpoint_every", "keep", "epochs",
    "checkpoint_minutes", "report_every", "steps",
)  # fmt: skip
OWN = ("presets", "labelled", "out", "no_progress", "narrow")  # options that are none of a training
SIDE = 360  # pixels: smaller grids are enlarged to be about as wide


class Row(NamedTuple):
    """A line of the table: a preset, its steps, batch size and picture size, and how long it trained.

    seconds: by the clock; processor: of all cores together.
    """

    preset: str
    steps: int
    batch_size: int
    size: str
    seconds: float
    processor: float


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = vars(parser().parse_args(arguments))
    out, progress = Path(given["out"]), not given["no_progress"]
    configs = configurations(given)
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
    help = "divisor of every preset's number of filters (1)"
    parser.add_argument("--narrow", metavar="N", default=1, help=help)
    cli.add_options(parser, *(item.name for item in fields(Config) if item.name not in UNUSED))
    return parser


def configurations(given: Mapping[str, Any]) -> list[Config]:
    """Return the configs of a command line, a preset each; say which preset lacks labels. Raises UserError."""
    narrow, labelled = options.named("--narrow", options.integer(1), given["narrow"]), given["labelled"]
    shared = {name: value for name, value in given.items() if name not in OWN}
    configs = []
    for name in given["presets"].split(","):
        if not presets.find(name).conditional:
            configs.append(configuration(name, shared, narrow))
        elif labelled is None:
            cli.say(f"{name}: left out, because it needs --labelled PATH, data with labels")
        else:
            configs.append(configuration(name, shared | {"data": labelled}, narrow))
    return configs


def configuration(name: str, given: Mapping[str, Any], narrow: int = 1) -> Config:
    """Return the config of a preset in the gallery, of 1/narrow of its filters, checked. Raises UserError."""
    count = 100 if presets.find(name).conditional else 36  # ten columns, of a class each where there are ten; or 6 x 6
    config = presets.config_of({**SHARED, **given, "preset": name, "samples": count})
    config = replace(config, width=max(1, config.width // narrow))
    presets.find(name).check(config)
    return config


def draw(config: Config, path: Path, progress: bool) -> Row | None:
    """Train a preset in a folder that is then thrown away and keep its last sample grid; None: it was stopped."""
    trainer = session.open_trainer(config, progress)
    data, clock, processor = trainer.source.description, time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir.create(folder, config.preset)
        try:
            done = trainer.train(run, progress)
        finally:
            trainer.source.close()
        taken = time.perf_counter() - clock, time.process_time() - processor
        if not done:
            cli.say(f"stopped at step {trainer.step} of {trainer.last_step}: {config.preset} has no picture")
            return None
        sheet = pixels(run.sample(trainer.step))
    size = "x".join(map(str, (*config.image_size, sheet.shape[2])))
    row = Row(config.preset, trainer.step, config.batch_size, size, *taken)
    texts = texts_of(row) | {"data": data, "date": time.strftime("%Y-%m-%d"), "config": json.dumps(asdict(config))}
    images.save_png(path, images.enlarged(sheet, math.ceil(SIDE / sheet.shape[1])), texts, small=True)
    cli.say(f"picture: {path} ({row.steps:,} steps, {row.seconds:,.0f} s)")
    return row


def pixels(path: Path) -> np.ndarray:
    """Return the pixels (H, W, C) of a PNG."""
    from PIL import Image

    with Image.open(path) as image:
        return np.atleast_3d(np.asarray(image))


def texts_of(row: Row) -> dict[str, str]:
    """Return a line of the table as text chunks of a PNG: {"preset": "dcgan64", "steps": "1000", ...}."""
    return {name: f"{value:.0f}" if isinstance(value, float) else str(value) for name, value in row._asdict().items()}


def row_of(texts: Mapping[str, str]) -> Row:
    """Return the line of the table that the texts of a PNG hold. Raises KeyError where they hold none."""
    numbers = {name: int(texts[name]) for name in ("steps", "batch_size", "seconds", "processor")}
    return Row(preset=texts["preset"], size=texts["size"], **numbers)


def table(rows: Sequence[Row]) -> str:
    """Return the times as a table in Markdown; the last column is the processor's time divided by that of the first."""
    lines = ["", "| preset | steps | batch | pictures | seconds | processor seconds | ratio |"]
    lines += ["| --- | ---: | ---: | --- | ---: | ---: | ---: |"]
    for row in rows:
        ratio = row.processor / max(rows[0].processor, 1e-3)  # a clock may stand still in a tiny training
        times = f"{row.seconds:,.0f} | {row.processor:,.0f} | {ratio:.2f}"
        lines.append(f"| `{row.preset}` | {row.steps:,} | {row.batch_size} | {row.size} | {times} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
