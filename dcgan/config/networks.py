"""Options of the networks: those that every preset reads, and those that only some presets leave open."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.options import option

# The words that options take stand here, and not where they are used, so that --help loads no networks;
# tests/dcgan/test_config.py checks that both agree.
INITS = ("dcgan", "normal", "truncated", "glorot", "torch")  # of dcgan.presets.parts
UPSAMPLINGS = ("transposed", "nearest")  # of dcgan.presets.variants, as the next two lines
NORMS_D = ("batch", "layer", "instance", "none")
HEADS = ("conv", "pool")
CONDITIONALS = ("joined", "projection")  # of dcgan.presets.conditional


@dataclass(frozen=True)
class Networks:
    """The options that --help shows as "networks"."""

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
    init_from: str | None = option(
        None,
        options.text,
        "a run, a checkpoint or a file of weights (.pth, .safetensors, .npz): a new run begins with what fits of it",
        "RUN|FILE",
    )


@dataclass(frozen=True)
class Choices:
    """The options that --help shows as "networks, where a preset leaves the choice"."""

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
    upsample: str = option(
        "transposed",
        options.choice(*UPSAMPLINGS),
        "G's way to double a map: transposed (convolution) or nearest (pixels repeated, then a 3x3 convolution)",
        "NAME",
    )
    norm_d: str = option(
        "batch",
        options.choice(*NORMS_D),
        "D's normalisation: batch, layer (each sample by itself), instance (each of its maps by itself) or none",
        "NAME",
    )
    spectral_norm: bool = option(False, options.flag, "divide each of D's weights by its largest singular value")
    head: str = option(
        "conv",
        options.choice(*HEADS),
        "D's last step: conv (a weight for every pixel of the last map) or pool (the mean of each map, then weights)",
        "NAME",
    )
    conditional: str | None = option(
        None,
        options.choice(*CONDITIONALS, alone="joined"),
        "tell the networks the class of every picture: joined, beside the input of every layer with weights, or "
        "projection, for D as the product of its features and a vector of the class",
        "NAME",
    )
    classes: int | None = option(None, options.integer(1), "classes of networks with labels (those of the data)")
