"""PyTorch's side of the comparisons: its layout, its gradients, and a pair of equal networks."""

import numpy as np
import pytest

from cases import assert_close
from gpunet import layers
from gpunet.torch_format import from_torch, to_torch

torch = pytest.importorskip("torch")
nn = torch.nn

BOUND = 1e-10  # float64 on both sides: sums of up to a thousand terms, in another order, leave some 1e-13


def to_nchw(array):
    """Return an NHWC array (or any other as it is) as a tensor in PyTorch's layout that wants a gradient."""
    array = array.transpose(0, 3, 1, 2) if array.ndim == 4 else array
    return torch.from_numpy(np.ascontiguousarray(array)).requires_grad_()


def to_nhwc(tensor):
    array = tensor.detach().numpy()
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def compare(layer, x, rng, reference):
    """Run the layer and `reference(tensor, parameters by name)` forward and backward; compare every number."""
    tensors = {name: torch.from_numpy(array).requires_grad_() for name, array in to_torch(layer).items()}
    tensor = to_nchw(x)
    expected = reference(tensor, tensors)
    y = layer.forward(x)
    assert_close(y, to_nhwc(expected), BOUND, "y")
    dy = rng.standard_normal(y.shape)
    expected.backward(to_nchw(dy).detach())
    assert_close(layer.backward(dy), to_nhwc(tensor.grad), BOUND, "dx")
    for parameter in layer.parameters():  # a gradient has its parameter's layout, so the exchange translates it too
        parameter.data = parameter.grad
    for name, gradient in to_torch(layer).items():
        assert_close(gradient, tensors[name].grad.numpy(), BOUND, "d" + name)


def discriminators():
    """The same small discriminator twice, ours and PyTorch's, with PyTorch's weights."""
    own = layers.Sequential(
        layers.Conv2d(3, 4, 4, 2, 1, bias=False), layers.LeakyReLU(0.2),
        layers.Conv2d(4, 8, 4, 2, 1), layers.BatchNorm(8), layers.Tanh(),
        layers.Conv2d(8, 1, 2), layers.Flatten(),
    )  # fmt: skip
    theirs = nn.Sequential(
        nn.Conv2d(3, 4, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(4, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.Tanh(),
        nn.Conv2d(8, 1, 2), nn.Flatten(),
    )  # fmt: skip
    from_torch(own.to(dtype="float64"), theirs.double().state_dict())
    return own, theirs
