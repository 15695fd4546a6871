"""Show the layers of a preset or of a run: python -m dcgan.summary NAME"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dcgan import cli
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.options import option_name
from dcgan.presets import OF_NETWORKS, PRESETS, config_of, find
from dcgan.run.folder import RunDir
from gpunet import backend
from gpunet.layers import Conv2d, ConvTranspose2d, Layer, Linear, Residual, Sequential, SpectralNorm

EXAMPLES = """\
examples:
  python -m dcgan.summary dcgan64
  python -m dcgan.summary carpedm20 --image-size 108x80 --channels 1
  python -m dcgan.summary runs/0003-dcgan64       the networks of a run

FLOPs are those of the convolutions and dense layers for one picture, forward; a
multiplication and an addition are two.
"""


class Row(NamedTuple):
    """A layer: its name, the shape of a sample behind it, its parameters and its floating-point operations."""

    name: str
    shape: tuple[int, ...]
    parameters: int
    flops: int


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = vars(parser().parse_args(arguments))
    run = RunDir(given["preset"])
    config = of_run(run, given) if run.config.is_file() else config_of(given)
    find(config.preset).check(config)
    print(report(config))
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    prog = "python -m dcgan.summary"
    parser = cli.Parser(prog=prog, usage=f"{prog} [PRESET|RUN] [options]", description=__doc__, epilog=EXAMPLES)
    help = "preset to show, or a run folder (dcgan64)"
    parser.add_argument("preset", metavar="PRESET", nargs="?", default=Config.preset, help=help)
    cli.add_options(parser, "image_size", "channels", "width", "z_dim", *OF_NETWORKS)
    return parser


def of_run(run: RunDir, given: Mapping[str, Any]) -> Config:
    """Return the config of a run. UserError: other options are given, which its networks can't follow."""
    if others := sorted(set(given) - {"preset"}):
        raise UserError(f"{option_name(others[0])}: goes with a preset; {run.path} is a run")
    return Config.read(run.config)


def report(config: Config) -> str:
    """Return the tables of both networks."""
    preset = find(config.preset)
    z, picture = (1, 1, config.z_dim), (*config.image_size, config.channels or 3)
    parts = [f"{config.preset}: {preset.summary}"]
    for title, net, shape in (("G", preset.generator(config), z), ("D", preset.discriminator(config), picture)):
        parts += ["", f"{title}  from {_shape(shape)}", *_table(list(rows(net, shape)))]
    return "\n".join(parts)


def rows(net: Sequential, shape: tuple[int, ...]) -> Iterator[Row]:
    """Yield the layers of a network for samples of this shape, found by sending two of them through."""
    net.eval()
    with backend.use("reference"), net.given(np.zeros(2, "int32")):
        yield from _rows(net, np.zeros((2, *shape), "float32"))


def _rows(net: Sequential, x: np.ndarray) -> Iterator[Row]:
    for layer in net.layers:
        y = layer.forward(x)
        yield Row(name_of(layer), y.shape[1:], count(layer), flops(layer, x, y))
        x = y


def name_of(layer: Layer) -> str:
    """Return a layer as the table shows it; a residual block by the kinds of its layers, path by path."""
    if not isinstance(layer, Residual):
        return repr(layer)
    shown = [" ".join(type(getattr(inner, "layer", inner)).__name__ for inner in path.layers) for path in paths(layer)]
    return "Residual: " + " | ".join([*shown, "x"] if layer.shortcut is None else shown)


def paths(layer: Residual) -> list[Sequential]:
    """Return the branch of a residual block and, if it has one, its shortcut."""
    return [path for path in (layer.branch, layer.shortcut) if isinstance(path, Sequential)]


def flops(layer: Layer, x: np.ndarray, y: np.ndarray) -> int:
    """Return the operations of a layer's product for one sample; 0 for layers without one."""
    if isinstance(layer, SpectralNorm):
        return flops(layer.layer, x, y)
    if isinstance(layer, Residual):
        return sum(row.flops for path in paths(layer) for row in _rows(path, x))
    if isinstance(layer, Linear):
        return 2 * layer.weight.data.size
    if isinstance(layer, Conv2d):
        return 2 * layer.weight.data.size * y.shape[1] * y.shape[2]
    if isinstance(layer, ConvTranspose2d):  # the convolution whose input gradient it is goes from y to x
        return 2 * layer.weight.data.size * x.shape[1] * x.shape[2]
    return 0


def count(net: Layer) -> int:
    """Return how many numbers are trained."""
    return sum(parameter.data.size for parameter in net.parameters())


def _table(found: Sequence[Row]) -> list[str]:
    width = max(len(row.name) for row in found)
    lines = [f"{'':3}  {'':{width}}  {'output':>14}  {'parameters':>12}  {'MFLOPs':>9}"]
    for number, row in enumerate(found):
        cost = f"{row.flops / 1e6:,.2f}" if row.flops else ""
        own = f"{row.parameters:,}" if row.parameters else ""
        lines.append(f"{number:3}  {row.name:{width}}  {_shape(row.shape):>14}  {own:>12}  {cost:>9}".rstrip())
    parameters, total = sum(row.parameters for row in found), sum(row.flops for row in found)
    return [*lines, f"{'':3}  {'in all':{width}}  {'':14}  {parameters:>12,}  {total / 1e6:>9,.2f}"]


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def listing() -> str:
    """Return all presets with their picture size, the parameters of G and D, and what they are."""
    lines = [f"{'preset':16} {'size':>8} {'G':>11} {'D':>11}  what it is"]
    for name, preset in PRESETS.items():
        config = config_of({"preset": name})
        shape = (*config.image_size, config.channels or 3)
        G, D = (f"{count(build(config)):,}" for build in (preset.generator, preset.discriminator))
        lines.append(f"{name:16} {'x'.join(map(str, shape)):>8} {G:>11} {D:>11}  {preset.summary}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
