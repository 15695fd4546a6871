"""Sweeps of each number of z, and ways from one z to another: drawn by G, written as grids and as GIFs.

A sweep changes one number of z and keeps the others; where G ignores that number, all its pictures are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dcgan import images
from dcgan.errors import UserError
from dcgan.sampling import BATCH

Draw = Callable[[np.ndarray], np.ndarray]  # z (N, 1, 1, z_dim) -> uint8 pictures (N, H, W, C)
ENDS = {"normal": (-2.0, 2.0), "uniform": (-1.0, 1.0), "unsigned": (0.0, 1.0)}  # normal: 95 % of all draws lie within


def sweep(z: np.ndarray, dimension: int, count: int, z_dist: str) -> np.ndarray:
    """Return z (1, 1, z_dim) count times, one of its numbers running evenly over its range: (count, 1, 1, z_dim)."""
    zs = np.repeat(z[np.newaxis], count, axis=0)
    zs[..., dimension] = np.linspace(*ENDS[z_dist], count)[:, np.newaxis, np.newaxis]
    return zs


def interpolate(a: np.ndarray, b: np.ndarray, count: int, z_dist: str) -> np.ndarray:
    """Return count z from a to b, both (1, 1, z_dim), ends included: (count, 1, 1, z_dim).

        uniform   (1 - t) a + t b
        normal    (sin((1 - t) w) a + sin(t w) b) / sin(w), w the angle between a and b

    The second follows the sphere that nearly all normal z lie near; on the straight line they would be shorter halfway.
    """
    t = np.linspace(0, 1, count).reshape(-1, 1, 1, 1)
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    w = np.arccos(np.clip((a * b).sum() / lengths, -1, 1)) if lengths else 0.0
    if z_dist != "normal" or np.sin(w) < 1e-3:  # a straight line: they have the same or opposite directions
        return ((1 - t) * a + t * b).astype(a.dtype)
    return ((np.sin((1 - t) * w) * a + np.sin(t * w) * b) / np.sin(w)).astype(a.dtype)


def walk(zs: np.ndarray, count: int, z_dist: str) -> np.ndarray:
    """Return the ways from each of zs (N + 1, 1, 1, z_dim) to the next: (N * count, 1, 1, z_dim)."""
    return np.concatenate([interpolate(a, b, count, z_dist) for a, b in zip(zs, zs[1:], strict=False)])


def dimensions(text: str | None, z_dim: int) -> list[int]:
    """Return the numbers of z named by "0,5,10-19", each once; None: all. Raises UserError."""
    found: dict[int, None] = {}
    for part in [f"0-{z_dim - 1}"] if text is None else text.split(","):
        first, to, last = part.strip().partition("-")
        last = last if to else first
        numbers = first.isdecimal() and last.isdecimal() and len(first) < 10 > len(last)
        if not (numbers and int(first) <= int(last) < z_dim):
            raise UserError(f"--dimensions: got '{text}', expected numbers from 0 to {z_dim - 1}, such as 0,5 or 0-9")
        found |= dict.fromkeys(range(int(first), int(last) + 1))
    return list(found)


def sweeps(draw: Draw, z: np.ndarray, which: Sequence[int], count: int, z_dist: str) -> Iterator[np.ndarray]:
    """Yield the pictures of each sweep, (count, H, W, C)."""
    together = max(1, BATCH // count)  # sweeps that fill a forward pass
    with tqdm(total=len(which), unit="sweep", disable=None) as bar:
        for start in range(0, len(which), together):
            some = which[start : start + together]
            drawn = draw(np.concatenate([sweep(z, dimension, count, z_dist) for dimension in some]))
            yield from drawn.reshape(len(some), count, *drawn.shape[1:])
            bar.update(len(some))


def write_each(folder: Path, which: Sequence[int], each: Iterator[np.ndarray], fps: int | None) -> None:
    """Write every sweep as a grid, folder/z000.png, or with fps as a GIF, folder/z000.gif."""
    folder.mkdir(parents=True, exist_ok=True)
    for dimension, pictures in zip(which, each, strict=True):
        if fps is None:
            images.save_png(folder / f"z{dimension:03d}.png", images.grid(pictures))
        else:
            images.save_gif(folder / f"z{dimension:03d}.gif", there_and_back(pictures), fps)


def write_merged(path: Path, each: Iterator[np.ndarray], fps: int) -> None:
    """Write all sweeps as one GIF: its frames are grids, a picture of every sweep on each."""
    frames = np.stack(list(each), axis=1)  # (count, sweeps, H, W, C)
    path.parent.mkdir(parents=True, exist_ok=True)
    images.save_gif(path, there_and_back([images.grid(frame) for frame in frames]), fps)


def write_walk(path: Path, pictures: np.ndarray, count: int, fps: int) -> None:
    """Write the pictures of a walk, count from each z to the next: a row each, or in a GIF one after another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".gif":
        images.save_gif(path, there_and_back(pictures), fps)
    else:
        images.save_png(path, images.grid(pictures, columns=count))


def there_and_back(frames: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray]:
    """Return the frames and, without either end, the way back: shown over and over they never jump."""
    return [*frames, *frames[-2:0:-1]]
