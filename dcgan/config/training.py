"""Options of the training: how long, how fast, in which order."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.options import option


@dataclass(frozen=True)
class Training:
    """The options that --help shows as "training"."""

    epochs: int = option(25, options.integer(1), "passes over the data in total, those before a resume included")
    steps: int | None = option(None, options.integer(1), "batches in total, instead of --epochs")
    batch_size: int = option(64, options.integer(1), "pictures per step")
    accumulate: int = option(
        1,
        options.integer(1),
        "batches of --batch-size per step: their gradients are averaged, the memory is that of one",
    )
    sync_bn: bool = option(
        False,
        options.flag,
        "give batch norm the statistics of all ranks' pictures, not of a rank's own: several ranks then train as one",
    )
    lr: float = option(2e-4, options.number("(0, inf)"), "learning rate, of Adam", "X")
    lr_g: float | None = option(None, options.number("(0, inf)"), "learning rate of G, instead of --lr", "X")
    lr_d: float | None = option(None, options.number("(0, inf)"), "learning rate of D, instead of --lr", "X")
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
    on_collapse: str = option(
        "warn",
        options.choice("warn", "stop", "rollback"),
        "what follows where D or G wins for long, pictures grow alike or a number is not finite: warn, stop, or "
        "rollback (to the last good checkpoint, with half the learning rate, at most three times)",
        "NAME",
    )
    clip_grad: float | None = option(
        None,
        options.number("(0, inf)"),
        "largest norm of a network's gradient; a longer gradient is shortened to it; the log gets the norms",
        "X",
    )
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

    @property
    def pictures_per_step(self) -> int:
        """How many pictures a step takes from the data: all of its batches."""
        return self.batch_size * self.accumulate

    @property
    def rates(self) -> tuple[float, float]:
        """The first learning rates of G and of D."""
        return self.lr_g or self.lr, self.lr_d or self.lr
