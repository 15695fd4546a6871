"""The convolutions against PyTorch in float64, forward and backward, on randomly drawn shapes, strides and paddings.

Each seed draws one configuration, so that a failing test names how to draw it again.
"""

import numpy as np
import pytest

from cases import IMPLEMENTATIONS
from gpunet import backend, layers
from torch_side import compare, torch

functional = torch.nn.functional


@pytest.fixture(params=IMPLEMENTATIONS, autouse=True)
def implementation(request):
    with backend.use(request.param):
        yield


def draw_geometry(rng):
    """Return kernel, stride and padding: 1 to 5, 1 to 3 and 0 to 2 per axis, or a named padding."""
    kernel, stride = (tuple(int(v) for v in rng.integers(1, top, 2)) for top in (6, 4))
    named = rng.choice(["same", "valid", "number", "number"])
    return kernel, stride, tuple(int(v) for v in rng.integers(0, 3, 2)) if named == "number" else str(named)


def same_pads(size, kernel, stride):
    """What torch.nn.functional.pad needs to make TensorFlow's SAME: (before, after)."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


@pytest.mark.parametrize("seed", range(60))
def test_conv2d(seed):
    rng = np.random.default_rng(seed)
    kernel, stride, padding = draw_geometry(rng)
    n, h, w, c, f = (int(v) for v in rng.integers(1, [4, 10, 10, 6, 6]))
    h, w = max(h, kernel[0]), max(w, kernel[1])
    layer = layers.Conv2d(c, f, kernel, stride, padding, bias=bool(seed % 3)).to(dtype="float64")
    pads = (0, 0, 0, 0)
    if padding == "same":
        pads = (*same_pads(w, kernel[1], stride[1]), *same_pads(h, kernel[0], stride[0]))
    elif padding != "valid":
        pads = (padding[1], padding[1], padding[0], padding[0])

    def reference(x, p):
        return functional.conv2d(functional.pad(x, pads), p["weight"], p.get("bias"), stride)

    compare(layer, rng.standard_normal((n, h, w, c)), rng, reference)


@pytest.mark.parametrize("seed", range(60))
def test_conv_transpose2d_with_numbered_padding(seed):
    """Any output size that PyTorch reaches by output_padding, which it wants below the stride."""
    rng = np.random.default_rng(seed)
    kernel, stride, _ = draw_geometry(rng)
    padding = tuple(int(rng.integers(0, (k + 1) // 2)) for k in kernel)
    extra = tuple(int(rng.integers(0, s)) for s in stride)
    n, h, w, c, f = (int(v) for v in rng.integers(1, [4, 6, 6, 6, 6]))
    size = [(side - 1) * stride[a] + kernel[a] - 2 * padding[a] + extra[a] for a, side in enumerate((h, w))]
    size = tuple(size) if any(extra) else None
    layer = layers.ConvTranspose2d(c, f, kernel, stride, padding, size, bool(seed % 3)).to(dtype="float64")

    def reference(x, p):
        return functional.conv_transpose2d(x, p["weight"], p.get("bias"), stride, padding, extra)

    compare(layer, rng.standard_normal((n, h, w, c)), rng, reference)


@pytest.mark.parametrize("seed", range(60))
def test_conv_transpose2d_same_and_valid(seed):
    """SAME: the whole painted area, cut where the convolution of the output size would have padded."""
    rng = np.random.default_rng(seed)
    kernel, stride, _ = draw_geometry(rng)
    padding = "valid" if seed % 4 == 0 else "same"
    n, h, w, c, f = (int(v) for v in rng.integers(1, [4, 6, 6, 5, 5]))
    if padding == "same":
        size = tuple(int(side * s - rng.integers(0, s)) for side, s in zip((h, w), stride, strict=True))
    else:
        sides = zip((h, w), stride, kernel, strict=True)
        size = tuple((side - 1) * s + k + int(rng.integers(0, s)) for side, s, k in sides)
    layer = layers.ConvTranspose2d(c, f, kernel, stride, padding, size, bool(seed % 3)).to(dtype="float64")
    corner = [same_pads(size[a], kernel[a], stride[a])[0] if padding == "same" else 0 for a in (0, 1)]

    def reference(x, p):
        painted = functional.conv_transpose2d(x, p["weight"], None, stride)
        painted = functional.pad(painted, (0, stride[1] + kernel[1], 0, stride[0] + kernel[0]))
        y = painted[:, :, corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
        return y + p["bias"][:, None, None] if "bias" in p else y

    compare(layer, rng.standard_normal((n, h, w, c)), rng, reference)


@pytest.mark.parametrize("kernel, stride, padding", [(4, 2, 1), (5, 2, 2), (3, 1, 1), (4, 1, 0)])
@pytest.mark.parametrize("hw", [(32, 32), (27, 20)])
def test_convolutions_of_a_dcgan(kernel, stride, padding, hw):
    """Channels and sizes large enough for every fast path, and for work that is cut into several blocks."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((9, *hw, 24))
    for layer, function in (
        (layers.Conv2d(24, 32, kernel, stride, padding, bias=False), functional.conv2d),
        (layers.ConvTranspose2d(24, 32, kernel, stride, padding, bias=False), functional.conv_transpose2d),
    ):

        def reference(x, p, function=function):
            return function(x, p["weight"], None, stride, padding)

        compare(layer.to(dtype="float64"), x, rng, reference)
