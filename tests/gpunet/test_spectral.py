"""SpectralNorm against PyTorch's parametrization, and with all that touches a weight: Adam, averages, state."""

import numpy as np
import pytest

from cases import IMPLEMENTATIONS, assert_close, host
from gpunet import backend, layers
from gpunet.average import Average
from gpunet.layers import Conv2d, ConvTranspose2d, LeakyReLU, Linear, Sequential, SpectralNorm
from gpunet.optim import Adam


def matrix_of(layer):
    """Our weight as PyTorch's matrix view has it: (outputs, the numbers that each is made from)."""
    weight = host(layer.layer.weight.data)
    return weight.reshape(-1, weight.shape[-1]).T


def theirs_of(own, torch):
    """PyTorch's layer with the same weight, bias, u and v. A kernel's rows are in the order (C, KH, KW) there."""
    inner, nn = own.layer, torch.nn
    if isinstance(inner, Conv2d):
        module, axes = nn.Conv2d(*inner.channels, inner.kernel, inner.stride, inner.padding), (3, 2, 0, 1)
    else:
        module, axes = nn.Linear(*inner.features), (1, 0)
    module = nn.utils.parametrizations.spectral_norm(module.double())
    weight, norm = inner.weight.data.transpose(axes), module.parametrizations.weight[0]
    v = own.buffers["v"].reshape(inner.weight.data.shape[:-1])
    v = v.transpose(2, 0, 1) if v.ndim == 3 else v
    with torch.no_grad():
        for theirs, ours in (
            (module.parametrizations.weight.original, weight), (module.bias, inner.bias.data),
            (norm._u, own.buffers["u"]), (norm._v, v.ravel()),
        ):  # fmt: skip
            theirs.copy_(torch.from_numpy(np.ascontiguousarray(ours)))
    return module, axes


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("make, shape", [(lambda: Conv2d(3, 4, 4, 2, 1), (2, 8, 6, 3)), (lambda: Linear(7, 5), (3, 7))])
def test_several_steps_are_those_of_pytorch(implementation, make, shape):
    """Five training passes with Adam between them, then one in evaluation: y, dx, gradients, weights, u and sigma."""
    torch = pytest.importorskip("torch")
    rng, bound = np.random.default_rng(0), 1e-10
    own = SpectralNorm(make()).to(dtype="float64")
    theirs, axes = theirs_of(own, torch)
    optimiser = Adam(own.parameters(), lr=0.05)
    other = torch.optim.Adam(theirs.parameters(), lr=0.05, betas=(0.5, 0.999))
    original = theirs.parametrizations.weight.original
    with backend.use(implementation):
        for mode in (True, True, True, True, True, False):
            x = rng.standard_normal(shape)
            tensor = torch.from_numpy(x.transpose(0, 3, 1, 2).copy() if x.ndim == 4 else x).requires_grad_()
            y, expected = own.train(mode).forward(x), theirs.train(mode)(tensor)
            back = (0, 2, 3, 1) if x.ndim == 4 else (0, 1)
            assert_close(y, expected.detach().numpy().transpose(back), bound, "y")
            assert_close(own.buffers["u"], theirs.parametrizations.weight[0]._u.numpy(), bound, "u")
            if not mode:
                continue
            dy = rng.standard_normal(y.shape)
            optimiser.zero_grad()
            other.zero_grad()
            expected.backward(torch.from_numpy(dy.transpose(np.argsort(back)).copy()))
            assert_close(own.backward(dy), tensor.grad.numpy().transpose(back), bound, "dx")
            assert_close(own.layer.weight.grad.transpose(axes), original.grad.numpy(), bound, "dweight")
            optimiser.step()
            other.step()
            assert_close(own.layer.weight.data.transpose(axes), original.detach().numpy(), 1e-9, "weight")


@pytest.mark.parametrize("layer", [Conv2d(3, 8, 4), Linear(20, 6), Linear(1, 6), Linear(6, 1)])
def test_sigma_is_the_largest_singular_value(layer, cell):
    """After `settle` and some passes; by LAPACK's decomposition."""
    own = SpectralNorm(layer).to(cell.device, "float64")
    x = cell.array(np.ones((2, 5, 5, 3)) if isinstance(layer, Conv2d) else np.ones((2, layer.features[0])))
    for _ in range(60):
        own.forward(x)
        own.forget()
    weight, u, v = own.layer.weight.data, own.buffers["u"], own.buffers["v"]
    divided, sigma = backend.spectral_norm(weight, u, v, own.eps, 0)
    largest = np.linalg.svd(matrix_of(own), compute_uv=False)[0]
    assert host(sigma).item() == pytest.approx(largest, rel=1e-3)
    assert_close(divided, host(weight) / host(sigma).item(), 1e-14)
    for vector in (u, v):
        assert np.linalg.norm(host(vector)) == pytest.approx(1, rel=1e-12)


def test_evaluation_and_frozen_layers(cell):
    """Evaluation leaves u and v, a frozen layer moves them (its forward is one of training) and gets no gradient."""
    own = SpectralNorm(Linear(5, 4)).to(cell.device)
    x = cell.array(np.random.default_rng(0).standard_normal((3, 5)), "float32")
    own.layer.weight.data[...] = x[0, :4] + own.layer.weight.data  # u and v have to move
    before = own.state_dict()
    own.eval().forward(x)
    assert all((host(own.state_dict()[name]) == host(before[name])).all() for name in before)
    with own.train().frozen():
        own.backward(own.forward(x))
    assert all(parameter.grad is None for parameter in own.parameters())
    assert (host(own.state_dict()["u"]) != host(before["u"])).any()
    assert (host(own.layer.weight.data) == host(before["layer.weight"])).all()


def test_state_comes_back_and_the_next_pass_is_the_same_bit_for_bit(cell):
    rng = np.random.default_rng(0)
    first, second = (Sequential(SpectralNorm(Conv2d(2, 3, 3)), LeakyReLU()).to(cell.device) for _ in range(2))
    assert list(first.state_dict()) == ["0.layer.weight", "0.layer.bias", "0.u", "0.v"]
    x = cell.array(rng.standard_normal((2, 5, 4, 2)), "float32")
    first.forward(x)
    first.forget()
    second.load_state_dict(first.state_dict())
    assert (host(first.forward(x)) == host(second.forward(x))).all()
    assert (host(first.state_dict()["0.v"]) == host(second.state_dict()["0.v"])).all()


def test_joined_batches_share_one_iteration(cell):
    """D sees real and fake in one pass: one weight for both, as it has to be for one gradient."""
    joined, one = (SpectralNorm(Linear(4, 3)).to(cell.device, "float64") for _ in range(2))
    one.load_state_dict(joined.state_dict())
    x = cell.array(np.random.default_rng(0).standard_normal((6, 4)))
    with joined.joined_batches(2):
        assert_close(joined.forward(x), host(one.forward(x)), 0.0)
    assert_close(joined.buffers["u"], host(one.buffers["u"]), 0.0)


def test_average_holds_u_and_v(cell):
    net = Sequential(SpectralNorm(Linear(4, 3)), Linear(3, 1)).to(cell.device)
    optimiser = Adam(net.parameters())
    average = Average(net, optimiser, 0.9)
    x = cell.array(np.random.default_rng(0).standard_normal((5, 4)), "float32")
    for _ in range(3):
        net.backward(net.forward(x))
        optimiser.step()
    state, now = average.state_dict(), net.state_dict()
    assert set(state) == set(now) and (host(state["0.u"]) != host(now["0.u"])).any()
    with average.in_use():
        assert np.isfinite(host(net.eval().forward(x))).all()
    assert_close(net.state_dict()["0.u"], host(now["0.u"]), 0.0)


def test_adam_rounds_the_weight_that_is_kept(cell):
    """Within Adam.rounding the layer reads the divided weight, not the rounded one, and rounds that where it has to."""
    if cell.implementation == "reference":
        pytest.skip("only kernels round")
    rng = np.random.default_rng(0)
    net = SpectralNorm(Conv2d(8, 8, 3, bias=False)).to(cell.device)
    optimiser, x = Adam(net.parameters()), cell.array(rng.standard_normal((2, 6, 6, 8)), "float32")
    plain = host(net.eval().forward(x))
    with backend.use_precision("bf16"), backend.use_conv("mma"), optimiser.rounding("bf16"):
        assert net.layer.weight.rounded is not None
        assert_close(net.forward(x), plain, 2**-7)


@pytest.mark.parametrize("layer", [ConvTranspose2d(2, 3, 4), LeakyReLU()])
def test_other_layers_are_refused(layer):
    with pytest.raises(TypeError, match=r"expected a Conv2d or a Linear"):
        SpectralNorm(layer)
    with pytest.raises(ValueError, match="iterations=-1"):
        SpectralNorm(Linear(2, 2), iterations=-1)


def test_a_weight_of_zeros_gives_no_number(cell):
    """sigma is 0: the quotient is NaN, as PyTorch's, and the run's own check of its numbers says so."""
    own = SpectralNorm(Linear(3, 2, bias=False)).to(cell.device)
    own.layer.weight.data[...] = 0
    with np.errstate(all="ignore"):
        assert np.isnan(host(own.forward(cell.array(np.ones((1, 3)), "float32")))).all()


def test_misfit_input_is_refused_by_the_layer_inside():
    with pytest.raises(ValueError, match=r"Linear\(3, 2\): got x of shape \(4, 2\)"):
        layers.SpectralNorm(Linear(3, 2)).forward(np.zeros((4, 2), "float32"))
