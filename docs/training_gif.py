"""Draw a training as an animation, with its losses: python docs/training_gif.py [--out DIR] [--steps N]

It is the healthy training of docs/broken.md (docs/broken.py), whose log is the table of docs/training.md. Each frame
shows real pictures, G's pictures for the same z, and the curves up to its step.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from broken import FACES, STEPS, Training  # noqa: E402

from dcgan import images  # noqa: E402
from dcgan.run.curves import PANELS, REFERENCES  # noqa: E402

ROWS, COLUMNS, SCALE = 3, 5, 2  # pictures on either side, and the size of a pixel
EARLY = 0, 1, 2, 5, 10, 15, 20, 30, 40, 60, 80  # steps with a frame
EVERY = 40  # steps between the frames after those
GAP, TITLE = 24, 24  # pixels between both sides, and above them
FPS, LAST = 3, 10  # frames a second, and how often the last one is shown again
SMOOTHED = 10  # steps, over which a point of the curves is the mean


def frames_at(steps: int) -> list[int]:
    """Return the steps that get a frame, ever fewer of them: 0, 1, 2, 5, ... 80, 120, 160 ... and the last."""
    return sorted({step for step in (*EARLY, *range(EVERY, steps, EVERY)) if step < steps} | {steps})


def sheet(pictures: np.ndarray) -> Image.Image:
    """Return the first pictures (N, H, W, C) in rows and columns, enlarged."""
    grid = images.enlarged(images.grid(pictures[: ROWS * COLUMNS], COLUMNS), SCALE)
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(grid, (*grid.shape[:2], 3))))


def frame(real: np.ndarray, fake: np.ndarray, records: list[dict[str, Any]], steps: int) -> Image.Image:
    """Return one frame: real pictures and G's side by side, and both panels of the log below them."""
    left, right = sheet(real), sheet(fake)
    wide, high = 2 * left.width + GAP, TITLE + left.height
    below = plot(records, steps, wide)
    whole = Image.new("RGB", (wide, high + below.height), "white")
    for picture, x, title in ((left, 0, "real pictures"), (right, left.width + GAP, f"by G after step {len(records)}")):
        whole.paste(picture, (x, TITLE))
        ImageDraw.Draw(whole).text((x + 4, 3), title, fill="black", font=ImageFont.load_default(size=15))
    whole.paste(below, (0, high))
    return whole


def plot(records: list[dict[str, Any]], steps: int, width: int) -> Image.Image:
    """Return both panels of the log, as wide as asked; a point of a curve is the mean of the last SMOOTHED steps."""
    figure = Figure(figsize=(width / 100, 2.2), dpi=100, layout="constrained")
    for (name, curves), axes, top in zip(PANELS, figure.subplots(1, 2), (4.5, 1), strict=True):
        for key, (label, colour) in curves.items():
            values = np.array([record[key] for record in records])
            means = [values[max(0, end - SMOOTHED) : end].mean() for end in range(1, len(values) + 1)]
            axes.plot(range(1, len(means) + 1), means, color=colour, linewidth=1.4, label=label.split(",")[0])
        for value, _, style in REFERENCES[name]:
            axes.axhline(value, color="0.5", linewidth=0.8, linestyle=style)
        axes.set(xlim=(0, steps), ylim=(0, top))
        axes.set_title(name, fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, frameon=False, ncols=2, borderaxespad=0.2)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Draw a training of a small GAN as an animated GIF.")
    parser.add_argument("--out", type=Path, default=HERE / "lessons", metavar="DIR", help="folder (docs/lessons)")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=f"steps of the training ({STEPS})")
    given = parser.parse_args(arguments)
    training, records, frames = Training(FACES), list[dict[str, Any]](), list[np.ndarray]()
    wanted = frames_at(given.steps)
    for step in range(given.steps + 1):
        if step:
            records.append(training.step())
        if step in wanted:
            shown = frame(training.data.pictures, training.samples(FACES), records, given.steps)
            frames.append(np.asarray(shown))
    given.out.mkdir(parents=True, exist_ok=True)
    images.save_gif(given.out / "training.gif", frames + frames[-1:] * LAST, FPS)
    print(f"{len(frames)} frames: {given.out / 'training.gif'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
