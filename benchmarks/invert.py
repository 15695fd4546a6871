"""Measure how well, and how fast, the z of pictures is found.

    python -m benchmarks.invert runs/0001-dcgan64

Generated pictures, from a seed that the search does not know, have a z: it shall be found again, with a mean PSNR of at
least 30 dB. Real pictures, which the run has not seen, have none: G's picture shall be nearer to each of them than the
nearest of 10,000 random samples. Both are verified, and the seconds of the search for the generated pictures are told.
The exit status is 1 where one of them fails. The real pictures are those of --data; without it, drawn faces of another
seed than the run's, or for a run with data of its own some of these.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from dcgan import api, cli, quick, sampling
from dcgan.data import open_source
from dcgan.inversion.effort import Effort
from dcgan.inversion.search import search
from dcgan.inversion.start import distances, psnr
from gpunet import backend

SEED = 20_000  # of the generated pictures, and added to the run's for drawn faces
LEAST = 30.0  # dB


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = cli.Parser(prog="python -m benchmarks.invert", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", metavar="RUN", help="run folder or checkpoint")
    parser.add_argument("--data", metavar="PATH", help="real pictures that the run has not seen")
    parser.add_argument("--count", type=int, default=16, help="pictures of each kind (16)")
    parser.add_argument("--samples", type=int, default=10_000, help="random samples (10,000)")
    parser.add_argument("--steps", type=int, default=Effort.steps, help=f"steps of Adam ({Effort.steps})")
    options = parser.parse_args(arguments)
    quick.cap(options, count=2, samples=20, steps=2)
    run = api.load(options.run, device="cpu", sampling_statistics="running")
    good = _generated(run, options) & _real(run, options)
    return 0 if good or quick.notice() else 1


def _generated(run: api.Run, options) -> bool:
    """Find generated pictures again; print how near they are, and the seconds; return whether it is near."""
    pictures = run.sample(options.count, seed=SEED)
    near, seconds = _searched(run, pictures, options.steps)
    good = near.mean() >= LEAST
    print(f"generated pictures: mean PSNR {near.mean():.1f} dB, least {near.min():.1f} dB", _verdict(good))
    print(f"seconds of the search, {options.count} pictures, {options.steps} steps: {seconds:.1f}")
    return bool(good)


def _real(run: api.Run, options) -> bool:
    """Compare what is found for real pictures with the nearest random samples; return whether it is nearer."""
    config = run.config
    given = (config.image_size, config.crop, config.channels or 3, config.seed + SEED)
    source = open_source(options.data or config.data, *given, progress=False)
    pictures = source.batch(np.linspace(0, len(source) - 1, options.count).astype(int))
    near, _ = _searched(run, pictures, options.steps)
    low, samples = sampling.lowest(run.G), run.sample(options.samples, seed=SEED + 1)
    apart = distances(samples, backend.images_to_real(pictures, low=low), None, low)  # (N, samples)
    random = psnr(samples[apart.argmin(axis=1)], pictures)
    good = (near > random).all()
    print(f"real pictures: mean PSNR {near.mean():.1f} dB; the nearest of {options.samples:,} random samples "
          f"{random.mean():.1f} dB; nearer in {np.mean(near > random):.0%} of the pictures", _verdict(bool(good)))
    return bool(good)


def _searched(run: api.Run, pictures: np.ndarray, steps: int) -> tuple[np.ndarray, float]:
    """Return the PSNR of each picture, and the seconds that the search took."""
    targets = backend.images_to_real(pictures, low=sampling.lowest(run.G))
    began = time.perf_counter()
    found = search(run.networks(), Effort(steps=steps), targets)
    return psnr(found.frames[-1], pictures), time.perf_counter() - began


def _verdict(good: bool) -> str:
    return "(verified)" if good else "(FAILED)"


if __name__ == "__main__":
    sys.exit(main())
