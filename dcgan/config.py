"""Config: every option of a run, its default, its check and its help, in one table.

The command line is made from this table, `config.json` in the run folder is this table filled in, and every checkpoint
holds a copy. Defaults are those of the preset `dcgan64`; another preset's settings replace them, a recipe's settings
replace those, and options given on the command line replace all (`presets.config_of`).
"""

from __future__ import annotations

import codecs
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dcgan import options
from dcgan.errors import UserError
from dcgan.options import Size, option, option_name

# The words that options take. They stand here, and not where they are used, so that --help loads no networks;
# tests/dcgan/test_config.py checks that both agree.
RECIPES = ("celeba", "celeba28", "anime96", "mnist", "lsun")  # the table of dcgan.data.recipe
LABELS = ("auto", "folder", "none")  # read in dcgan.data.formats.labels
IMPLEMENTATIONS = ("kernels", "reference")  # of gpunet.backend, as the next two lines
PRECISIONS = ("fp32", "tf32x3", "tf32", "bf16", "fp16")
CONVOLUTIONS = ("auto", "direct", "winograd2", "winograd4")
INITS = ("dcgan", "normal", "truncated", "glorot", "torch")  # of dcgan.presets.parts


# The marks of text files in UTF-16 and UTF-32; that of UTF-32 begins with that of UTF-16, so it comes first.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# The groups that --help shows the options in, and the first option of each.
GROUPS = {
    "pictures": "data",
    "machine": "device",
    "files of the run": "out",
    "networks": "preset",
    "networks, where a preset leaves the choice": "bias",
    "training": "epochs",
}


@dataclass(frozen=True)
class Config:
    """Every option of a run, group by group (GROUPS). Values may be given as text; a bad one raises UserError."""

    # The pictures: where they come from, which of them, what they are cut and resized to (docs/data.md)
    data: str | None = option(
        None,
        options.text,
        "pictures: a folder, .zip, .tar, idx (MNIST), CIFAR-10, .npy, .npz, LMDB or .h5; without it, drawn faces",
        "PATH",
    )
    recipe: str | None = option(
        None,
        options.choice(*RECIPES),
        "the usual crop, size and channels for celeba, celeba28, anime96, mnist or lsun; other options win over it",
        "NAME",
    )
    image_size: Size = option((64, 64), options.size, "height and width of the pictures", "N|HxW")
    channels: int | None = option(None, options.channels, "1 grey, 3 colour; without it, as the data is")
    crop: Size | None = option(None, options.size, "size of the centre that is cut out before resizing", "PX|HxW")
    pattern: str | None = option(None, options.text, "only files whose path or name matches, such as '*.png'", "GLOB")
    train_size: int | None = option(None, options.integer(1), "at most so many pictures, spread over the data")
    labels: str = option(
        "auto",
        options.choice(*LABELS),
        "labels of the pictures: auto, those of the data or of two or more subfolders; folder, the subfolders; none",
        "NAME",
    )
    flip: bool = option(False, options.flag, "mirror each picture with probability 1/2")

    # Where the run computes
    device: str = option(
        "auto",
        options.choice("auto", "cpu", "cuda"),
        "where to compute: cpu, cuda (the GPU), or auto, the GPU if there is one",
        "NAME",
    )
    implementation: str | None = option(
        None,
        options.choice(*IMPLEMENTATIONS),
        "code that computes: kernels (our CUDA sources; the default if there is a compiler) or reference (array code)",
        "NAME",
    )
    precision: str | None = option(
        None,
        options.choice(*PRECISIONS),
        "rounding of what is multiplied: fp32, tf32x3 (float's digits on tensor cores), tf32, bf16 or fp16; the "
        "default is tf32 on GPUs that have it, else fp32",
        "NAME",
    )
    conv: str = option(
        "auto",
        options.choice(*CONVOLUTIONS),
        "algorithm of convolutions: direct, winograd2 or winograd4 (fewer products, in tiles of 2x2 or 4x4), or auto",
        "NAME",
    )
    graph: bool = option(True, options.flag, "replay the training step as one CUDA graph, on a GPU")

    # Files that the run leaves in its folder; none of these options changes its pictures
    out: str = option("runs", options.text, "folder in which run folders are made", "DIR")
    samples: int = option(64, options.integer(1), "pictures in a sample grid")
    real_grids: bool = option(False, options.flag, "save a grid of the step's real pictures beside every sample grid")
    tensorboard: bool = option(False, options.flag, "write event files for TensorBoard: numbers, histograms, grids")
    sample_every: int | str = option(200, options.cadence, "steps or epochs (as in 5ep) between sample grids", "N|Nep")
    checkpoint_every: int | str = option(500, options.cadence, "steps or epochs between checkpoints", "N|Nep")
    keep: int = option(3, options.integer(1), "number of checkpoints that stay, the newest ones")
    checkpoint_minutes: float = option(
        1.0,
        options.number("[0, inf)"),
        "a checkpoint so many minutes after the start, if none was due by then; it goes with the next one; 0: none",
        "X",
    )

    # The networks
    preset: str = option("dcgan64", options.text, "DCGAN to train: its networks and its settings", "NAME")
    width: int = option(64, options.integer(1), "filters of the layer next to the pictures (ngf and ndf)")
    z_dim: int = option(100, options.integer(1), "numbers in a z, the random vector that a picture is made from (nz)")
    z_dist: str = option(
        "normal",
        options.choice("normal", "uniform", "unsigned"),
        "distribution of z: normal N(0, 1), uniform U(-1, 1) or unsigned U(0, 1)",
        "NAME",
    )
    init: str | None = option(
        None,
        options.choice(*INITS),
        "first weights, instead of the preset's: dcgan, normal, truncated, glorot or torch",
        "NAME",
    )

    # Options of the networks that only some presets leave open
    bias: bool = option(False, options.flag, "give convolutions biases")
    padding: str = option(
        "same",
        options.choice("same", "symmetric"),
        "zeros around maps for 5x5 kernels: same (1 before, 2 behind) or symmetric (2, 2)",
        "NAME",
    )
    projection_norm: str = option(
        "channel",
        options.choice("channel", "feature", "none"),
        "batch norm behind G's dense layer: per channel, per feature or none",
        "NAME",
    )
    bn_scale: bool = option(True, options.flag, "give batch norm a scale")
    bn_eps: float = option(1e-5, options.number("(0, 1)"), "batch norm's epsilon", "X")
    bn_momentum: float = option(0.1, options.number("(0, 1]"), "weight of the newest batch in running averages", "X")
    output: str = option(
        "tanh", options.choice("tanh", "sigmoid"), "G's last layer: tanh [-1, 1] or sigmoid [0, 1]", "NAME"
    )
    sampling_statistics: str = option(
        "running",
        options.choice("running", "batch"),
        "statistics with which batch norm draws samples: running averages, or those of the batch of samples",
        "NAME",
    )
    classes: int | None = option(None, options.integer(1), "classes of networks with labels (those of the data)")

    # The training
    epochs: int = option(25, options.integer(1), "passes over the data in total, those before a resume included")
    steps: int | None = option(None, options.integer(1), "batches in total, instead of --epochs")
    batch_size: int = option(64, options.integer(1), "pictures per step")
    lr: float = option(2e-4, options.number("(0, inf)"), "learning rate, of Adam", "X")
    beta1: float = option(0.5, options.number("[0, 1)"), "Adam's decay of the first moment", "X")
    beta2: float = option(0.999, options.number("[0, 1)"), "Adam's decay of the second moment", "X")
    ratio: tuple[int, int] = option((1, 1), options.ratio, "m generator steps after every n discriminator steps", "n:m")
    fresh_z: bool = option(False, options.flag, "draw a new z for generator steps, not the discriminator step's again")
    alternate: bool = option(False, options.flag, "train one network only with each batch: m batches G, then n D")
    lr_schedule: str = option(
        "constant",
        options.choice("constant", "step", "linear"),
        "course of the learning rate: constant, step (times --lr-decay every --lr-period epochs) or linear (down to 0)",
        "NAME",
    )
    lr_decay: float = option(0.2, options.number("(0, 1]"), "factor of the step schedule", "X")
    lr_period: int = option(3, options.integer(1), "epochs from one such factor to the next")
    l2: float = option(0.0, options.number("[0, inf)"), "weight of the penalty on squared weights", "X")
    real_target: float = option(1.0, options.number("(0, 1]"), "answer that D learns to give to real pictures", "X")
    fake_target: float = option(0.0, options.number("[0, 1)"), "answer that D learns to give to G's pictures", "X")
    generator_target: float = option(1.0, options.number("(0, 1]"), "answer of D that G learns to get", "X")
    last_batch: str = option(
        "drop",
        options.choice("drop", "wrap"),
        "pictures left over at an epoch's end: drop them, or wrap them into a batch with the next epoch's first",
        "NAME",
    )
    seed: int = option(
        0, options.integer(0, 2**128 - 1), "random seed of weights, z, the order of the data and the drawn faces"
    )
    ema: float = option(
        0.999,
        options.number("[0, 1)"),
        "largest decay of the moving average of G's weights, which draws the samples; 0: no average",
        "X",
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None or item.default is not None:
                checked = options.named(option_name(item.name), item.metadata["kind"], value)
                object.__setattr__(self, item.name, checked)

    def to_json(self) -> str:
        """Return the options as JSON text, one a line."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Config:
        """Return the config of a `to_json` file. UserError, which names the file: it cannot be read, or see below."""
        try:
            text = decoded(path.read_bytes())
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is no text in UTF-8") from error
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from error
        return cls.from_json(text, str(path))

    @classmethod
    def from_json(cls, text: str, origin: str = "config.json") -> Config:
        """Return the config of a `to_json` text. UserError: no JSON object, an unknown option or a bad value."""
        given = options_of_json(text, origin)
        try:
            return cls(**given)
        except UserError as error:
            raise UserError(f"{origin}: {error}") from error


def decoded(content: bytes) -> str:
    """Return the text of a file that an editor wrote: in UTF-8, or in UTF-16 or UTF-32 with its mark in front.

    Every end of a line becomes one newline. Raises UnicodeDecodeError for any other encoding.
    """
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8-sig")
    return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def options_of_json(text: str, origin: str) -> dict[str, Any]:
    """Return the options in a JSON text, unchecked. UserError, which names the origin: no object, or unknown ones."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{origin} is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise UserError(f"{origin}: got a {type(given).__name__}, expected an object of options")
    unknown = sorted(set(given) - {item.name for item in fields(Config)})
    if unknown:
        raise UserError(f"{origin}: unknown option {', '.join(unknown)}; was it written by a newer version?")
    return given
