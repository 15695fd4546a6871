"""Batch norm with its activation, Adam, the loss and pictures from bytes as operations to time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.measure.work import ACTIVATION, ADAM, BATCHNORM
from benchmarks.op_case import LAYOUTS, Case, Maker, Run
from gpunet import backend

BETAS, EPS, LR = (0.5, 0.999), 1e-8, 2e-4
SLOPE, BN_EPS = 0.2, 1e-5


def batch_norms(make: Maker, batch: int, width: int) -> Iterator[Case]:
    """Yield batch norm with LeakyReLU behind it, both ways, for every map that has one."""
    for side, c in ((16, 2 * width), (8, 4 * width), (4, 8 * width)):
        yield from batch_norm(make, (batch, side, side, c))


def batch_norm(make: Maker, shape: tuple[int, ...]) -> Iterator[Case]:
    """Yield forward and backward for maps of this shape (N, H, W, C)."""
    x, dy, scale, shift = make.array(*shape), make.array(*shape), make.array(shape[3]), make.array(shape[3])
    own_x, own_dy, own_scale, own_shift, buffer = (make.on(a) for a in (x, dy, scale, shift, dy))
    affine = own_scale, own_shift
    forward = lambda: backend.batchnorm(own_x, *affine, BN_EPS, SLOPE)  # noqa: E731
    _, mean, _, rstd = forward()
    backward = lambda: list(backend.batchnorm_backward(buffer, own_x, mean, rstd, *affine, SLOPE))  # noqa: E731

    def theirs(way: str, dtype: Any, back: bool) -> Run:
        inputs = [make.tensor(a, way, dtype).requires_grad_(back) for a in (x, scale, shift)]
        dyt = make.tensor(dy, way, dtype)
        run = lambda: F.leaky_relu(F.batch_norm(inputs[0], None, None, *inputs[1:], True, eps=BN_EPS), SLOPE)  # noqa: E731
        y = run()
        return (lambda: list(torch.autograd.grad(y, inputs, dyt, retain_graph=True))) if back else (lambda: [run()])

    for part, back in (("forward", False), ("backward", True)):
        moved, flops = BATCHNORM[part]
        refill = (lambda: buffer.__setitem__(..., own_dy)) if back else Case._field_defaults["prepare"]
        call, name = backward if back else lambda: [forward()[0]], f"batchnorm-leaky-{'x'.join(map(str, shape[1:]))}"
        other = lambda way, dtype, back=back: theirs(way, dtype, back)  # noqa: E731
        yield Case(f"{name}-{part}", flops * x.size / 1e9, moved * x.size * 4e-6, call, other, prepare=refill)


def others(make: Maker, batch: int, width: int) -> Iterator[Case]:
    """Yield Adam over as many numbers as D has, the loss, and pictures from bytes."""
    yield adam(make, round(2_765_568 * (width / 64) ** 2))
    yield loss(make, batch)
    yield pictures(make, batch)


def adam(make: Maker, count: int) -> Case:
    """Return one update of so many numbers."""
    param, grad = make.array(count), make.array(count)
    own, state = [make.on(a) for a in (param, grad, param * 0, param * 0)], make.on(np.array([LR, 0, 0, 0], "float64"))

    def theirs(way: str, dtype: Any) -> Run:
        tensor = make.tensor(param, "contiguous", dtype).requires_grad_()
        tensor.grad = make.tensor(grad, "contiguous", dtype)
        form = {"fused": way == "fused", "foreach": way == "foreach"}
        step = torch.optim.Adam([tensor], lr=LR, betas=BETAS, eps=EPS, **form).step
        return lambda: (step(), [tensor.detach()])[1]

    ours = lambda: (backend.adam_update(*own, state, BETAS, EPS), [own[0]])[1]  # noqa: E731
    return Case("adam", count * ADAM[1] / 1e9, count * ADAM[0] * 4e-6, ours, theirs, ("plain", "foreach", "fused"))


def loss(make: Maker, batch: int) -> Case:
    """Return the loss of a batch of answers, with its gradient."""
    logits = make.array(batch, 1, 1, 1)
    own = make.on(logits)

    def theirs(way: str, dtype: Any) -> Run:
        x = make.tensor(logits, "contiguous", dtype).requires_grad_()

        def run() -> list[Any]:
            value = F.binary_cross_entropy_with_logits(x, torch.ones_like(x))
            return [value.detach(), *torch.autograd.grad(value, x)]

        return run

    ours = lambda: list(backend.bce_with_logits(own, 1.0))  # noqa: E731
    return Case("loss", batch * 1e-8, batch * 8e-6, ours, theirs, ("eager",))


def pictures(make: Maker, batch: int) -> Case:
    """Return a batch of bytes becoming numbers from -1 to 1."""
    images = make.rng.integers(0, 256, (batch, 64, 64, 3), dtype=np.uint8)
    own, numbers = make.on(images), images.size

    def theirs(way: str, dtype: Any) -> Run:
        tensor = torch.tensor(images, device=make.place)
        form = {"memory_format": LAYOUTS[way]}
        return lambda: [tensor.permute(0, 3, 1, 2).to(dtype, **form).div_(127.5).sub_(1)]

    gflop, ours = numbers * ACTIVATION["forward"][1] / 1e9, lambda: [backend.images_to_real(own)]
    return Case("pictures-from-bytes", gflop, numbers * 5e-6, ours, theirs)
