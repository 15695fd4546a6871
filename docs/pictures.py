"""How each picture of docs/ is made, and whether it is stale: python docs/pictures.py [NAME ...]

    python docs/pictures.py                 lists all pictures: current, stale or missing
    python docs/pictures.py cells.png       makes one anew

Each PNG holds a fingerprint of its maker as text: a hash of the commands and of the sources that PICTURES names.
Comments, docstrings and blank lines do not count. A picture whose maker has another fingerprint today is stale. A
preset's picture also holds every option of its training; it is stale where one of them has another value today.

carpedm20-mnist needs Fashion-MNIST in the folder fashion-mnist (docs/presets.md), the plots of benchmarks need PyTorch
and a machine that does nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measure.text_table import write_between  # noqa: E402
from dcgan import gallery  # noqa: E402
from dcgan.presets import find  # noqa: E402
from gpunet.files import write_atomically  # noqa: E402

MAKER = "maker"  # the text chunk of the fingerprint
GIF_COMMENT = b"!\xfe" + bytes([len(MAKER) + 17])  # begins a comment of "maker=" and 16 digits; 0 ends it
GALLERY = "--steps 900 --narrow 3 --batch-size 32"  # of all presets
FAST = "--lr 1e-3 --beta1 0 --lr-schedule constant"  # of those that train on the drawn faces
LABELLED = "--labelled fashion-mnist/data/fashion"  # for the one that needs labels
FACES = "dcgan/data/faces/*.py"
BROKEN = ("healthy", "digits", "not-detached", "affine", "wrong-range", "strong-d", "many-d-steps", "train-mode",
          "lost-statistics", "z-mismatch", "label-leak", "wrong-labels", "borders", "checkerboard")  # fmt: skip
TRAINING = ("dcgan/steps.py", "dcgan/presets/parts.py")


class Picture(NamedTuple):
    """Shell commands that write the picture into {folder}, and the sources that decide what it shows."""

    commands: tuple[str, ...]
    sources: tuple[str, ...]


def drawings() -> dict[str, Picture]:
    """Return the figures of docs/drawings: each page names its own, and their other sources, in two tables."""
    found = {}
    for page in sorted((HERE / "drawings").glob("*.py")):
        tables = [each for each in ast.parse(page.read_text(encoding="utf-8")).body if isinstance(each, ast.Assign)]
        named = {getattr(each.targets[0], "id", ""): each.value for each in tables}
        more = ast.literal_eval(named["SOURCES"]) if "SOURCES" in named else {}
        for key in getattr(named.get("FIGURES"), "keys", []):
            name = ast.literal_eval(key)
            own = f"docs/drawings/{page.name}", "docs/drawings/parts.py", *more.get(name, [])
            found[f"{name}.png"] = Picture((f"python docs/figures.py {name} --out {{folder}}",), own)
    return found


def _preset(name: str, *pages: str) -> Picture:
    pages = tuple(f"dcgan/presets/{page}.py" for page in (name.replace("-", "_"), *pages))
    own, faces = (LABELLED, ()) if find(name).conditional else (FAST, (FACES,))
    command = f"python -m dcgan.gallery --presets {name} {GALLERY} {own} --device cpu --no-progress --out {{folder}}"
    return Picture((command,), (*pages, *TRAINING, *faces))


def _demo(name: str, steps: str = "") -> Picture:
    """The last sample grid of what `make demo` trains."""
    train = f"$(make --no-print-directory -n demo {steps} | tail -n 1) --no-progress --out {{folder}}/runs"
    keep = f"cp $(ls {{folder}}/runs/*/samples/0*.png | tail -n 1) {{folder}}/{name}"
    return Picture((train, keep), ("Makefile", "dcgan/presets/dcgan64.py", *TRAINING, FACES))


def _broken(name: str) -> Picture:
    return Picture((f"python docs/broken.py {name} --out {{folder}}",), ("docs/broken*.py", FACES))


def _paper(name: str, *sources: str) -> Picture:
    sources = ("docs/paper.py", "dcgan/presets/dcgan64.py", *TRAINING, FACES, *sources)
    return Picture((f"python docs/paper.py {name} --out {{folder}}",), sources)


PICTURES = {
    **drawings(),
    "demo.png": _demo("demo.png"),
    "demo-ten-minutes.png": _demo("demo-ten-minutes.png", "DEMO_STEPS=4500"),
    "lessons/training.gif": Picture(
        ("python docs/training_gif.py --out {folder}",), ("docs/training_gif.py", "docs/broken*.py", FACES)
    ),
    "roofline.png": Picture(
        (
            "python -m benchmarks.ops --json {folder}/ops.json",
            "python -m benchmarks.roofline_plot {folder}/ops.json --out {folder}/roofline.png",
        ),
        ("benchmarks/roofline_plot.py", "benchmarks/ops.py", "benchmarks/op_cases.py"),
    ),
    "scaling.png": Picture(
        ("python -m benchmarks.scaling --out {folder}/scaling.png",),
        ("benchmarks/scaling.py", "benchmarks/once.py"),
    ),
    "presets/dcgan64.png": _preset("dcgan64"),
    "presets/paper.png": _preset("paper", "kernel5"),
    "presets/carpedm20.png": _preset("carpedm20", "kernel5"),
    "presets/carpedm20-mnist.png": _preset("carpedm20-mnist"),
    "presets/tf-nw.png": _preset("tf-nw", "kernel5"),
    "presets/basicgan.png": _preset("basicgan"),
    "presets/anime96.png": _preset("anime96"),
    "presets/monn28.png": _preset("monn28"),
    **{f"broken/{name}.png": _broken(name) for name in BROKEN},
    "paper/arithmetic.png": _paper("arithmetic", "dcgan/experiments/picking.py"),
    "paper/turn.png": _paper("turn", "dcgan/experiments/picking.py"),
    "paper/walk.png": _paper("walk", "dcgan/latent_walks.py"),
    "paper/neighbours.png": _paper("neighbours", "dcgan/experiments/nearest.py"),
    "paper/filters.png": _paper("filters", "dcgan/experiments/guided.py"),
    "paper/forget.png": _paper("forget", "dcgan/experiments/forgetting.py"),
}


def state(name: str) -> str:
    """Return "current", "stale: why" or "missing"."""
    if not (HERE / name).exists():
        return "missing"
    texts = texts_of(HERE / name)
    if texts.get(MAKER) != fingerprint(PICTURES[name]):
        return "stale: its maker has changed since"
    if "config" in texts and (changed := changed_options(name, json.loads(texts["config"]))):
        return f"stale: {', '.join(changed)} of the preset changed since"
    return "current"


def texts_of(path: Path) -> dict[str, str]:
    """Return the text chunks of a PNG; of a GIF its fingerprint."""
    from PIL import Image

    if path.suffix == ".gif":
        _, begun, comment = path.read_bytes().rpartition(GIF_COMMENT)
        return {MAKER: comment.decode("latin-1").removeprefix(f"{MAKER}=").removesuffix("\0;")} if begun else {}

    with Image.open(path) as image:
        return dict(image.text)


def changed_options(name: str, before: dict[str, Any]) -> list[str]:
    """Return the options of a preset's picture that have other values today.

    New options do not count, nor do those that a gallery makes no use of, such as how often samples are drawn.
    """
    words = shlex.split(PICTURES[name].commands[0])[3:]
    (config,) = gallery.configurations(vars(gallery.parser().parse_args(words)))
    today = json.loads(json.dumps(asdict(config)))
    used = {option: value for option, value in before.items() if option not in gallery.UNUSED}
    return [option for option, value in used.items() if option not in today or today[option] != value]


def fingerprint(picture: Picture) -> str:
    """Return 16 hexadecimal digits that change with the commands, and with what the sources do."""
    files = [path for source in picture.sources for path in sorted(ROOT.glob(source))]
    parts = [picture.commands, *[(path.relative_to(ROOT).as_posix(), program(path)) for path in files]]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def program(path: Path) -> Any:
    """Return what counts of a source: its syntax tree; of the Makefile the settings of the demo."""
    text = path.read_text(encoding="utf-8")
    return tree(ast.parse(text)) if path.suffix == ".py" else re.findall(r"^DEMO_\w+ \?= .*$", text, re.M)


def tree(node: Any) -> Any:
    """Return a syntax tree as nested tuples, without docstrings.

    Empty fields are left out: newer versions of Python have more of them.
    """
    if isinstance(node, list):
        return tuple(map(tree, node))
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    return type(node).__name__, *((name, tree(value)) for name, value in fields.items() if value not in (None, []))


def make(name: str) -> None:
    """Run the commands of a picture and put it in its place, with its fingerprint. Raises CalledProcessError."""
    picture, environment = PICTURES[name], dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as folder:
        for command in picture.commands:
            print(command.format(folder=folder), flush=True)
            subprocess.run(command.format(folder=folder), shell=True, check=True, cwd=ROOT, env=environment)
        made = Path(folder, name)  # or without the folders in front of it
        stamp(made if made.exists() else Path(folder, made.name), HERE / name, fingerprint(picture))


def stamp(made: Path, place: Path, mark: str) -> None:
    """Copy a picture to its place with the fingerprint in front of its end; no pixel changes.

    It is a text chunk in a PNG, and a comment in a GIF.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if made.suffix == ".gif":
        write_atomically(place, made.read_bytes()[:-1] + GIF_COMMENT + f"{MAKER}={mark}".encode() + b"\0;")
        return
    data = f"{MAKER}\0{mark}".encode()
    chunk = struct.pack(">I", len(data)) + b"tEXt" + data + struct.pack(">I", zlib.crc32(b"tEXt" + data))
    png = made.read_bytes()
    write_atomically(place, png[:-12] + chunk + png[-12:])  # IEND has 12 bytes


def presets_table() -> str:
    """Return the table of docs/presets.md: what the presets' pictures say of their trainings."""
    found = [texts_of(HERE / name) for name in PICTURES if name.startswith("presets/")]
    dates = sorted({texts["date"] for texts in found})
    rows = gallery.table([gallery.row_of(texts) for texts in found])
    return f"Trained on {' and '.join(dates)}:\n{rows}"


def broken_table() -> str:
    """Return the table of docs/broken.md: the numbers of the pictures there, as their texts say them."""
    lines = [
        "| training | D(x) | D(G(z)) | loss D | loss G | contrast | variety | checker |",
        "| --- |" + " ---: |" * 7,
    ]
    for name in BROKEN:
        numbers = json.loads(texts_of(HERE / f"broken/{name}.png")["numbers"])
        lines += [f"| {name} | {' | '.join(f'{number:.2f}' for number in numbers)} |"]
    return "\n".join(lines)


def course_table() -> str:
    """Return the table of docs/training.md: the log of the healthy training of docs/broken.md, part by part."""
    lines = ["| steps | loss D | loss G | D(x) | D(G(z)) |", "| --- |" + " ---: |" * 4]
    for first, last, *means in json.loads(texts_of(HERE / "broken/healthy.png")["course"]):
        steps = f"{first} to {last}" if first < last else f"{first}"
        lines += [f"| {steps} | {' | '.join(f'{mean:.2f}' for mean in means)} |"]
    return "\n".join(lines)


def write_tables(names: list[str]) -> None:
    """Write the tables of the pages whose pictures have been made."""
    if any(name.startswith("presets/") for name in names):
        write_between(HERE / "presets.md", "gallery", presets_table())
    if any(name.startswith("broken/") for name in names):
        write_between(HERE / "broken.md", "numbers", broken_table())
        write_between(HERE / "training.md", "course", course_table())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 1 where the list has a stale picture or a command fails."""
    parser = argparse.ArgumentParser(description="Make pictures of docs/ anew, or list which are stale.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="pictures to make, such as presets/paper.png")
    names = parser.parse_args(arguments).names
    if unknown := sorted(set(names) - set(PICTURES)):
        parser.error(f"got {', '.join(unknown)}, expected some of {', '.join(PICTURES)}")
    try:
        for name in names:
            make(name)
    except subprocess.CalledProcessError as error:
        print(f"status {error.returncode}: {error.cmd}", file=sys.stderr)
        return 1
    write_tables(names)
    states = {name: state(name) for name in names or PICTURES}
    print("\n".join(f"{name:30}{said}" for name, said in states.items()))
    return int(any(said.startswith("stale") for said in states.values()))


if __name__ == "__main__":
    sys.exit(main())
