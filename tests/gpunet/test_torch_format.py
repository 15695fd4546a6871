"""The exchange of weights with PyTorch: both ways, whole networks, and what does not fit."""

import numpy as np
import pytest

from cases import IMPLEMENTATIONS, assert_close
from gpunet import backend, layers
from gpunet.torch_format import from_torch, to_torch
from torch_side import BOUND, discriminators, nn, to_nchw, to_nhwc, torch


@pytest.fixture(params=IMPLEMENTATIONS, autouse=True)
def implementation(request):
    with backend.use(request.param):
        yield


def test_state_dicts_travel_both_ways():
    own, theirs = discriminators()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 8, 8, 3))
    for _ in range(2):  # running statistics that are not those of a new layer
        theirs(to_nchw(x))
        own.forward(2 * x - 1)
        own.forget()
    from_torch(own, theirs.state_dict())
    assert list(to_torch(own)) == list(theirs.state_dict())
    assert_close(own.eval().forward(x), to_nhwc(theirs.eval()(to_nchw(x))), BOUND, "from PyTorch")
    for parameter in own.parameters():
        parameter.data[...] = rng.standard_normal(parameter.data.shape)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in to_torch(own).items()})
    assert_close(own.forward(x), to_nhwc(theirs(to_nchw(x))), BOUND, "to PyTorch")


def test_transposed_and_linear_weights_travel():
    own = layers.Sequential(layers.Linear(3, 8), layers.Reshape((2, 2, 2)), layers.ConvTranspose2d(2, 3, 4, 2, 1))
    theirs = nn.Sequential(nn.Linear(3, 8), nn.Identity(), nn.ConvTranspose2d(2, 3, 4, 2, 1))
    from_torch(own, theirs.state_dict())
    z = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
    image = theirs[0](torch.from_numpy(z)).reshape(5, 2, 2, 2).permute(0, 3, 1, 2)  # our Reshape is channels last
    assert_close(own.forward(z), to_nhwc(theirs[2](image)), 1e-6)


def test_other_norms_and_spectral_norm_travel_both_ways():
    """Also u and v: after the exchange both sides take the same next power iteration."""
    spectral = nn.utils.parametrizations.spectral_norm
    own = layers.Sequential(
        layers.SpectralNorm(layers.Conv2d(2, 3, (3, 4), bias=False)), layers.LayerNorm(3), layers.Tanh(),
        layers.SpectralNorm(layers.Conv2d(3, 4, 3)), layers.InstanceNorm(4), layers.GlobalSumPool(),
        layers.SpectralNorm(layers.Linear(4, 2)),
    ).to(dtype="float64")  # fmt: skip
    theirs = nn.Sequential(
        spectral(nn.Conv2d(2, 3, (3, 4), bias=False)), nn.GroupNorm(1, 3), nn.Tanh(),
        spectral(nn.Conv2d(3, 4, 3)), nn.InstanceNorm2d(4, affine=True), Sum(), spectral(nn.Linear(4, 2)),
    ).double()  # fmt: skip
    x = np.random.default_rng(0).standard_normal((3, 7, 9, 2))
    theirs(to_nchw(x))
    from_torch(own, theirs.state_dict())
    assert list(to_torch(own)) == list(theirs.state_dict())
    for _ in range(2):
        assert_close(own.forward(x), to_nhwc(theirs(to_nchw(x))), BOUND, "from PyTorch")
        own.forget()
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in to_torch(own).items()})
    assert_close(own.forward(x), to_nhwc(theirs(to_nchw(x))), BOUND, "to PyTorch")


class Sum(nn.Module):
    def forward(self, x):
        return x.sum((2, 3))


def test_batchnorm_without_shift_stands_in_pytorch_with_zeros():
    own = layers.BatchNorm(3, shift=False)
    own.scale.data[...] = [1, 2, 3]
    assert to_torch(own)["bias"].tolist() == [0, 0, 0]
    state = nn.BatchNorm1d(3).state_dict()
    from_torch(own, state)
    assert own.scale.data.tolist() == [1, 1, 1]
    state["bias"] += 1
    with pytest.raises(ValueError, match=r"bias is not 0 everywhere, and BatchNorm\(3.*has no shift"):
        from_torch(own, state)


def test_pytorch_state_that_does_not_fit_names_every_problem():
    own, theirs = discriminators()
    state = dict(theirs.state_dict())
    before = to_torch(own)
    del state["3.running_var"]
    state |= {"9.weight": torch.zeros(1), "2.bias": torch.zeros(3)}
    with pytest.raises(ValueError) as error:
        from_torch(own, state)
    for part in ("missing 3.running_var", "unexpected 9.weight", "2.bias has shape (3,), expected (8,)"):
        assert part in str(error.value)
    assert all((to_torch(own)[name] == array).all() for name, array in before.items())
