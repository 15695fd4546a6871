"""Train presets on the same budget and put them side by side: python -m dcgan.compare --presets A,B --steps N"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dcgan import cli, presets, session
from dcgan.config import Config
from dcgan.data.recipe import with_recipe
from dcgan.errors import UserError
from dcgan.run import log
from dcgan.run.folder import RunDir
from gpunet.files import write_atomically

EXAMPLES = """\
examples:
  python -m dcgan.compare --presets dcgan64,basicgan --steps 500                    what convolutions are worth
  python -m dcgan.compare --presets paper,carpedm20,tf-nw --data celeba/ --crop 108 --steps 2000

All presets see the same pictures in the same order, with the same steps, batch size (64) and picture size (64). Other
options that are not given on the command line are each preset's own. Every preset leaves a run folder; the picture
lies beside them.
"""
SHARED = {"batch_size": Config.batch_size, "image_size": Config.image_size}


class Column(NamedTuple):
    """A column of the picture: a preset's name, its last sample grid (GH, GW, C) and the records of its log."""

    name: str
    samples: np.ndarray
    records: list[dict[str, Any]]


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = cli.Parser(prog="python -m dcgan.compare", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("--presets", metavar="A,B", default="dcgan64,basicgan", help="presets (dcgan64,basicgan)")
    cli.add_options(parser, *(name for name in Config.__dataclass_fields__ if name != "preset"))
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    given = vars(parser.parse_args(arguments))
    names, progress = given.pop("presets").split(","), not given.pop("no_progress")
    configs = configurations(names, given)
    columns = []
    for config in configs:
        trainer, run = session.new_run(config, progress)
        if status := session.train(trainer, run, progress):
            return status
        columns.append(column(config.preset, run, trainer.step))
    path = Path(configs[0].out) / f"compare-{'-'.join(names)}.png"
    save_picture(path, columns)
    print(f"side by side: {path}", flush=True)
    return 0


def configurations(names: Sequence[str], given: Mapping[str, Any]) -> list[Config]:
    """Return a config per preset, all checked before the first is trained. Raises UserError."""
    if "steps" not in given:
        raise UserError("--steps: got none, expected the budget that all presets have, a number of batches")
    configs = [presets.config_of({**SHARED, **with_recipe(given), "preset": name}) for name in names]
    for config in configs:
        presets.find(config.preset).check(config)
    return configs


def column(name: str, run: RunDir, step: int) -> Column:
    """Return the column of a run that has ended at this step."""
    from PIL import Image

    with Image.open(run.sample(step)) as image:
        return Column(name, np.asarray(image), log.read(run.log))


def save_picture(path: Path, columns: Sequence[Column]) -> None:
    """Draw sample grids in a row, over the losses on a common scale, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from dcgan.run.curves import PANELS, draw

    figure = Figure(figsize=(5 * len(columns), 8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(5, 3)).flat
    grids = above.subplots(1, len(columns), squeeze=False)
    losses = below.subplots(1, len(columns), squeeze=False, sharey=True)
    for (name, samples, records), top, bottom in zip(columns, grids[0], losses[0], strict=True):
        top.imshow(samples, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        top.set_title(name)
        top.axis("off")
        draw(bottom, *PANELS[0], records)
        bottom.set_xlabel("step")
    buffer = io.BytesIO()
    canvas.print_png(buffer)
    write_atomically(path, buffer.getbuffer())


if __name__ == "__main__":
    sys.exit(main())
