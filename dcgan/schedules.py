"""What changes as a run goes on, as pure functions of the place in it: the learning rate, and what is due when."""

from __future__ import annotations

from dcgan.config import Config


def learning_rate(config: Config, epoch: int, done: float) -> float:
    """Return Adam's learning rate in an epoch (counted from 1), when a part `done` of the run, 0 to 1, lies behind.

        constant   lr
        step       lr * decay^floor(epoch / period)          fabulousjeong/dcgan-tensorflow: 0.2 and 3
        linear     lr * (1 - done)
    """
    if config.lr_schedule == "step":
        return config.lr * config.lr_decay ** (epoch // config.lr_period)
    if config.lr_schedule == "linear":
        return config.lr * (1 - done)
    return config.lr


def last_step(config: Config, count: int) -> int:
    """Return the steps of a whole run over so many pictures."""
    if config.steps:
        return config.steps
    if config.last_batch == "wrap":
        return -(-config.epochs * count // config.batch_size)
    return config.epochs * (count // config.batch_size)


def due(cadence: int | str, step: int, finished: int | None) -> bool:
    """Return whether a thing is due after a step; finished: the epochs done if the step ended one, else None.

    cadence: 200, every 200 steps; "10ep", at the end of every tenth epoch; "1,5,20ep", at the end of these epochs.
    """
    if isinstance(cadence, int):
        return step % cadence == 0
    if finished is None:
        return False
    epochs = [int(number) for number in cadence.removesuffix("ep").split(",")]
    return finished in epochs if len(epochs) > 1 else finished % epochs[0] == 0
