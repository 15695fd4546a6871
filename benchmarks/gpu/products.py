"""The matrix products of a training step's convolutions: every layer of dcgan64, forward and both gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.gpu.sized import Settings
from gpunet.backend import conv_sizes, tiled
from gpunet.backend.sizes import Sizes

PASSES = ("forward", "input grad", "weight grad")


class Product(NamedTuple):
    """One pass of one convolution, and its three arrays in float64 on the host."""

    name: str
    part: str  # of PASSES
    sizes: Sizes
    x: np.ndarray  # (N, H, W, C)
    w: np.ndarray  # (KH, KW, C, F)
    dy: np.ndarray  # (N, OH, OW, F)

    @property
    def gflop(self) -> float:
        return 2e-9 * self.dy.size * self.w.size / self.w.shape[3]

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the two arrays that this pass multiplies."""
        pairs = {"forward": (self.x, self.w), "input grad": (self.dy, self.w), "weight grad": (self.x, self.dy)}
        return pairs[self.part]

    def call(self, factors: Any, **more: Any) -> Any:
        """Return the result of our kernels; more: the file and the plan that they take."""
        functions = tiled.conv2d, tiled.conv2d_input_grad, tiled.conv2d_weight_grad
        return functions[PASSES.index(self.part)](*factors, self.sizes, **more)

    def plan(self) -> tuple[int, int, int, int]:
        """Return rows, columns, depth and phases, from which `tiled.plan` chooses tile and splits."""
        g = self.sizes
        if self.part == "forward":
            return g.n * g.oh * g.ow, g.f, g.kh * g.kw * g.c, 1
        if self.part == "weight grad":
            return g.kh * g.kw * g.c, g.f, g.n * g.oh * g.ow, 1
        phases = min(g.sh, g.h) * min(g.sw, g.w)
        m, k = g.n * -(-g.h // g.sh) * -(-g.w // g.sw), -(-g.kh // g.sh) * -(-g.kw // g.sw) * g.f
        return m, g.c, k, phases


def products(settings: Settings) -> Iterator[Product]:
    """Yield the passes of every layer: a transposed convolution has the same three as the one it belongs to."""
    rng, levels = np.random.default_rng(0), 4 if settings.full else 2
    wide = [3, *(settings.width * 2**k for k in range(levels))]
    layers = [(settings.size >> i, c, f, 2, 1) for i, (c, f) in enumerate(zip(wide, wide[1:], strict=False))]
    layers += [(4, wide[-1], 1, 1, 0), (4, wide[-1], 100, 1, 0)]  # D's last layer, and G's first, from z
    for size, c, f, stride, pad in layers:
        out = (size + 2 * pad - 4) // stride + 1
        shapes = (settings.batch, size, size, c), (4, 4, c, f), (settings.batch, out, out, f)
        x, w, dy = (rng.standard_normal(shape) for shape in shapes)
        sizes = conv_sizes(x.shape[:3], w.shape, (stride, stride), ((pad, pad), (pad, pad)))
        for part in PASSES:
            yield Product(f"{size}x{size}x{c}-{out}x{out}x{f} {part}", part, sizes, x, w, dy)
