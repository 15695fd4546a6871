"""Every preset's networks in PyTorch, written from the published systems, not from our code.

Tests compare with them and benchmarks race against them. A function has its preset's name with _ for -. z is the number
of features of G's input, w the width, c the channels of a picture.
"""

from torch import nn

from benchmarks.rivals.torch_layers import (
    Join,
    SameConv,
    SameUp,
    ShiftNorm,
    SumOfMaps,
    ToMap,
    ToRow,
    down4,
    down_block,
    leaky,
    normalised,
    up4,
    up_block,
)


def dcgan64(z, w, size=64):
    wide = [w * min(2**k, 16) for k in reversed(range(size.bit_length() - 3))]  # 64: 8w, 4w, 2w, w
    steps = list(zip(wide, wide[1:], strict=False))
    G = nn.Sequential(
        ToMap(1, 1, z), nn.ConvTranspose2d(z, wide[0], 4, bias=False), nn.BatchNorm2d(wide[0]), nn.ReLU(),
        *(layer for a, b in steps for layer in up4(a, b)), nn.ConvTranspose2d(w, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(3, w, 4, 2, 1, bias=False), leaky(), *(layer for b, a in steps[::-1] for layer in down4(a, b)),
        nn.Conv2d(wide[0], 1, 4, bias=False), nn.Flatten(),
    )  # fmt: skip
    return G, D


def paper(z, w):
    def up(a, b, size):
        return SameUp(a, b, (size, size), False), nn.BatchNorm2d(b), nn.ReLU()

    def down(a, b):
        return SameConv(a, b, bias=False), nn.BatchNorm2d(b), leaky()

    G = nn.Sequential(
        nn.Linear(z, 128 * w, False), ToMap(4, 4, 8 * w), nn.BatchNorm2d(8 * w), nn.ReLU(),
        *up(8 * w, 4 * w, 8), *up(4 * w, 2 * w, 16), *up(2 * w, w, 32), SameUp(w, 3, (64, 64), False), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        SameConv(3, w, bias=False), leaky(), *down(w, 2 * w), *down(2 * w, 4 * w), *down(4 * w, 8 * w),
        ToRow(), nn.Linear(128 * w, 1, False),
    )  # fmt: skip
    return G, D


def newmu(z, w):
    """The authors' code: batch norm of every feature of the projection on its own, padding of 2 on all sides."""

    def up(a, b):
        return nn.ConvTranspose2d(a, b, 5, 2, 2, 1, bias=False)  # one row and column more at the end

    def down(a, b):
        return nn.Conv2d(a, b, 5, 2, 2, bias=False), nn.BatchNorm2d(b), leaky()

    G = nn.Sequential(
        nn.Linear(z, 128 * w, False), nn.BatchNorm1d(128 * w), nn.ReLU(), ToMap(4, 4, 8 * w),
        up(8 * w, 4 * w), nn.BatchNorm2d(4 * w), nn.ReLU(), up(4 * w, 2 * w), nn.BatchNorm2d(2 * w), nn.ReLU(),
        up(2 * w, w), nn.BatchNorm2d(w), nn.ReLU(), up(w, 3), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(3, w, 5, 2, 2, bias=False), leaky(), *down(w, 2 * w), *down(2 * w, 4 * w), *down(4 * w, 8 * w),
        ToRow(), nn.Linear(128 * w, 1, False),
    )  # fmt: skip
    return G, D


def carpedm20(z, w, size=(64, 64), ladder=((4, 4), (8, 8), (16, 16), (32, 32)), c=3):
    (h, v), first, second, third = ladder

    def up(a, b, size):
        return SameUp(a, b, size), nn.BatchNorm2d(b), nn.ReLU()

    def down(a, b):
        return SameConv(a, b), nn.BatchNorm2d(b), leaky()

    G = nn.Sequential(
        nn.Linear(z, h * v * 8 * w), ToMap(h, v, 8 * w), nn.BatchNorm2d(8 * w), nn.ReLU(),
        *up(8 * w, 4 * w, first), *up(4 * w, 2 * w, second), *up(2 * w, w, third), SameUp(w, c, size), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        SameConv(c, w), leaky(), *down(w, 2 * w), *down(2 * w, 4 * w), *down(4 * w, 8 * w),
        ToRow(), nn.Linear(h * v * 8 * w, 1),
    )  # fmt: skip
    return G, D


mydcgan = carpedm20


def carpedm20_mnist(z, w):
    """The conditional networks, with three classes instead of ten."""
    k, hidden, flat = 3, 16 * w, 7 * 7 * (w + 3)
    G = nn.Sequential(
        Join(), nn.Linear(z + k, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
        Join(), nn.Linear(hidden + k, 98 * w), nn.BatchNorm1d(98 * w), nn.ReLU(), ToMap(7, 7, 2 * w),
        Join(), SameUp(2 * w + k, 2 * w, (14, 14)), nn.BatchNorm2d(2 * w), nn.ReLU(),
        Join(), SameUp(2 * w + k, 1, (28, 28)), nn.Sigmoid(),
    )  # fmt: skip
    D = nn.Sequential(
        Join(), SameConv(1 + k, 1 + k), leaky(),
        Join(), SameConv(1 + 2 * k, w + k), nn.BatchNorm2d(w + k), leaky(), ToRow(),
        Join(), nn.Linear(flat + k, hidden), nn.BatchNorm1d(hidden), leaky(),
        Join(), nn.Linear(hidden + k, 1),
    )  # fmt: skip
    return G, D


def tf_nw(z, w):
    def up(a, b, size):
        return SameUp(a, b, (size, size), False), ShiftNorm(b), nn.ReLU()

    def down(a, b):
        return SameConv(a, b, bias=False), ShiftNorm(b), leaky()

    G = nn.Sequential(
        nn.Linear(z, 256 * w), nn.ReLU(), ToMap(4, 4, 16 * w), *up(16 * w, 8 * w, 8), *up(8 * w, 4 * w, 16),
        *up(4 * w, 2 * w, 32), SameUp(2 * w, 3, (64, 64), False), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        SameConv(3, w, bias=False), leaky(), *down(w, 2 * w), *down(2 * w, 4 * w), *down(4 * w, 8 * w),
        ToRow(), nn.Linear(128 * w, 1),
    )  # fmt: skip
    return G, D


def basicgan(z, w):
    G = nn.Sequential(nn.Linear(z, w), nn.ReLU(), nn.Linear(w, 3 * 64 * 64), nn.Tanh(), ToMap(64, 64, 3))
    return G, nn.Sequential(ToRow(), nn.Linear(3 * 64 * 64, w), nn.ReLU(), nn.Linear(w, 1))


def anime96(z, w):
    G, D = dcgan64(z, w)
    G[-2], D[0] = nn.ConvTranspose2d(w, 3, 5, 3, 1, bias=False), nn.Conv2d(3, w, 5, 3, 1, bias=False)
    return G, D


def monn28(z, w):
    def norm(c):
        return nn.BatchNorm2d(c, eps=1e-3, momentum=0.01), leaky()

    G = nn.Sequential(
        nn.Linear(z, 32 * w), ToMap(2, 2, 8 * w), *norm(8 * w), nn.ConvTranspose2d(8 * w, 4 * w, 5, 2), *norm(4 * w),
        SameUp(4 * w, 2 * w, (14, 14)), *norm(2 * w), SameUp(2 * w, 3, (28, 28)), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        SameConv(3, w), leaky(), SameConv(w, 2 * w), *norm(2 * w), SameConv(2 * w, 4 * w, 1), *norm(4 * w),
        ToRow(), nn.Linear(7 * 7 * 4 * w, 1),
    )  # fmt: skip
    return G, D


def resnet(z, w, sizes=((4, 4), (8, 8), (16, 16), (32, 32), (64, 64)), c=3, spectral=True):
    wide = [w * min(2**k, 16) for k in reversed(range(len(sizes)))]  # 64x64: 16w, 8w, 4w, 2w, w
    (h, v), *larger = sizes
    narrow, norm = [c, *wide[-2::-1]], normalised if spectral else lambda layer: layer
    G = nn.Sequential(
        nn.Linear(z, h * v * wide[0]), ToMap(h, v, wide[0]),
        *(up_block(a, b, size) for a, b, size in zip(wide, wide[1:], larger, strict=False)),
        nn.BatchNorm2d(w), nn.ReLU(), nn.Conv2d(w, c, 3, padding=1), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        *(down_block(a, b, norm, first=i == 0) for i, (a, b) in enumerate(zip(narrow, narrow[1:], strict=False))),
        nn.ReLU(), SumOfMaps(), norm(nn.Linear(wide[0], 1)),
    )  # fmt: skip
    return G, D
