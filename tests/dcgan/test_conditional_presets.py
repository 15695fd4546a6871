"""--conditional: every preset's networks with labels, joined at every stage or projected at D's end."""

import numpy as np
import pytest

from dcgan import config_file, presets, session, train
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.presets import PRESETS, config_of, find
from dcgan.presets.conditional import projected
from gpunet import backend
from gpunet.layers import (
    Conv2d,
    Flatten,
    GlobalSumPool,
    JoinLabels,
    LeakyReLU,
    Linear,
    PickLabel,
    Sequential,
)

OTHERS = [name for name, preset in PRESETS.items() if not preset.conditional]
KINDS = ("joined", "projection")
SHARED = {"width": 2, "z_dim": 3, "classes": 3}


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


def networks(name, **options):
    config = config_of({"preset": name, **SHARED, **options})
    presets.find(name).check(config)
    rng = np.random.default_rng(0)
    nets = find(name).generator(config), find(name).discriminator(config)
    for net in nets:
        for parameter in net.parameters():  # large, so that a label shows in the answer
            parameter.data[...] = rng.standard_normal(parameter.data.shape)
    return config, *nets


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OTHERS)
def test_every_preset_says_other_things_of_other_labels(name, kind):
    """In evaluation mode a sample's answer depends on its own label alone; and both networks pass gradients back."""
    own = {"sampling_statistics": "running"} if "sampling_statistics" in find(name).follows else {}
    config, G, D = networks(name, conditional=kind, **own)
    rng = np.random.default_rng(1)
    z, x = rng.standard_normal((3, 1, 1, 3), "float32"), rng.standard_normal((3, *config.image_size, 3), "float32")
    for net, given in ((G, z), (D, x)):
        answers = []
        for labels in ([0, 1, 2], [0, 1, 1]):
            with net.eval().given(np.array(labels, "int32")):
                answers.append(net.forward(given).reshape(3, -1))
        assert (answers[0][:2] == answers[1][:2]).all() and (answers[0][2] != answers[1][2]).any()
        with net.train().given(np.array([0, 1, 2], "int32")):
            y = net.forward(given)
            assert net.backward(np.ones_like(y)).shape == given.shape
        assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("name", OTHERS)
def test_without_the_option_the_networks_have_no_labels(name):
    config = config_of({"preset": name, "width": 2})
    for net in (find(name).generator(config), find(name).discriminator(config)):
        assert not any(isinstance(layer, JoinLabels | PickLabel) for layer in net.walk())


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({"head": "pool"}, (GlobalSumPool, Linear, PickLabel)),
        ({"spectral_norm": True, "norm_d": "none"}, (GlobalSumPool, Linear, PickLabel)),
        ({"upsample": "nearest", "norm_d": "layer"}, (GlobalSumPool, Linear, PickLabel)),
    ],
)
def test_variants_are_conditional_too(options, kinds):
    _, _, D = networks("dcgan64", conditional="projection", **options)
    shortcut = [getattr(layer, "layer", layer) for layer in D[-1].shortcut.layers]
    assert tuple(map(type, shortcut))[:3] == kinds
    _, G, D = networks("dcgan64", conditional="joined", **options)
    for net in (G, D):
        weights = [layer for layer in net.layers if hasattr(getattr(layer, "layer", layer), "weight")]
        assert weights and all(isinstance(net[net.layers.index(layer) - 1], JoinLabels) for layer in weights)


def test_carpedm20_mnist():
    """Its own D is a joined one, with --conditional or without; or a projection, of its vector of 16 w numbers."""
    config = {"preset": "carpedm20-mnist", "width": 2, "classes": 3}
    own, joined_D, projected_D = (
        find("carpedm20-mnist").discriminator(config_of(config | more))
        for more in ({}, {"conditional": True}, {"conditional": "projection"})
    )
    assert repr(own) == repr(joined_D) and sum(isinstance(layer, JoinLabels) for layer in own.walk()) == 4
    assert not any(isinstance(layer, JoinLabels) for layer in projected_D.walk())
    kinds = [type(layer) for layer in projected_D[-1].shortcut.layers]
    assert kinds == [Linear, PickLabel] and projected_D[-1].shortcut[0].features == (32, 3)


@pytest.mark.parametrize("dense", [False, True])
def test_the_projection_is_pytorchs(dense):
    """D(x, y) = head(h) + <embedding(y), sum of h>: answer and all gradients, of two joined batches, too."""
    torch = pytest.importorskip("torch")
    rng, labels = np.random.default_rng(2), np.array([2, 0, 2], "int32")
    head = [Flatten(), Linear(3 * 2 * 4, 1)] if dense else [Conv2d(4, 1, (3, 2))]
    D = projected(Sequential(Conv2d(2, 4, 3, stride=2, padding=1), LeakyReLU(0.2), *head), 3).to(dtype="float64")
    x, dy = rng.standard_normal((6, 5, 4, 2)), rng.standard_normal(6)
    with D.given(labels), D.joined_batches(2):
        y = D.forward(x)
        dx = D.backward(dy.reshape(y.shape).copy())
    own = {name: torch.tensor(p.data, requires_grad=True) for name, p in D.named_parameters()}
    given = torch.tensor(x, requires_grad=True)
    maps = torch.nn.functional.conv2d(
        given.permute(0, 3, 1, 2), own["0.weight"].permute(3, 2, 0, 1), own["0.bias"], stride=2, padding=1
    )
    h = torch.nn.functional.leaky_relu(maps, 0.2).permute(0, 2, 3, 1)  # (6, 3, 2, 4)
    weight = own["2.branch.1.weight" if dense else "2.branch.0.weight"]
    bias = own["2.branch.1.bias" if dense else "2.branch.0.bias"]
    logits = h.reshape(6, -1) @ weight.reshape(-1) + bias
    embedding = own["2.shortcut.1.weight"].T  # (classes, F), as torch.nn.Embedding has it
    of_label = torch.nn.functional.embedding(torch.tensor([*labels, *labels]), embedding)
    logits = logits + (of_label * h.sum((1, 2))).sum(1)
    logits.backward(torch.tensor(dy))
    np.testing.assert_allclose(y.ravel(), logits.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, given.grad.numpy(), rtol=1e-12, atol=1e-12)
    for name, parameter in D.named_parameters():
        np.testing.assert_allclose(parameter.grad, own[name].grad.numpy(), rtol=1e-12, atol=1e-12)


def test_pick_label_refuses_what_does_not_fit():
    layer = PickLabel(3)
    with layer.given(np.array([0, 1], "int32")):
        with pytest.raises(ValueError, match=r"PickLabel\(3\): got x of shape \(2, 4\), expected \(N, 3\)"):
            layer.forward(np.ones((2, 4)))
        with pytest.raises(ValueError, match=r"got labels of shape \(2,\), expected \(1,\)"):
            layer.forward(np.ones((1, 3)))
    with pytest.raises(RuntimeError, match="got no labels"):
        layer.forward(np.ones((2, 3)))


def test_a_network_of_one_layer_has_nothing_to_project():
    with pytest.raises(ValueError, match="expected a layer with weights in front of the last one"):
        projected(Sequential(Flatten(), Linear(4, 1)), 2)


def test_the_option_is_a_flag_or_a_word(tmp_path):
    def parsed(line):
        return vars(train.parser().parse_args(line.split())).get("conditional")

    assert parsed("--conditional --steps 3") == "joined" and parsed("--conditional projection") == "projection"
    assert parsed("") is None and Config(conditional=True).conditional == "joined"
    assert Config.from_json(Config(conditional="projection").to_json()).conditional == "projection"
    (tmp_path / "a.toml").write_text("conditional = true\n")
    assert config_file.merged(str(tmp_path / "a.toml"), {}, resumed=False)["conditional"] in (True, "joined")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"conditional": "projecton"}, "--conditional: got 'projecton', expected one of joined, projection: did you"),
        ({"classes": 3}, "--classes: the networks of dcgan64 leave no such choice, those of carpedm20-mnist"),
    ],
)
def test_misuse(given, line):
    with pytest.raises(UserError) as error:
        config_of(given)
    assert str(error.value).startswith(line)


def test_data_without_labels_is_refused():
    with pytest.raises(UserError, match="--conditional needs labels, which the built-in data has not"):
        session.new_run(config_of({"conditional": "joined", "width": 2, "train_size": 64, "device": "cpu"}), False)
