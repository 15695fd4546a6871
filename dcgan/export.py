"""Write a run's networks for other programs: python -m dcgan.export RUN --out PATH"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dcgan import cli, options, trained
from dcgan.errors import UserError
from dcgan.exchange import hub, npz, onnx_file, pth, safetensors, weights
from dcgan.exchange.browser import page
from dcgan.exchange.weights import Weights, gathered
from dcgan.trained import NETWORKS, Trained
from gpunet.files import write_atomically

EXAMPLES = """\
examples:
  python -m dcgan.export RUN --to pth --out torch/
                                   netG.pth and netD.pth, for load_state_dict of
                                   pytorch/examples where the preset is dcgan64
  python -m dcgan.export RUN --to safetensors --out run.safetensors
  python -m dcgan.export RUN --to npz --out run.npz
  python -m dcgan.export RUN --to hub --out model/
                                   a folder for the Hugging Face Hub
  python -m dcgan.export RUN --to onnx --out onnx/
                                   G.onnx (z -> pictures) and D.onnx (pictures
                                   -> logits), for any number of pictures
  python -m dcgan.export RUN --to html --out page.html
                                   one file, which a browser opens and which
                                   needs no network

Of what export writes, dcgan.load, dcgan.generate and the other commands take
all but .onnx and .html in place of a run; netG.pth of pytorch/examples, too.
"""


class Format(NamedTuple):
    """A --to: what writes it, the ending of its file ("": a folder), and what it is."""

    write: Callable[[Path, Trained], None]
    ending: str
    what: str


def _of_weights(write: Callable[[Path, Weights], None]) -> Callable[[Path, Trained], None]:
    return lambda out, run: write(out, gathered(run))


def _write_pth(folder: Path, run: Weights) -> None:
    """Write netG.pth, netD.pth, and config.json, which says what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, arrays in (("netG", run.G), ("netD", run.D)):
        if arrays is not None:
            pth.write(folder / f"{name}.pth", {weights.MAIN + key: array for key, array in arrays.items()})
    write_atomically(folder / weights.TEXTS, hub.as_json(run))


FORMATS = {
    "pth": Format(_of_weights(_write_pth), "", "PyTorch's state dicts netG.pth and netD.pth"),
    "safetensors": Format(
        _of_weights(lambda out, run: safetensors.write(out, run.joined(), run.texts())), ".safetensors", "one file"
    ),
    "npz": Format(_of_weights(lambda out, run: npz.write(out, run.joined(), run.texts())), ".npz", "one file of NumPy"),
    "hub": Format(_of_weights(hub.write), "", "a folder with model.safetensors, config.json and a model card"),
    "onnx": Format(onnx_file.write, "", "G.onnx and D.onnx for ONNX Runtime"),
    "html": Format(page.write, ".html", "a page that draws with G in the browser"),
}
ENDINGS = {".pth", ".onnx"} | {form.ending for form in FORMATS.values() if form.ending}  # of files, not of folders


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    form = FORMATS[options.named("--to", options.choice(*FORMATS), given.to)]
    if given.weights is not None:
        options.named("--weights", options.choice(*NETWORKS), given.weights)
    out = as_output(given.out, form, given.overwrite)
    run = trained.load(given.run, {"device": "cpu"}, given.weights, with_D=True)
    form.write(out, run)
    cli.say(f"{run.run}, step {run.step}, weights {run.weights}: {out}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(prog="python -m dcgan.export", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="a run folder, a checkpoint file, or a file of weights")
    forms = "; ".join(f"{name}, {form.what}" for name, form in FORMATS.items())
    parser.add_argument("--to", metavar="FORMAT", required=True, help=f"format: {forms}")
    parser.add_argument("--out", metavar="FILE|DIR", required=True, help="file or folder to write")
    parser.add_argument("--weights", metavar="NAME", help="weights of G: ema or raw (ema where the run has it)")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    return parser


def as_output(text: str, form: Format, overwrite: bool) -> Path:
    """Return the path to write to. UserError: it is of another kind, or there already."""
    out = Path(text)
    if out.suffix.lower() != form.ending and form.ending:
        raise UserError(f"--out: got '{text}', expected a {form.ending} file")
    if not form.ending and out.suffix.lower() in ENDINGS and not out.is_dir():
        raise UserError(f"--out: got '{text}', expected a folder, for {form.what}")
    if form.ending and out.is_dir():
        raise UserError(f"--out: {out} is a folder, expected a file")
    if not form.ending and out.exists() and not out.is_dir():
        raise UserError(f"--out: {out} is a file, expected a folder")
    there = out.is_file() or (out.is_dir() and any(out.iterdir()))
    if there and not overwrite:
        raise UserError(f"--out: {out} is there already: choose another name, or replace it with --overwrite")
    if form.ending:
        out.parent.mkdir(parents=True, exist_ok=True)
    return out


if __name__ == "__main__":
    sys.exit(main())
