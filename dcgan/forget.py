"""Make G forget a thing, such as windows: python -m dcgan.forget RUN

Boxes round the thing, on numbered samples, say which filters of G draw it; G
then draws without those.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dcgan import cli, options, sampling
from dcgan.errors import UserError
from dcgan.experiments import boxes, command, forgetting, picking
from dcgan.experiments.boxes import Box
from dcgan.experiments.command import Sheet
from dcgan.trained import Trained
from gpunet import backend
from gpunet.backend.devices import Array

EXAMPLES = """\
examples:
  python -m dcgan.arithmetic RUN --out numbers.png
                               pictures with numbers, to draw boxes on
  python -m dcgan.forget RUN --box 3:20,30,44,40 --box 7:22,30,44,41 \\
      --out without.png
  python -m dcgan.forget RUN --boxes windows.csv --out without.png

A box is number:left,top,right,bottom in pixels of a picture as G draws it. A
line of windows.csv is number,left,top,right,bottom; a .json file holds a list
of such lists. The sheet has new pictures, each over the same without the
filters. The paper draws 52 boxes.
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    sheet, seed = Sheet(given, "forget"), command.number(given, "seed", options.integer(0), 0)
    new_seed = command.number(given, "new_seed", options.integer(0), seed + 1)
    count = command.number(given, "count", options.integer(1, sampling.BATCH), 12)
    nearness = command.number(given, "layer", options.integer(1), None)
    threshold = command.number(given, "threshold", options.number("[0, 1e9]"), 0.0)
    by = command.opened(given)
    size, label = by.config.image_size, command.label_of(given, by)
    drawn = boxes.from_words(given.box, size) + (boxes.from_file(Path(given.boxes), size) if given.boxes else [])
    if not drawn:
        raise UserError("expected --box or --boxes: where on the pictures is what G shall forget?")
    name, filters = dropped(by, drawn, seed, nearness, threshold, label)
    z = on_device(by, picking.z_of(by.config, new_seed, list(range(1, count + 1))))
    with by.G.given(labels(by, count, label)):
        before = as_pictures(by, by.G.forward(z))
        after = as_pictures(by, forgetting.drawn_without(by.G, z, name, filters))
    sheet.write(rows_of(before, after), command.texts(by, seed=new_seed, label=label, filters=len(filters), layer=name))
    cli.say(f"{count:,} pictures of seed {new_seed}, each over the same without these filters: {sheet.path}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = command.parser("forget", __doc__, EXAMPLES)
    add = parser.add_argument
    box = "box on a sample, such as 3:20,30,44,40; may be given again"
    add("--box", metavar="BOX", action="append", default=[], help=box)
    add("--boxes", metavar="FILE", help="a .csv or .json file of boxes")
    add("--layer", metavar="N", help="feature map of G, counted from the picture (2, or 1 where there is no other)")
    add("--threshold", metavar="X", help="leave out filters whose weight is above X (0)")
    add("--seed", metavar="N", help="seed of the pictures that the boxes are drawn on (0)")
    add("--new-seed", metavar="N", help="seed of the pictures to show (one more than --seed)")
    add("--count", metavar="N", help=f"pictures to show, at most {sampling.BATCH} (12)")
    add("--label", metavar="NAME|N", help="class of all pictures, if the networks are told classes")
    command.add_picture_options(parser)
    return parser


def dropped(
    by: Trained, drawn: list[Box], seed: int, nearness: int | None, threshold: float, label: int | None
) -> tuple[str, np.ndarray]:
    """Return the name of the layer, and its filters whose weight is above the threshold; say what was found."""
    numbers = sorted({box.number for box in drawn})
    zs = picking.z_of(by.config, seed, numbers)
    with by.G.given(labels(by, 1, label)):
        names = forgetting.map_names(by.G, on_device(by, zs[:1]))
    nearness = min(2, len(names)) if nearness is None else nearness
    if nearness > len(names):
        most = f"1 to {len(names)}, the feature maps" if len(names) > 1 else "1, the only feature map"
        raise UserError(f"--layer: got {nearness}, expected {most} of {by.run}")
    name, maps = names[nearness - 1], []
    for start in range(0, len(zs), sampling.BATCH):
        some = zs[start : start + sampling.BATCH]
        with by.G.given(labels(by, len(some), label)):
            maps.append(forgetting.feature_map(by.G, on_device(by, some), name))
    rng = np.random.default_rng(seed)
    x, inside = forgetting.examples(np.concatenate(maps), numbers, drawn, by.config.image_size, rng)
    weights, right = forgetting.logistic_regression(x, inside)
    filters = np.flatnonzero(weights > threshold)
    boxes_drawn = f"{len(drawn):,} box{'es' * (len(drawn) != 1)}"
    cli.say(
        f"{boxes_drawn}, {int(inside.sum()):,} places in them and {int((~inside).sum()):,} others, told "
        f"apart in {100 * right:.1f} %; left out: {len(filters):,} of {len(weights):,} filters of layer {name}"
    )
    if not len(filters):
        cli.say("no filter speaks for what is in the boxes: draw more of them, or take another --layer")
    return name, filters


def on_device(by: Trained, z: np.ndarray) -> Array:
    """Return z on the device of G."""
    return backend.to_device(z, backend.device_of(by.G.parameters()[0].data))


def labels(by: Trained, count: int, label: int | None) -> Array | None:
    """Return labels (count,), all of one class, or None for networks that are told none."""
    return None if label is None else on_device(by, np.full(count, label, "int32"))


def as_pictures(by: Trained, x: Array) -> np.ndarray:
    """Return G's numbers as pictures, uint8 (N, H, W, C)."""
    return backend.to_numpy(backend.real_to_images(x, sampling.lowest(by.G)))


def rows_of(before: np.ndarray, after: np.ndarray, columns: int = 6) -> list[list[tuple[np.ndarray | None, str]]]:
    """Return the rows of the sheet: pictures over the same after filters were left out, `columns` beside each other."""
    rows: list[list[tuple[np.ndarray | None, str]]] = []
    for start in range(0, len(before), columns):
        for pictures, caption in ((before, "{}"), (after, "without")):
            some = pictures[start : start + columns]
            rows.append([(picture, caption.format(start + i)) for i, picture in enumerate(some, 1)])
    return rows


if __name__ == "__main__":
    sys.exit(main())
