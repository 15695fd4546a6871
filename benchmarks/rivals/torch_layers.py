"""The layers of the published systems in PyTorch; torch_networks.py builds the networks from them.

Maps are (N, C, H, W), as PyTorch wants them. Where a map becomes a vector, its numbers go in the order (H, W, C), as in
TensorFlow's flatten and in ours.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class ToMap(nn.Module):
    """Reshape vectors (N, h * w * c) to maps (N, c, h, w)."""

    def __init__(self, h, w, c):
        super().__init__()
        self.shape = h, w, c

    def forward(self, x):
        return x.reshape(-1, *self.shape).permute(0, 3, 1, 2)


class ToRow(nn.Module):
    """Reshape maps (N, c, h, w) to vectors (N, h * w * c)."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class SameConv(nn.Conv2d):
    """tf.nn.conv2d with padding SAME, 5x5."""

    def __init__(self, a, b, stride=2, bias=True):
        super().__init__(a, b, 5, stride, bias=bias)

    def forward(self, x):
        pads = [before_and_behind(side, self.stride[0]) for side in x.shape[2:]]
        return super().forward(F.pad(x, [*pads[1], *pads[0]]))


class SameUp(nn.ConvTranspose2d):
    """tf.nn.conv2d_transpose with padding SAME, 5x5, stride 2, to an explicit size."""

    def __init__(self, a, b, size, bias=True):
        super().__init__(a, b, 5, 2, bias=bias)
        self.size = size

    def forward(self, x):
        (top, _), (left, _) = (before_and_behind(side, 2) for side in self.size)
        return super().forward(x)[:, :, top : top + self.size[0], left : left + self.size[1]]


def before_and_behind(side, stride):
    """Return the padding SAME of a 5x5 kernel on an axis, before and behind, with the odd one behind."""
    total = max(0, (-(-side // stride) - 1) * stride + 5 - side)
    return total // 2, total - total // 2


class ShiftNorm(nn.BatchNorm2d):
    """Batch norm that learns a shift and no scale."""

    def __init__(self, channels):
        super().__init__(channels)
        self.weight = None


class Join(nn.Module):
    """Join the one-hot labels 0, 1, 2, 0 ... of a batch to vectors as 3 features, to maps as 3 channels."""

    def forward(self, x):
        labels = F.one_hot(torch.arange(len(x), device=x.device) % 3, 3).to(x)
        if x.ndim == 4:
            labels = labels[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return torch.cat([x, labels], 1)


class Block(nn.Module):
    """A residual block: the sum of two paths."""

    def __init__(self, branch, shortcut):
        super().__init__()
        self.branch, self.shortcut = nn.Sequential(*branch), nn.Sequential(*shortcut)

    def forward(self, x):
        return self.branch(x) + self.shortcut(x)


class SumOfMaps(nn.Module):
    """Add up the pixels of each map: (N, c, h, w) to (N, c)."""

    def forward(self, x):
        return x.sum((2, 3))


def up_block(a, b, size):
    """The block of a residual generator: it doubles a map to this size."""
    branch = (
        nn.BatchNorm2d(a), nn.ReLU(), nn.Upsample(size=size), nn.Conv2d(a, b, 3, padding=1, bias=False),
        nn.BatchNorm2d(b), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1),
    )  # fmt: skip
    return Block(branch, (nn.Upsample(size=size), nn.Conv2d(a, b, 1)))


def down_block(a, b, norm, first):
    """The block of a residual discriminator: it halves a map; norm is applied to its convolutions."""
    pool, begin = nn.AvgPool2d(2, ceil_mode=True), () if first else (nn.ReLU(),)
    one, two = (norm(nn.Conv2d(c, b, 3, padding=1)) for c in (a, b))
    return Block((*begin, one, nn.ReLU(), two, pool), (norm(nn.Conv2d(a, b, 1)), pool))


def normalised(layer):
    """Return a layer with spectral norm."""
    return nn.utils.parametrizations.spectral_norm(layer)


def leaky():
    return nn.LeakyReLU(0.2)


def up4(a, b):
    return nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()


def down4(a, b):
    return nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), leaky()
