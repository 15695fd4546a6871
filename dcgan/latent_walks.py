"""Sweeps of each number of z, and ways from one z to another: drawn by G, written as grids and as GIFs.

A sweep changes one number of z and keeps the others; where G ignores that number, all its pictures are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from dcgan.errors import UserError
from dcgan.generate_options import number_list
from dcgan.picture_files import PictureFiles
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
    found = number_list(f"0-{z_dim - 1}" if text is None else text, z_dim - 1)
    if found is None:
        raise UserError(f"--dimensions: got '{text}', expected numbers from 0 to {z_dim - 1}, such as 0,5 or 0-9")
    return found


def sweeps(draw: Draw, z: np.ndarray, which: Sequence[int], count: int, z_dist: str) -> Iterator[np.ndarray]:
    """Yield the pictures of each sweep, (count, H, W, C)."""
    together = max(1, BATCH // count)  # sweeps that fill a forward pass
    with tqdm(total=len(which), unit="sweep", disable=None) as bar:
        for start in range(0, len(which), together):
            some = which[start : start + together]
            drawn = draw(np.concatenate([sweep(z, dimension, count, z_dist) for dimension in some]))
            yield from drawn.reshape(len(some), count, *drawn.shape[1:])
            bar.update(len(some))


def write_each(files: PictureFiles, which: Sequence[int], each: Iterator[np.ndarray], z_dist: str, gif: bool) -> None:
    """Write every sweep as files.out/z000.png, a grid with the value of z below each picture, or as z000.gif."""
    for dimension, pictures in zip(which, each, strict=True):
        name = f"z{dimension:03d}"
        if gif:
            files.gif(f"{name}.gif", there_and_back(pictures[:, np.newaxis]))
        else:
            values = [f"{value:.2f}" for value in np.linspace(*ENDS[z_dist], len(pictures))]
            files.png(f"{name}.png", pictures, captions=values, index=1, dimension=dimension)


def write_merged(files: PictureFiles, which: Sequence[int], each: Iterator[np.ndarray], z_dist: str) -> None:
    """Write all sweeps as one GIF: its frames are grids, a picture of every sweep on each.

    Below each picture stands which number of z is swept, and its value: "z7: -1.73".
    """
    frames = np.stack(list(each), axis=1)  # (count, sweeps, H, W, C)
    values = np.linspace(*ENDS[z_dist], len(frames))
    captions = [[f"z{dimension}: {value:.2f}" for dimension in which] for value in values]
    files.gif("", there_and_back(frames), there_and_back(captions))


def write_walk(files: PictureFiles, pictures: np.ndarray, count: int) -> None:
    """Write the pictures of a walk, count from each z to the next: a row each, or in a GIF one after another."""
    if files.out.suffix.lower() == ".gif":
        files.gif("", there_and_back(pictures[:, np.newaxis]))
    else:
        files.png("", pictures, columns=count, index=f"1-{len(pictures) // count + 1}")


def there_and_back(frames: Any) -> list[Any]:
    """Return the frames and, without either end, the way back: shown over and over they never jump."""
    return [*frames, *frames[-2:0:-1]]
