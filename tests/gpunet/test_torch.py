"""The other layers, the loss and ten steps of Adam against PyTorch in float64."""

import numpy as np
import pytest

from cases import IMPLEMENTATIONS, assert_close
from gpunet import backend, layers
from gpunet.gradcheck import off_kinks
from gpunet.optim import Adam
from gpunet.torch_format import to_torch
from torch_side import BOUND, compare, discriminators, nn, to_nchw, to_nhwc, torch

functional = nn.functional


@pytest.fixture(params=IMPLEMENTATIONS, autouse=True)
def implementation(request):
    with backend.use(request.param):
        yield


@pytest.mark.parametrize("seed", range(10))
def test_linear(seed):
    rng = np.random.default_rng(seed)
    n, c, f = (int(v) for v in rng.integers(1, 9, 3))
    layer = layers.Linear(c, f, bias=bool(seed % 2)).to(dtype="float64")
    compare(layer, rng.standard_normal((n, c)), rng, lambda x, p: functional.linear(x, p["weight"], p.get("bias")))


@pytest.mark.parametrize(
    "layer, reference",
    [
        (layers.ReLU(), functional.relu),
        (layers.LeakyReLU(0.2), lambda x: functional.leaky_relu(x, 0.2)),
        (layers.Tanh(), torch.tanh),
        (layers.Sigmoid(), torch.sigmoid),
    ],
)
@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (40, 64, 64, 1)])  # the second is cut into blocks
def test_activations(layer, reference, shape):
    rng = np.random.default_rng(0)
    x = 3 * rng.standard_normal(shape)
    x.flat[:2] = 0  # where ReLU has no derivative both take the left one
    compare(layer, x, rng, lambda x, p: reference(x))


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("slope", [None, 0.0, 0.2])
@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (7, 6), (11, 64, 64, 6)])  # the last is cut into blocks
def test_batchnorm(shape, slope, affine):
    """Three training passes forward and backward, with the activation behind it, then one in evaluation mode."""
    rng = np.random.default_rng(0)
    own = layers.BatchNorm(6, eps=1e-4, momentum=0.3, scale=affine, shift=affine)
    own = layers.Sequential(own, *([] if slope is None else [layers.LeakyReLU(slope)])).to(dtype="float64")
    norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(6, eps=1e-4, momentum=0.3, affine=affine).double()
    theirs = nn.Sequential(norm, nn.Identity() if slope is None else nn.LeakyReLU(slope))
    for parameter in own.parameters():
        parameter.data[...] = off_kinks(rng, (6,))
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in to_torch(own).items()})
    for mode in (True, True, True, False):
        x = 1 + 2 * rng.standard_normal(shape)
        tensor, dy = to_nchw(x), rng.standard_normal(shape)
        y = theirs.train(mode)(tensor)
        assert_close(own.train(mode).forward(x), to_nhwc(y), BOUND, "y")
        if mode:
            y.backward(to_nchw(dy).detach())
            assert_close(own.backward(dy), to_nhwc(tensor.grad), BOUND, "dx")
        for mine, parameter in zip(own.parameters(), theirs.parameters(), strict=True):
            assert_close(mine.grad, parameter.grad.numpy(), BOUND, "accumulated gradient")
        for name in ("running_mean", "running_var"):
            assert_close(to_torch(own)[f"0.{name}"], theirs.state_dict()[f"0.{name}"].numpy(), BOUND, name)


@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (40, 32, 32, 6)])  # the second is cut into blocks
@pytest.mark.parametrize("kind", ["layer", "instance"])
def test_norms_of_samples(kind, shape):
    """PyTorch's layer norm scales every number of a sample; ours every channel, as its group norm of one group."""
    rng = np.random.default_rng(0)
    layer = (layers.LayerNorm if kind == "layer" else layers.InstanceNorm)(6, eps=1e-4).to(dtype="float64")
    for parameter in layer.parameters():
        parameter.data[...] = off_kinks(rng, (6,))

    def theirs(x, p):
        if kind == "layer":
            return functional.group_norm(x, 1, p["weight"], p["bias"], eps=1e-4)
        return functional.instance_norm(x, weight=p["weight"], bias=p["bias"], eps=1e-4)

    compare(layer, 1 + 2 * rng.standard_normal(shape), rng, theirs)


@pytest.mark.parametrize("target", [0.0, 1.0, 0.9, None])
def test_bce_with_logits(target):
    rng = np.random.default_rng(0)
    logits = 20 * rng.standard_normal((4, 5))
    targets = rng.random((4, 5)) if target is None else np.full((4, 5), target)
    tensor = to_nchw(logits)
    expected = functional.binary_cross_entropy_with_logits(tensor, torch.from_numpy(targets))
    expected.backward()
    loss, dlogits = backend.bce_with_logits(logits, targets if target is None else target)
    assert_close(loss, expected.item(), BOUND, "loss")
    assert_close(dlogits, tensor.grad.numpy(), BOUND, "dlogits")


def test_ten_steps_of_adam():
    """Ten steps on fresh batches: losses and every parameter follow PyTorch's."""
    own, theirs = discriminators()
    rng = np.random.default_rng(0)
    mine = Adam(own.parameters(), lr=0.01, betas=(0.5, 0.999))
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01, betas=(0.5, 0.999))
    for step in range(10):
        x, target = rng.standard_normal((4, 8, 8, 3)), rng.random((4, 1))
        mine.zero_grad()
        loss, dlogits = backend.bce_with_logits(own.forward(x), target)
        own.backward(dlogits, input_grad=False)
        mine.step()
        reference.zero_grad()
        expected = functional.binary_cross_entropy_with_logits(theirs(to_nchw(x)), torch.from_numpy(target))
        expected.backward()
        reference.step()
        assert_close(loss, expected.item(), 1e-9, f"loss of step {step}")
        for name, tensor in theirs.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                assert_close(to_torch(own)[name], tensor.numpy(), 1e-8, f"{name} after step {step}")
