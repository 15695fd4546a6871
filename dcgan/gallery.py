"""A small picture per preset, trained now: python -m dcgan.gallery --steps N --out docs/presets"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dcgan import cli, presets, session
from dcgan.config import Config
from gpunet.files import write_atomically

EXAMPLES = """\
examples:
  python -m dcgan.gallery --steps 300 --out docs/presets                       on the built-in drawn faces
  python -m dcgan.gallery --steps 3000 --data celeba.zip --crop 108 --labelled fashion-mnist/ --out docs/presets

The other options are those of dcgan.train, for every preset. Networks that are told labels train on --labelled.
"""
COLOURS = 128  # in the palette of a picture, which makes the file a third as large


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = cli.Parser(prog="python -m dcgan.gallery", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("--presets", metavar="A,B", default=",".join(presets.PRESETS), help="presets to draw (all)")
    parser.add_argument("--labelled", metavar="PATH", help="labelled data for presets that need it (left out without)")
    cli.add_options(parser, *(name for name in Config.__dataclass_fields__ if name not in ("preset", "samples")))
    given = vars(parser.parse_args(arguments))
    names, labelled = given.pop("presets").split(","), given.pop("labelled")
    out = Path(given.pop("out", "docs/presets"))
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        conditional = presets.find(name).conditional
        if conditional and labelled is None:
            print(f"{name}: needs --labelled", flush=True)
        elif status := draw(name, given | ({"data": labelled} if conditional else {}), out / f"{name}.png"):
            return status
    return 0


def draw(name: str, given: Mapping[str, Any], path: Path) -> int:
    """Train a preset in a folder that is then thrown away, and keep its last sample grid; return the exit status."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        count = 40 if presets.find(name).conditional else 36  # ten classes side by side, or six rows of six
        config = presets.config_of({**given, "preset": name, "out": folder, "samples": count})
        trainer, run = session.new_run(config, progress=True)
        if status := session.train(trainer, run, progress=True):
            return status
        with Image.open(run.sample(trainer.step)) as image:
            buffer = io.BytesIO()
            (image if image.mode == "L" else image.quantize(COLOURS)).save(buffer, "PNG", optimize=True)
        write_atomically(path, buffer.getbuffer())
    print(f"{path}: {trainer.step} steps", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
