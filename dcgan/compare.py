"""Put runs side by side, finished or trained now: python -m dcgan.compare RUN RUN"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dcgan import cli, images, presets, session, summary
from dcgan.config import Config, option_name
from dcgan.data.formats.decode import check_pixels
from dcgan.data.recipe import with_recipe
from dcgan.errors import UserError
from dcgan.run import log
from dcgan.run.curves import draw, panels_of
from dcgan.run.folder import RunDir
from dcgan.streams import error_text
from gpunet.files import write_atomically

EXAMPLES = """\
examples:
  python -m dcgan.compare runs/0001-dcgan64 runs/0002-basicgan
                                               finished runs, as they are
  python -m dcgan.compare --presets dcgan64,basicgan --steps 500
                                               what convolutions are worth
  python -m dcgan.compare --presets paper,carpedm20 --data celeba/ --steps 2000

The picture shows the newest sample grid of each run over its losses; a table in
the terminal holds the numbers. Presets that are trained now all see the same
pictures in the same order, cut and resized alike (to 64), for the same number
of steps. Other options that are not given on the command line are each preset's
own, as the batch size is; --batch-size 64 gives all of them as many pictures.
Each preset leaves a run folder. All options but --out are for such a training.
"""
SHARED = {"image_size": Config.image_size, "crop_larger": None}
TRAINED = "dcgan64,basicgan"  # the presets that are trained where neither runs nor presets are given
NEWEST = 100  # steps that the losses of the table are means of
DPI, MARGIN, TITLE, LOSSES = 100, 20, 80, 300  # of the picture, in pixels: around a grid, above it, below it
LOSSES_SHOWN = ("loss_d", "loss_g")
LEAST = 480  # width of a column; smaller grids are enlarged by whole pixels as far as they fit


class Column(NamedTuple):
    """A column of the picture and a line of the table: a run, its newest sample grid (GH, GW, C), log and costs."""

    name: str
    samples: np.ndarray
    records: list[dict[str, Any]]  # of log.jsonl
    preset: str = ""
    seconds: float = 0.0  # of training
    parameters: tuple[int, int] = (0, 0)  # of G and D

    @property
    def steps(self) -> int:
        """The last step of the log."""
        return self.records[-1]["step"] if self.records else 0

    def loss(self, key: str) -> float:
        """Return the mean of a loss over the newest steps; NaN where the log has none."""
        values = [record[key] for record in self.records if key in record][-NEWEST:]
        return float(np.mean(values)) if values else float("nan")


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = vars(parser().parse_args(arguments))
    runs, names, progress = given.pop("runs"), given.pop("presets"), not given.pop("no_progress")
    out = Path(given.get("out", Config.out))
    if runs:
        columns = finished(runs, [*(["--presets"] if names else []), *map(option_name, given)])
        path = out / f"compare-{'-'.join(column.name.replace('/', '-') for column in columns[:4])}.png"
    else:
        named = (names or TRAINED).split(",")
        columns, status = trained(configurations(named, given), progress)
        if status:
            return status
        path = out / f"compare-{'-'.join(named)}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_picture(path, columns)
    cli.say(table(columns))
    cli.say(f"side by side: {path}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    prog = "python -m dcgan.compare"
    usage = f"{prog} RUN RUN ... [--out DIR]\n       {prog} --presets A,B --steps N [options]"
    parser = cli.Parser(prog=prog, usage=usage, description=__doc__, epilog=EXAMPLES)
    parser.add_argument("runs", metavar="RUN", nargs="*", help="run folders to compare, two or more")
    parser.add_argument("--presets", metavar="A,B", help=f"presets to train instead ({TRAINED})")
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    cli.add_options(parser, *(name for name in Config.__dataclass_fields__ if name != "preset"))
    return parser


def finished(paths: Sequence[str], options: Sequence[str]) -> list[Column]:
    """Return the columns of run folders. UserError: fewer than two, no such folders, or options that train runs."""
    others = [name for name in options if name != "--out"]
    if others:
        raise UserError(
            f"{others[0]}: is for presets that are trained now, not for finished runs: leave one of them out"
        )
    if len(paths) < 2:
        raise UserError(f"got one run, {paths[0]}: expected two or more to compare")
    resolved = [Path(path).resolve() for path in paths]
    same = len({path.name for path in resolved}) < len(resolved)  # runs of the same name, from several folders
    names = ["/".join(path.parts[-2:]) if same else path.name for path in resolved]
    return [column(name, RunDir(path)) for name, path in zip(names, paths, strict=True)]


def trained(configs: Sequence[Config], progress: bool) -> tuple[list[Column], int]:
    """Train each config in a run folder of its own; return the columns, and the status of one that stopped, or 0."""
    columns: list[Column] = []
    for config in configs:
        trainer, run = session.new_run(config, progress)
        if status := session.train(trainer, run, progress):
            return columns, status
        assert run  # a process alone has one
        columns.append(column(config.preset, run))
    return columns, 0


def configurations(names: Sequence[str], given: Mapping[str, Any]) -> list[Config]:
    """Return a config per preset, all checked before the first is trained. Raises UserError."""
    if "steps" not in given:
        raise UserError("--steps: got none, expected the budget that all presets have, a number of batches")
    configs = [presets.config_of({**SHARED, **with_recipe(given), "preset": name}) for name in names]
    for config in configs:
        presets.find(config.preset).check(config)
    return configs


def column(name: str, run: RunDir) -> Column:
    """Return the column of a run folder. UserError: it is none, or has no sample grid yet."""
    if not run.config.exists():
        raise UserError(f"{run.path} is no run folder: expected config.json in it")
    config, samples = Config.read(run.config), newest_grid(run)
    preset = presets.find(config.preset)
    parameters = summary.count(preset.generator(config)), summary.count(preset.discriminator(config))
    seconds = seconds_of(run, config.pictures_per_step)
    return Column(name, samples, log.read(run.log), config.preset, seconds, parameters)


def newest_grid(run: RunDir) -> np.ndarray:
    """Return the newest sample grid (GH, GW, C). UserError: there is none yet, or it is damaged."""
    from PIL import Image

    grids = [path for path in run.samples.glob("*.png") if path.stem.isdecimal()]
    if not grids:
        raise UserError(f"{run.path} has no sample grid yet: train it first")
    path = max(grids, key=lambda path: int(path.stem))
    try:
        with Image.open(path, formats=["PNG"]) as image:
            check_pixels(image.size)
            return np.atleast_3d(np.asarray(image if image.mode == "L" else image.convert("RGB")))
    except Exception as error:  # noqa: BLE001  (a damaged file makes Pillow raise nearly anything)
        raise UserError(f"{path} is no sample grid ({error_text(error)}): remove it") from error


def seconds_of(run: RunDir, pictures_per_step: int) -> float:
    """Return how long a run trained: the sum of its steps' pictures over their speed, from timing.jsonl."""
    path = run.path / "timing.jsonl"
    seconds, before = 0.0, 0
    for timing in log.read(path) if path.exists() else []:
        step, speed = timing["step"], timing.get("images_per_second", 0)
        if step > before and speed > 0:
            seconds += (step - before) * pictures_per_step / speed
        before = step  # smaller than the one before where a run was resumed from a checkpoint
    return seconds


def table(columns: Sequence[Column]) -> str:
    """Return the numbers as a table, a run per line."""
    head = ("run", "preset", "steps", "seconds", "parameters of G", "of D", "loss of D", "loss of G")
    lines = [head] + [
        (
            one.name, one.preset, f"{one.steps:,}", f"{one.seconds:,.0f}", *(f"{count:,}" for count in one.parameters),
            *(f"{one.loss(key):.3f}" for key in LOSSES_SHOWN),
        )
        for one in columns
    ]  # fmt: skip
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    aligned = [
        "  ".join(f"{cell:<{width}}" if i < 2 else f"{cell:>{width}}" for i, (cell, width) in enumerate(cells))
        for cells in (zip(line, widths, strict=True) for line in lines)
    ]
    return "\n".join([*aligned, f"The losses are means over the last {NEWEST} steps."])


def save_picture(path: Path, columns: Sequence[Column]) -> None:
    """Draw sample grids in a row, their pixels unchanged, over the losses on a common scale, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    grids = [images.enlarged(one.samples, max(1, LEAST // one.samples.shape[1])) for one in columns]
    width = 2 * MARGIN + max(LEAST, *(grid.shape[1] for grid in grids))
    height = TITLE + max(grid.shape[0] for grid in grids) + LOSSES
    whole = width * len(columns)
    figure = Figure(figsize=(whole / DPI, height / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    ranges = []
    for i, (one, grid) in enumerate(zip(columns, grids, strict=True)):
        _draw_samples(figure, one, grid, i * width + width // 2, height)
        axes = figure.add_axes(((i * width + 70) / whole, 50 / height, (width - 90) / whole, 200 / height))
        ranges.append(draw(axes, *panels_of(one.records)[0], one.records))
        axes.set_xlabel("step")
    for axes in figure.axes:
        axes.set_ylim(min(bottom for bottom, _ in ranges), max(top for _, top in ranges))
    buffer = io.BytesIO()
    canvas.print_png(buffer)
    write_atomically(path, buffer.getbuffer())


def _draw_samples(figure: Any, one: Column, grid: np.ndarray, middle: int, height: int) -> None:
    """Draw a column's name, its costs and its sample grid around a middle, in pixels from the left."""
    across, (G, D) = middle / (figure.get_figwidth() * DPI), one.parameters
    figure.text(across, 1 - 24 / height, one.name, ha="center", fontsize=13)
    costs = f"{one.preset}: {one.steps:,} steps in {one.seconds:,.0f} s; parameters: G {G:,}, D {D:,}"
    figure.text(across, 1 - 50 / height, costs, ha="center", fontsize=9)
    pixels = grid.repeat(3, axis=2) if grid.shape[2] == 1 else grid
    figure.figimage(pixels, middle - grid.shape[1] // 2, height - TITLE - grid.shape[0] + MARGIN, origin="upper")


if __name__ == "__main__":
    sys.exit(main())
