"""The operations of a dcgan64 step as cases to time: convolutions, batch norm, Adam, the loss, pictures from bytes.

A case makes our call of an operation and PyTorch's on the same numbers, as often as it is asked. Each call has its own
arrays. `benchmarks.ops` verifies and times them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.measure.work import ACTIVATION, ADAM, BATCHNORM
from gpunet import backend

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
MAP, WEIGHT = (0, 2, 3, 1), (2, 3, 1, 0)  # transposes that lead from PyTorch's order of axes to ours
BETAS, EPS, LR = (0.5, 0.999), 1e-8, 2e-4
SLOPE, BN_EPS = 0.2, 1e-5
PARTS = ("forward", "input grad", "weight grad")  # the three passes of a convolution
Run = Callable[[], Any]


def nothing() -> None:
    """Do nothing: the `prepare` of a case that overwrites none of its inputs."""


class Ours(NamedTuple):
    """Our call of an operation, on arrays of its own; it returns a list of arrays."""

    run: Run
    prepare: Run = nothing  # called before each `run`, not timed: it restores inputs that `run` overwrites


class Case(NamedTuple):
    """One operation. `ours()` and `theirs(way, dtype)` make a call each, with new arrays of the same numbers."""

    name: str
    gflop: float
    mbytes: float
    ours: Callable[[], Ours]
    theirs: Callable[[str, Any], Run]  # what it returns is called, and returns a list of tensors
    ways: tuple[str, ...] = tuple(LAYOUTS)
    axes: tuple[int, ...] = MAP  # the transpose of PyTorch's results with four axes


class Maker:
    """Makes random arrays on a device, and the same numbers as tensors."""

    def __init__(self, device: str) -> None:
        self.device, self.rng = device, np.random.default_rng(0)
        self.place = "cuda" if device == "cuda" and torch.cuda.is_available() else "cpu"

    def array(self, *shape: int) -> np.ndarray:
        """Return standard normal numbers, on the host."""
        return self.rng.standard_normal(shape, dtype=np.float32)

    def on(self, array: np.ndarray) -> Any:
        """Return a copy on our device."""
        return backend.to_device(array.copy(), self.device)

    def tensor(self, array: np.ndarray, way: str, dtype: Any, axes: tuple[int, ...] = MAP) -> torch.Tensor:
        """Return a copy as a tensor; four axes get PyTorch's order and the memory format `way`."""
        if array.ndim == 4:
            array = array.transpose(np.argsort(axes))
        found = torch.tensor(np.ascontiguousarray(array), dtype=dtype, device=self.place)
        return found.contiguous(memory_format=LAYOUTS[way]) if array.ndim == 4 else found


def convolutions(make: Maker, batch: int, width: int) -> Iterator[Case]:
    """Yield the three passes of every convolution of the networks, with 4x4 and with 5x5 kernels.

    A transposed convolution has the same three passes, so it needs no case of its own.
    """
    wide = [3, *(width * 2**k for k in range(4))]  # channels from the picture on: 3, 64, 128, 256, 512
    for kernel, pad in ((4, 1), (5, 2)):
        for level, (c, f) in enumerate(zip(wide, wide[1:], strict=False)):
            yield from convolution(make, batch, 64 >> level, c, f, kernel, 2, pad)
    yield from convolution(make, batch, 4, wide[-1], 1, 4, 1, 0)  # D's last layer
    yield from convolution(make, batch, 4, wide[-1], 100, 4, 1, 0)  # G's first layer, from z of 100 numbers


def convolution(make: Maker, n: int, size: int, c: int, f: int, kernel: int, stride: int, pad: int) -> Iterator[Case]:
    """Yield forward, input gradient and weight gradient of x (N, size, size, C) with a weight (kernel, kernel, C, F).

    Our time includes all transforms of each pass, although the passes of a layer share some of them in training.
    """
    out = (size + 2 * pad - kernel) // stride + 1
    x, w, dy = make.array(n, size, size, c), make.array(kernel, kernel, c, f), make.array(n, out, out, f)

    def ours(part: str) -> Ours:
        return Ours(partial(one_pass, part, *(make.on(a) for a in (x, w, dy)), stride, pad))

    def theirs(part: str, way: str, dtype: Any) -> Run:
        xt, wt, dyt = make.tensor(x, way, dtype), make.tensor(w, way, dtype, WEIGHT), make.tensor(dy, way, dtype)
        if part == "forward":
            return lambda: [F.conv2d(xt, wt, stride=stride, padding=pad)]
        wanted = [part == "input grad", part == "weight grad", False]
        geometry = None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, wanted
        return lambda: [g for g in torch.ops.aten.convolution_backward(dyt, xt, wt, *geometry) if g is not None]

    gflop, mbytes = 2e-9 * dy.size * w.size / f, 4e-6 * (x.size + w.size + dy.size)
    for part in PARTS:
        name = f"conv k{kernel} {size}x{size}x{c}-{out}x{out}x{f} {part}".replace(" grad", "-grad").replace(" ", "-")
        calls = partial(ours, part), partial(theirs, part)
        yield Case(name, gflop, mbytes, *calls, axes=WEIGHT if part == "weight grad" else MAP)


def one_pass(part: str, x: Any, w: Any, dy: Any, stride: int, pad: int) -> list[Any]:
    """Return the result of one of our passes, with all its transforms computed anew."""
    sizes = backend.conv_sizes(x.shape[:3], w.shape, (stride, stride), ((pad, pad), (pad, pad)))
    conv = backend.convolution(w, sizes)
    if part == "forward":
        return [conv.output(conv.input_form(x))]
    Y = conv.output_form(dy)
    return [conv.input_grad(Y) if part == "input grad" else conv.weight_grad(conv.input_form(x), Y)]


def batch_norms(make: Maker, batch: int, width: int) -> Iterator[Case]:
    """Yield batch norm with the LeakyReLU behind it, forward and backward, for every map of D that has one."""
    for side, c in ((16, 2 * width), (8, 4 * width), (4, 8 * width)):
        yield from batch_norm(make, (batch, side, side, c))


def batch_norm(make: Maker, shape: tuple[int, ...]) -> Iterator[Case]:
    """Yield forward and backward for maps of this shape (N, H, W, C)."""
    x, dy, scale, shift = make.array(*shape), make.array(*shape), make.array(shape[3]), make.array(shape[3])

    def ours(part: str) -> Ours:
        own_x, own_dy, own_scale, own_shift, buffer = (make.on(a) for a in (x, dy, scale, shift, dy))
        affine = own_scale, own_shift
        _, mean, _, rstd = backend.batchnorm(own_x, *affine, BN_EPS, SLOPE)

        def backward() -> list[Any]:  # overwrites the gradient that it is given
            return list(backend.batchnorm_backward(buffer, own_x, mean, rstd, *affine, SLOPE))

        def refill() -> None:
            buffer[...] = own_dy

        if part == "backward":
            return Ours(backward, refill)
        return Ours(lambda: [backend.batchnorm(own_x, *affine, BN_EPS, SLOPE)[0]])

    for part in ("forward", "backward"):
        name, (moved, flops) = f"batchnorm-leaky-{'x'.join(map(str, shape[1:]))}-{part}", BATCHNORM[part]
        theirs = partial(torch_batch_norm, make, part, x, dy, scale, shift)
        yield Case(name, flops * x.size / 1e9, moved * x.size * 4e-6, partial(ours, part), theirs)


def torch_batch_norm(make: Maker, part: str, x: Any, dy: Any, scale: Any, shift: Any, way: str, dtype: Any) -> Run:
    """Return PyTorch's batch norm with LeakyReLU, or its backward pass."""
    inputs = [make.tensor(a, way, dtype).requires_grad_(part == "backward") for a in (x, scale, shift)]
    dyt = make.tensor(dy, way, dtype)

    def forward() -> torch.Tensor:
        return F.leaky_relu(F.batch_norm(inputs[0], None, None, *inputs[1:], True, eps=BN_EPS), SLOPE)

    y = forward()
    if part == "forward":
        return lambda: [forward()]
    return lambda: list(torch.autograd.grad(y, inputs, dyt, retain_graph=True))


def others(make: Maker, batch: int, width: int) -> Iterator[Case]:
    """Yield Adam for as many numbers as D has, the loss, and pictures from bytes."""
    yield adam(make, round(2_765_568 * (width / 64) ** 2))
    yield loss(make, batch)
    yield pictures(make, batch)


def adam(make: Maker, count: int) -> Case:
    """Return one update of `count` numbers."""
    param, grad = make.array(count), make.array(count)

    def ours() -> Ours:
        own, state = [make.on(a) for a in (param, grad, param * 0, param * 0)], make.on(np.array([LR, 0, 0, 0]))

        def update() -> list[Any]:
            backend.adam_update(*own, state, BETAS, EPS)
            return [own[0]]

        return Ours(update)

    def theirs(way: str, dtype: Any) -> Run:
        tensor = make.tensor(param, "contiguous", dtype).requires_grad_()
        tensor.grad = make.tensor(grad, "contiguous", dtype)
        form = {"fused": way == "fused", "foreach": way == "foreach", "capturable": make.place == "cuda"}
        step = torch.optim.Adam([tensor], lr=LR, betas=BETAS, eps=EPS, **form).step
        return lambda: (step(), [tensor.detach()])[1]

    return Case("adam", count * ADAM[1] / 1e9, count * ADAM[0] * 4e-6, ours, theirs, ("plain", "foreach", "fused"))


def loss(make: Maker, batch: int) -> Case:
    """Return the loss of a batch of logits, with its gradient."""
    logits = make.array(batch, 1, 1, 1)

    def ours() -> Ours:
        own = make.on(logits)
        return Ours(lambda: list(backend.bce_with_logits(own, 1.0)))

    def theirs(way: str, dtype: Any) -> Run:
        x = make.tensor(logits, "contiguous", dtype).requires_grad_()

        def run() -> list[Any]:
            value = F.binary_cross_entropy_with_logits(x, torch.ones_like(x))
            return [value.detach(), *torch.autograd.grad(value, x)]

        return run

    return Case("loss", batch * 1e-8, batch * 8e-6, ours, theirs, ("eager",))


def pictures(make: Maker, batch: int) -> Case:
    """Return the conversion of a batch of bytes to numbers from -1 to 1."""
    images = make.rng.integers(0, 256, (batch, 64, 64, 3), dtype=np.uint8)
    numbers = images.size

    def ours() -> Ours:
        own = make.on(images)
        return Ours(lambda: [backend.images_to_real(own)])

    def theirs(way: str, dtype: Any) -> Run:
        tensor = torch.tensor(images, device=make.place)
        form = {"memory_format": LAYOUTS[way]}
        return lambda: [tensor.permute(0, 3, 1, 2).to(dtype, **form).div_(127.5).sub_(1)]

    gflop = numbers * ACTIVATION["forward"][1] / 1e9
    return Case("pictures-from-bytes", gflop, numbers * 5e-6, ours, theirs)
