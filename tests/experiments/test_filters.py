"""dcgan.filters: guided gradients by hand and against PyTorch; the sheet; misuse."""

from functools import partial

import numpy as np
import pytest

from cases import assert_close, host
from dcgan import filters
from dcgan.data import open_source
from dcgan.discriminator_features import maps
from dcgan.errors import UserError
from dcgan.experiments import guided
from gpunet.layers import (
    AveragePool,
    BatchNorm,
    Conv2d,
    Flatten,
    GlobalSumPool,
    LeakyReLU,
    Linear,
    ReLU,
    Residual,
    Sequential,
    SpectralNorm,
)
from small_runs import cells, command, folder


def small_D(rng):
    D = Sequential(
        Conv2d(3, 4, 4, 2, 1), LeakyReLU(0.2), Conv2d(4, 6, 4, 2, 1, bias=False), BatchNorm(6), LeakyReLU(0.2),
        Flatten(), Linear(6 * 2 * 2, 1),
    )  # fmt: skip
    for parameter in D.parameters():
        parameter.data[...] = rng.standard_normal(parameter.data.shape) / 4
    D[3].shift.data[...] = 1  # so that every filter has a positive answer somewhere
    D[3].buffers["running_mean"][...] = rng.uniform(-0.1, 0.1, 6)
    D[3].buffers["running_var"][...] = rng.uniform(0.5, 1.5, 6)
    return D.eval()


def test_guided_gradients_of_cells(cell):
    """Against PyTorch: at each activation a hook lets only positive gradients through, where x is positive."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    D, x = small_D(rng), rng.standard_normal((3, 8, 8, 3)).astype("float32")
    weights = {name: torch.tensor(array) for name, array in D.state_dict().items()}

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(context, y):
            context.save_for_backward(y)
            return torch.nn.functional.leaky_relu(y, 0.2)

        @staticmethod
        def backward(context, dy):
            return dy * (dy > 0) * (context.saved_tensors[0] > 0)

    picture = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()
    y = torch.nn.functional.conv2d(picture, weights["0.weight"].permute(3, 2, 0, 1), weights["0.bias"], 2, 1)
    y = torch.nn.functional.conv2d(Guided.apply(y), weights["2.weight"].permute(3, 2, 0, 1), None, 2, 1)
    running = (weights["3.running_mean"], weights["3.running_var"], weights["3.scale"], weights["3.shift"])
    y = Guided.apply(torch.nn.functional.batch_norm(y, *running, eps=1e-5))
    D.to(cell.device, "float32")
    for filter in range(6):
        strongest = y[:, filter].amax(dim=(1, 2))
        (expected,) = torch.autograd.grad(strongest.sum(), picture, retain_graph=True)
        found = guided.gradients(D, cell.array(x, "float32"), filter)
        assert np.abs(found).max() > 0
        assert_close(found, expected.permute(0, 2, 3, 1).numpy(), 1e-5)
        assert_close(guided.answers(D, cell.array(x, "float32"))[:, filter], strongest.detach().numpy(), 1e-5)


def test_guided_gradients_by_hand():
    """One weight up, one down: y = relu(a x), so the gradient is a where both factors are positive, else 0."""
    first, second = Conv2d(1, 2, 1, bias=False), Conv2d(2, 1, 1, bias=False)
    D = Sequential(first, LeakyReLU(0.2), second, LeakyReLU(0.2)).eval()
    first.weight.data[...] = np.array([2.0, -1.0]).reshape(1, 1, 1, 2)
    second.weight.data[...] = np.array([3.0, 4.0]).reshape(1, 1, 2, 1)
    x = np.array([1.0, -1.0, 0.5], "float32").reshape(3, 1, 1, 1)
    # x = 1: y = 2 and -0.2, so 3 * 2 - 0.8 = 5.2 > 0, and only the first path is positive: 3 * 2.
    # x = -1: y = -0.4 and 1, so 2.8 > 0; only the second is: 4 * -1.
    assert host(guided.gradients(D, x, 0)).ravel().tolist() == [6.0, -4.0, 6.0]
    assert all(parameter.grad is None for parameter in D.parameters())


def test_a_gradient_as_a_picture():
    gradient = np.array([0.0, 2.0, -2.0, 1.0]).reshape(2, 2, 1)
    assert guided.as_picture(gradient).ravel().tolist() == [128, 255, 0, 191]
    assert (guided.as_picture(np.zeros((2, 2, 3))) == 128).all()


def test_guided_gradients_through_residual_blocks(cell):
    """Against PyTorch, both with the activations inside of the block and with the one behind it."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    branch = Sequential(ReLU(), Conv2d(2, 4, 3, 1, 1), LeakyReLU(0.2), Conv2d(4, 4, 3, 1, 1), AveragePool())
    blocks = Residual(branch, Sequential(AveragePool(), Conv2d(2, 4, 1))), Residual(Conv2d(4, 4, 1))
    D = Sequential(Conv2d(3, 2, 1), *blocks, ReLU(), GlobalSumPool(), Linear(4, 1)).eval()
    for parameter in D.parameters():
        parameter.data[...] = rng.standard_normal(parameter.data.shape) / 2
    x = rng.standard_normal((3, 6, 6, 3)).astype("float32")
    weights = {name: torch.tensor(array) for name, array in D.state_dict().items()}

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(context, y, slope):
            context.save_for_backward(y)
            return torch.nn.functional.leaky_relu(y, slope)

        @staticmethod
        def backward(context, dy):
            return dy * (dy > 0) * (context.saved_tensors[0] > 0), None

    def conv(y, name, padding=0):
        weight = weights[f"{name}.weight"].permute(3, 2, 0, 1)
        return torch.nn.functional.conv2d(y, weight, weights[f"{name}.bias"], 1, padding)

    pooled = partial(torch.nn.functional.avg_pool2d, kernel_size=2)
    picture = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()
    first = conv(picture, "0")
    y = Guided.apply(conv(Guided.apply(first, 0.0), "1.branch.1", 1), 0.2)
    y = pooled(conv(y, "1.branch.3", 1)) + conv(pooled(first), "1.shortcut.1")
    y = Guided.apply(conv(y, "2.branch") + y, 0.0)
    D.to(cell.device, "float32")
    largest = []
    for filter in range(4):
        strongest = y[:, filter].amax(dim=(1, 2))
        (expected,) = torch.autograd.grad(strongest.sum(), picture, retain_graph=True)
        largest.append(float(expected.abs().max()))
        found = guided.gradients(D, cell.array(x, "float32"), filter)
        assert_close(found, expected.permute(0, 2, 3, 1).numpy(), 1e-5)
        assert_close(guided.answers(D, cell.array(x, "float32"))[:, filter], strongest.detach().numpy(), 1e-5)
    assert np.count_nonzero(largest) >= 2  # the others lead through a negative weight alone


def test_an_activation_in_the_pass_of_a_spectral_norm_counts():
    """D of 4 and 6 maps; with spectral norm the activation of the first convolution runs inside a SpectralNorm."""
    D = small_D(np.random.default_rng(0))
    normed = Sequential(*(SpectralNorm(each) if isinstance(each, Conv2d) else each for each in D.layers)).eval()
    x = np.random.default_rng(1).standard_normal((2, 8, 8, 3)).astype("float32")
    for net in (D, normed):
        assert [y.shape for y in maps(net, x)] == [(2, 4, 4, 4), (2, 2, 2, 6)]
    first, second = guided.gradients(normed, x, 0), guided.gradients(normed, -x, 0)
    assert (first != second).any()


def test_without_a_map_outside_of_blocks():
    D = Sequential(Residual(Sequential(Conv2d(3, 3, 3, 1, 1), LeakyReLU(0.2))), Flatten(), Linear(192, 1)).eval()
    with pytest.raises(UserError, match="no map with an activation behind it, outside of residual blocks"):
        guided.answers(D, np.zeros((1, 8, 8, 3), "float32"))


def test_the_sheet_shows_the_pictures_that_filters_answer_to(plain, tmp_path):
    assert command(filters.main, plain, "--filters 2 --pictures 3 --out", tmp_path / "a.png") == 0
    found, texts = cells(tmp_path / "a.png", 7)
    real = open_source(plain.config.data, (16, 16)).images
    x = (real / 127.5 - 1).astype("float32")
    answers = guided.answers(plain.D, x)
    for filter in (0, 1):
        best = np.argsort(-answers[:, filter])[:3]
        assert (found[2 * filter, :3] == real[best]).all()
        expected = [guided.as_picture(each) for each in guided.gradients(plain.D, x[best], filter)]
        assert np.abs(found[2 * filter + 1, :3].astype(int) - np.array(expected)).max() <= 1
    assert texts["Software"] == "dcgan.filters"


def test_labels(labelled, tmp_path, capsys):
    assert command(filters.main, labelled, "--filters 3 --pictures 99 --out", tmp_path / "a.png") == 0
    assert "3 filters" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("--filters 0 --out a.png", "--filters: got '0'"),
        ("--pictures 129 --out a.png", "--pictures: got '129'"),
        ("--data nowhere --out a.png", "nowhere"),
        ("--out a.gif", "expected a .png file"),
    ],
)
def test_misuse(plain, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert filters.main([folder(plain), *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and list(tmp_path.iterdir()) == []
