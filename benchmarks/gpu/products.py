"""The matrix products of a training step's convolutions: every layer of dcgan64, forward and both gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.gpu.sized import Settings
from gpunet import backend
from gpunet.backend import conv_sizes
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

    def arrays(self, dtype: str) -> list[Any]:
        """Return x, w and dy on the GPU."""
        return [backend.to_device(a.astype(dtype), "cuda") for a in (self.x, self.w, self.dy)]

    def ready(self, x: Any, w: Any, dy: Any) -> Callable[[], Any]:
        """Return a call of this pass alone, in the form that training takes now.

        Its factors are ready: rounded for tensor cores, the patches of pictures unfolded.
        """
        conv = backend.convolution(w, self.sizes)
        if self.part == "forward":
            return partial(conv.output, conv.input_form(x))
        Y = conv.output_form(dy)
        if self.part == "input grad":
            return partial(conv.input_grad, Y)
        return partial(conv.weight_grad, conv.input_form(x), Y)

    def call(self, arrays: list[Any]) -> Any:
        """Return the result of this pass, of x, w and dy as they are: its factors are made anew."""
        return self.ready(*arrays)()


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
