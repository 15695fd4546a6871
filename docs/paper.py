"""Train a small run on the drawn faces and draw the pictures of docs/paper.md: python docs/paper.py [NAME ...]

    python docs/paper.py                               all pictures of docs/paper.md, into docs/paper
    python docs/paper.py turn --out /tmp               one of them, elsewhere
    python docs/paper.py --run runs/0001-dcgan64       by a run of the drawn faces that is there already

Each picture is what a command of dcgan draws. The commands take numbers of samples, which a person picks by eye. Here a
regression picks them: it learns traits, such as long hair, from drawn faces, whose traits are known, and ranks samples.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import dcgan  # noqa: E402
from dcgan import arithmetic, filters, forget, generate, images, neighbours, turn  # noqa: E402
from dcgan.data.faces.source import FacesSource  # noqa: E402
from dcgan.data.faces.traits import LONG, WAVY, Traits, draw_traits  # noqa: E402
from dcgan.doctoring.data import thumbnails  # noqa: E402

OPTIONS = {"width": 24, "batch_size": 32, "steps": 2000, "lr": 1e-3, "beta1": 0.0, "beta2": 0.99, "device": "cpu"}
FACES = 3000  # that the regression learns from
SAMPLES = 400  # that it ranks
RIDGE = 100.0  # weight of |w|^2 beside the sum of the squares
HAIR = "{}:8,34,18,56", "{}:46,34,56,56"  # boxes round long hair on both sides of the neck, for dcgan.forget

TRAITS: dict[str, Callable[[Traits], float]] = {
    "long hair": lambda face: float(face.hair_style in (LONG, WAVY)),
    "dark skin": lambda face: -float(sum(face.skin)),
    "to the right": lambda face: face.yaw,
}


class Samples:
    """The numbered samples of a run, with how much each shows every trait: in deviations from the mean of samples."""

    def __init__(self, run: dcgan.api.Run) -> None:
        numbers = range(FACES)
        x = _numbers(FacesSource().batch(np.arange(FACES)))  # (FACES, F)
        given = np.array([[trait(draw_traits(0, number)) for trait in TRAITS.values()] for number in numbers])
        w = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ (given - given.mean(axis=0)))  # (F, traits)
        found = _numbers(run.sample(SAMPLES)) @ w
        self.scores = dict(zip(TRAITS, ((found - found.mean(axis=0)) / found.std(axis=0)).T, strict=True))

    def most(self, count: int, **wanted: float) -> str:
        """Return the numbers of the samples that fit best, such as "3,14,20"; wanted: weights of traits by name.

        Example: most(3, long_hair=1, dark_skin=-1) gives three samples with long hair and light skin.
        """
        total = sum(weight * self.scores[name.replace("_", " ")] for name, weight in wanted.items())
        return ",".join(str(number + 1) for number in np.argsort(-np.asarray(total))[:count])


def _numbers(pictures: np.ndarray) -> np.ndarray:
    """Return pictures (N, H, W, C) as thumbnails, (N, F), and a 1 for the constant."""
    small = thumbnails(pictures).reshape(len(pictures), -1) / 255.0
    return np.concatenate([small, np.ones((len(small), 1))], axis=1)


def _arithmetic(samples: Samples) -> list[str]:
    light, dark = {"dark_skin": -1}, {"dark_skin": 1}
    plus, minus = samples.most(3, long_hair=1, **light), samples.most(3, long_hair=-1, **light)
    return ["--plus", plus, "--minus", minus, "--plus", samples.most(3, long_hair=-1, **dark)]


def _turn(samples: Samples) -> list[str]:
    right, left = samples.most(12, to_the_right=1), samples.most(12, to_the_right=-1)
    return ["--left", left, "--right", right, "--pictures", "1-4", "--steps", "7"]


def _forget(samples: Samples) -> list[str]:
    numbers = samples.most(12, long_hair=1).split(",")
    boxes = [word for number in numbers for box in HAIR for word in ("--box", box.format(number))]
    return ["--layer", "3", "--threshold", "0.2", *boxes]


# The command of each picture and its words, between the run and --out.
EXPERIMENTS: dict[str, tuple[Callable[[list[str]], int], Callable[[Samples], list[str]]]] = {
    "arithmetic": (arithmetic.main, _arithmetic),
    "turn": (turn.main, _turn),
    "walk": (generate.main, lambda _: ["--mode", "interpolation", "--rows", "4", "--count", "9"]),
    "neighbours": (neighbours.main, lambda _: ["--count", "4", "--k", "6"]),
    "filters": (filters.main, lambda _: ["--filters", "4", "--pictures", "4", "--most", "3000"]),
    "forget": (forget.main, _forget),
}


def draw(names: list[str], run: str, out: Path) -> None:
    """Write the pictures of these names by a run. Raises RuntimeError where a command fails."""
    samples = Samples(dcgan.load(run, device="cpu"))
    for name in names:
        command, words = EXPERIMENTS[name]
        place = out / f"{name}.png"
        if command([run, *words(samples), "--device", "cpu", "--overwrite", "--out", str(place)]):
            raise RuntimeError(f"the command of {place} failed")
        sheet = images.read_png(place)
        assert sheet is not None  # the command has written it
        images.save_png(place, sheet, small=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/paper.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"pictures to draw: {', '.join(EXPERIMENTS)} (all)")
    parser.add_argument("--run", metavar="RUN", help="a run of the drawn faces (one is trained)")
    parser.add_argument("--out", metavar="DIR", type=Path, default=HERE / "paper", help="folder for them (docs/paper)")
    given = parser.parse_args(arguments)
    names = given.names or list(EXPERIMENTS)
    if unknown := sorted(set(names) - set(EXPERIMENTS)):
        parser.error(f"got {', '.join(unknown)}, expected some of {', '.join(EXPERIMENTS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run = given.run
        if run is None:
            trained = dcgan.train(**OPTIONS, out=folder, sample_every=OPTIONS["steps"])
            run = f"{folder}/{trained.name}"
        draw(names, run, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
