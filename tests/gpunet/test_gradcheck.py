"""The gradient check itself: it passes right layers, and finds a wrong one however small the fault."""

import numpy as np
import pytest

from gpunet import backend, layers
from gpunet.gradcheck import LIMIT, __main__, cases, check_layer, off_kinks


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


class Faulty(layers.Linear):
    """A Linear whose backward goes through `fault`."""

    def __init__(self, fault):
        super().__init__(4, 3)
        self.fault = fault

    def backward(self, dy, input_grad=True):
        dx = super().backward(dy, input_grad)
        return self.fault(self, dx)


def wrong_element(layer, dx):
    dx[1, 2] += 1e-3
    return dx


def doubled_bias(layer, dx):
    layer.bias.grad *= 2
    return dx


def nan(layer, dx):
    return np.full_like(dx, np.nan)


@pytest.mark.parametrize(
    "fault, where",
    [
        (lambda layer, dx: dx, set()),
        (lambda layer, dx: 2 * dx, {"dx"}),
        (lambda layer, dx: 0 * dx, {"dx"}),
        (wrong_element, {"dx"}),
        (nan, {"dx"}),
        (doubled_bias, {"bias"}),
    ],
)
@pytest.mark.parametrize("directions", [0, 2])
def test_a_fault_is_found_where_it_is(fault, where, directions):
    rng = np.random.default_rng(0)
    layer = Faulty(fault).to(dtype="float64")
    x = off_kinks(rng, (2, 4))
    before = x.copy(), layer.state_dict()
    errors = check_layer(layer, x, rng, directions)
    assert {name for name, error in errors.items() if not error < LIMIT} == where, errors
    assert (x == before[0]).all() and all((layer.state_dict()[k] == v).all() for k, v in before[1].items())


def test_a_sum_would_not_have_seen_batchnorm():
    """Why the output weights are random: batch norm's outputs add up to a constant, so any multiple of dx passes."""
    layer = layers.BatchNorm(3).to(dtype="float64")
    layer.forward(off_kinks(np.random.default_rng(0), (6, 3)))
    assert np.abs(layer.backward(np.ones((6, 3)))).max() < 1e-14


def test_float32_is_refused():
    with pytest.raises(ValueError, match="got x of float32, expected float64"):
        check_layer(layers.ReLU(), np.zeros((2, 2), "float32"), np.random.default_rng(0))


def test_every_layer_is_in_the_table():
    made = [part for case in cases.CASES for part in case.make().walk()]
    offered = {name for name, value in vars(layers).items() if isinstance(value, type)}
    missing = {name for name in offered if not any(type(part).__name__ == name for part in made)}
    assert missing == {"Layer", "Parameter"}


def test_command_prints_the_table(capsys):
    assert __main__.main(["--implementation", "reference"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\nok ") == len(cases.CASES) and "passed: worst error" in printed


def test_command_fails_on_a_wrong_layer(capsys, monkeypatch):
    wrong = cases.Case("wrong", lambda: Faulty(lambda layer, dx: -dx), (2, 4))
    monkeypatch.setattr(__main__, "CASES", [wrong, cases.CASES[0]])
    assert __main__.main(["--implementation", "reference"]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  wrong" in printed and "FAILED: worst error 2.0e+00" in printed


def test_command_refuses_an_unknown_device(capsys):
    with pytest.raises(SystemExit) as exit_:
        __main__.main(["--device", "tpu"])
    assert exit_.value.code == 2 and "invalid choice: 'tpu'" in capsys.readouterr().err
