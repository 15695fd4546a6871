"""Signs of a training that no longer learns, read from what every run keeps: its log and its sample grids.

A sign takes note of steps in their order, while the run trains (dcgan.run.watch) or afterwards (dcgan.doctor), so each
rule stands here once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dcgan.losses import PROBABILITIES, SCORES

STEPS = 300  # in a row, before a word is said: for shorter times D is ahead in every training
APART = 0.95  # by which D's mean answers to real pictures and to G's differ
FOOLED = 0.95  # D's mean answer to G's pictures: a D that learns answers between 0 and 1/2, and 3/4 is a rare peak
# D's mean scores of real pictures and of G's differ by more than this where they run away. Hinge asks for a distance of
# 2, and wgan's clipped weights give small scores. A D whose gradient has length 1, as wgan-gp asks, gives two
# pictures scores that differ by the pictures' distance at most: a black and a white one of 256x256 are
# 2 sqrt(3 * 256^2) = 887 apart.
SCORES_APART = 1000.0
DOWN = 0.6  # of what it was: diversity swings by 20 % from grid to grid in trainings that go well, seldom by 30 %


class Finding(NamedTuple):
    """What was seen of a run, in words: the evidence with its numbers, what to try, and the step where it shows.

    good_step  a step before it began, to which a rollback may go
    """

    name: str
    what: str
    advice: str
    step: int | None = None
    numbers: Mapping[str, Any] = {}
    good_step: int = 0

    def said(self) -> str:
        """Return the line that says it while a run trains."""
        return f"step {self.step:,}: {self.what}. What may help: {self.advice}"


class Row:
    """Steps in a row of which something holds; a finding once they are STEPS.

    answers  the names of two numbers of the log, D's mean answers to real pictures and to G's
    holds    says it of the two
    words    says it to people, without the numbers
    """

    def __init__(
        self, name: str, answers: tuple[str, str], holds: Callable[[float, float], bool], words: str, advice: str
    ) -> None:
        self.name, self.answers, self.holds, self.words, self.advice = name, answers, holds, words, advice
        self.first, self.length = 0, 0
        self.longest = (0, 0, 0, 0.0, 0.0)  # length, first and last step, both answers of the last

    def note(self, record: Mapping[str, Any]) -> Finding | None:
        """Take note of a step's record; return a finding at the step that makes the row STEPS long."""
        real, fake = (record.get(name) for name in self.answers)
        if real is None or fake is None:  # steps that train G alone have no answers of D
            return None
        if not self.holds(real, fake):
            self.length = 0
            return None
        if not self.length:
            self.first = record["step"]
        self.length += 1
        self.longest = max(self.longest, (self.length, self.first, record["step"], real, fake))
        return self.finding() if self.length == STEPS else None

    def finding(self) -> Finding | None:
        """Return what the longest row so far says; None if it is short."""
        length, first, last, *answers = self.longest
        if length < STEPS:
            return None
        form = "D(x) {:.2f}, D(G) {:.2f}" if self.answers == PROBABILITIES else "scores {:.3g} and {:.3g}"
        what = f"for {length:,} steps, from step {first:,} on, {self.words} ({form.format(*answers)})"
        numbers: dict[str, float] = {"from_step": first, "to_step": last, "steps": length}
        numbers |= dict(zip(self.answers, answers, strict=True))
        return Finding(self.name, what, self.advice, last, numbers, first - 1)

    def state_dict(self) -> dict[str, int]:
        """Return the row that is not over yet."""
        return {"first": self.first, "length": self.length}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on with a row. Raises KeyError, ValueError or TypeError for a state that is none."""
        self.first, self.length, self.longest = int(state["first"]), int(state["length"]), (0, 0, 0, 0.0, 0.0)


def rows() -> list[Row]:
    """Return the signs that the log shows: two of answers that are probabilities, one of scores (dcgan.losses)."""
    return [
        Row(
            "D certain",
            PROBABILITIES,
            lambda d_real, d_fake: d_real - d_fake > APART,
            "D has told real pictures from G's nearly always, from which G learns little",
            "equal --lr-g and --lr-d, a lower --lr, --real-target 0.9, --r1, --augment if pictures are few, "
            "--instance-noise",
        ),
        Row(
            "G certain",
            PROBABILITIES,
            lambda d_real, d_fake: d_fake > FOOLED,
            "D has taken nearly all of G's pictures for real ones, so it teaches G nothing",
            "more steps of D (--ratio 2:1), a lower --lr, and a look at the data: are all pictures alike?",
        ),
        Row(
            "scores apart",
            SCORES,
            lambda real, fake: real - fake > SCORES_APART,
            "D's scores of real pictures and of G's have been over a thousand apart: D runs away from G",
            "equal --lr-g and --lr-d, a lower --lr, --loss wgan-gp or --r1; with --loss wgan a smaller --clip-weights",
        ),
    ]


def diversity(pictures: np.ndarray) -> float:
    """Return how far pictures, uint8 (N, H, W, C), differ: the root mean square, over all pairs, in grey levels.

    The mean of (a - b)^2 over all pairs of N numbers is 2 N / (N - 1) times their variance, so no pair is formed.
    """
    count = len(pictures)
    if count < 2:
        return 0.0
    variance = pictures.reshape(count, -1).astype("float32").var(axis=0, dtype="float64")
    return float(np.sqrt(2 * count / (count - 1) * variance.mean()))


class Diversity:
    """The diversity of the sample grids, all of which show the same z; a finding where it has fallen.

    Fallen means: to DOWN of the best grid before it, and of the real pictures, where those are known. The second keeps
    quiet where G's first pictures were wild colours, and later ones are as different as the data.
    """

    def __init__(self) -> None:
        self.best = (0, 0.0)  # its step, and the diversity
        self.newest, self.real, self.good_step, self.fallen = (0, 0.0), 0.0, 0, False

    def note(self, step: int, pictures: np.ndarray, real: float | None) -> Finding | None:
        """Take note of a grid's pictures, uint8 (N, H, W, C); return a finding where diversity has now fallen."""
        before, now = self.fallen, diversity(pictures)
        self.newest, self.real = (step, now), real or 0.0
        self.fallen = now < DOWN * self.best[1] and (real is None or now < DOWN * real)
        if not self.fallen:
            self.good_step = step
        self.best = max(self.best, (step, now), key=lambda pair: pair[1])
        return self.finding() if self.fallen and not before else None

    def finding(self) -> Finding | None:
        """Return what the newest grid says; None where it is as diverse as it should be."""
        if not self.fallen:
            return None
        (best_step, best), (step, now) = self.best, self.newest
        down = 100 * (1 - now / best)
        real = f"; real pictures differ by {self.real:.0f}" if self.real else ""
        what = (
            f"the pictures of the sample grid have grown alike, down by {down:.0f} % since step {best_step:,}: they "
            f"differ by {now:.0f} grey levels, {best:.0f} then{real}"
        )
        numbers = {"from_step": best_step, "diversity": now, "diversity_before": best, "diversity_real": self.real}
        advice = "go back to an earlier checkpoint with a lower --lr; --beta1 0, --flip, a larger --batch-size"
        return Finding("diversity", what, advice, step, numbers, self.good_step)

    def state_dict(self) -> dict[str, Any]:
        """Return all that later grids are compared with."""
        return {"best_step": self.best[0], "best": self.best[1], "good_step": self.good_step, "fallen": self.fallen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state. Raises KeyError, ValueError or TypeError for one that is none."""
        self.best = (int(state["best_step"]), float(state["best"]))
        self.good_step, self.fallen = int(state["good_step"]), bool(state["fallen"])
