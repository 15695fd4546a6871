"""The convolutions of a dcgan64 step as operations to time, with 4x4 and with 5x5 kernels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.op_case import MAP, WEIGHT, Case, Maker, Run
from gpunet import backend


def convolutions(make: Maker, batch: int, width: int) -> Iterator[Case]:
    """Yield the three passes of every convolution of the networks; a transposed one has the same three."""
    wide = [3, *(width * 2**k for k in range(4))]
    for kernel, pad in ((4, 1), (5, 2)):
        for level, (c, f) in enumerate(zip(wide, wide[1:], strict=False)):
            yield from convolution(make, batch, 64 >> level, c, f, kernel, 2, pad)
    yield from convolution(make, batch, 4, wide[-1], 1, 4, 1, 0)
    yield from convolution(make, batch, 4, wide[-1], 100, 4, 1, 0)


def convolution(make: Maker, n: int, size: int, c: int, f: int, kernel: int, stride: int, pad: int) -> Iterator[Case]:
    """Yield forward, input gradient and weight gradient; ours with all its transforms, though layers share them."""
    out = (size + 2 * pad - kernel) // stride + 1
    x, w, dy = make.array(n, size, size, c), make.array(kernel, kernel, c, f), make.array(n, out, out, f)
    own = [make.on(a) for a in (x, w, dy)]

    def theirs(part: str, way: str, dtype: Any) -> Run:
        xt, wt, dyt = make.tensor(x, way, dtype), make.tensor(w, way, dtype, WEIGHT), make.tensor(dy, way, dtype)
        if part == "forward":
            return lambda: [F.conv2d(xt, wt, stride=stride, padding=pad)]
        wanted = [part == "input grad", part == "weight grad", False]
        geometry = None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, wanted
        return lambda: [g for g in torch.ops.aten.convolution_backward(dyt, xt, wt, *geometry) if g is not None]

    gflop, mbytes = 2e-9 * dy.size * w.size / f, 4e-6 * (x.size + w.size + dy.size)
    for part in ("forward", "input grad", "weight grad"):
        name = f"conv k{kernel} {size}x{size}x{c}-{out}x{out}x{f} {part}".replace(" grad", "-grad").replace(" ", "-")
        call, other = partial(one_pass, part, *own, stride, pad), partial(theirs, part)
        yield Case(name, gflop, mbytes, call, other, axes=WEIGHT if part == "weight grad" else MAP)


def one_pass(part: str, x: Any, w: Any, dy: Any, stride: int, pad: int) -> list[Any]:
    """Return what a pass of ours gives, all its transforms made anew."""
    sizes = backend.conv_sizes(x.shape[:3], w.shape, (stride, stride), ((pad, pad), (pad, pad)))
    conv = backend.convolution(w, sizes)
    if part == "forward":
        return [conv.output(conv.input_form(x))]
    right = conv.output_form(dy)
    return [conv.input_grad(right) if part == "input grad" else conv.weight_grad(conv.input_form(x), right)]
