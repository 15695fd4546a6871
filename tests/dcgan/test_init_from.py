"""--init-from: which layers of a run or a file another run begins with, and what is said of the others."""

import json

import numpy as np
import pytest

from dcgan import initial_weights, presets, session, train
from dcgan.config import Config
from dcgan.data import ArraySource
from dcgan.errors import UserError
from dcgan.exchange import npz, pth, safetensors
from dcgan.exchange.weights import gathered
from dcgan.gan import GAN
from dcgan.run.folder import RunDir
from dcgan.trained import Trained
from dcgan.trainer import Trainer
from gpunet import backend, checkpoint

TINY = {"width": 2, "z_dim": 3, "image_size": 16, "batch_size": 4, "samples": 4, "device": "cpu", "channels": 3}


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


def config(**options):
    return presets.config_of({**TINY, **options})


def trained(tmp_path, **options):
    """Return the folder and the trainer of a run of three steps."""
    c = config(steps=3, out=str(tmp_path), **options)
    pictures = np.random.default_rng(0).integers(0, 256, (8, *c.image_size, 3), "uint8")
    labels = np.arange(8) % 2
    trainer, run = Trainer(c, ArraySource(pictures, "noise", "x", labels=labels), "cpu"), RunDir.create(tmp_path, "r")
    trainer.train(run, progress=False)
    run.config.write_text(c.to_json())
    return run, trainer


def begun(path, **options):
    """Return the networks of a new run that begins with a path, what they were before, and the lines."""
    c = config(**options)
    before, gan = (GAN(c, np.random.default_rng(5), "cpu") for _ in range(2))
    return gan, before, initial_weights.take(gan, initial_weights.find(str(path)))


def same(a, b):
    return all((np.asarray(a[name]) == np.asarray(b[name])).all() for name in a) and set(a) == set(b)


def test_a_run_of_the_same_networks_is_taken_whole(tmp_path):
    run, old = trained(tmp_path)
    for path in (run.path, run.checkpoint(3)):
        gan, _, lines = begun(path)
        state, now = old.gan.state_dict(), gan.state_dict()
        assert all(same(state[name], now[name]) for name in ("G", "D", "average_G"))
        assert not same(state["G"], state["average_G"])
        fresh = GAN(config(), np.random.default_rng(5), "cpu").state_dict()
        assert all(same(fresh[name], now[name]) for name in ("adam_G", "adam_D"))
        assert lines == [
            f"begins with the weights of {path}, step 3",
            "  G: all 5 layers taken",
            "  D: all 4 layers taken",
        ]


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".pth"])
def test_files_of_weights(tmp_path, ending):
    run, old = trained(tmp_path)
    weights = gathered(Trained(old.gan.G, old.config, "r", 3, "raw", (), old.gan.D))
    path = tmp_path / f"netG{ending}"
    if ending == ".pth":
        pth.write(path, weights.G)
    else:
        {".npz": npz, ".safetensors": safetensors}[ending].write(path, weights.joined(), weights.texts())
    gan, before, lines = begun(path)
    state, now = old.gan.state_dict(), gan.state_dict()
    assert same(state["G"], now["G"]) and same(state["G"], now["average_G"])
    if ending == ".pth":
        assert same(before.state_dict()["D"], now["D"])
        assert lines[2] == f"  D: all of it starts fresh, for {path} holds none"
    else:
        assert same(state["D"], now["D"])


def test_larger_pictures_are_counted_from_the_pictures(tmp_path):
    """G for 16x16 has 3-4-2-3 filters, for 32x32 3-8-4-2-3: seen from the pictures, 4-2-3 mean the same."""
    run, old = trained(tmp_path)
    gan, before, lines = begun(run.path, image_size=32)
    G, D, state = gan.G.state_dict(), gan.D.state_dict(), old.gan.state_dict()
    pairs = {"9.weight": "6.weight", "6.weight": "3.weight", "7.scale": "4.scale", "4.scale": "1.scale"}
    for new, source in pairs.items():
        assert (G[new] == state["G"][source]).all(), new
    for fresh in ("0.weight", "3.weight", "1.scale"):
        assert (G[fresh] == before.G.state_dict()[fresh]).all(), fresh
    for new in ("0.weight", "2.weight", "3.scale", "3.running_mean"):
        assert (D[new] == state["D"][new]).all(), new
    assert (D["8.weight"] == before.D.state_dict()["8.weight"]).all()
    assert lines[1:] == [
        "  G: 4 of 7 layers taken; fresh: 0 (ConvTranspose2d 3 -> 8), 1 (BatchNorm of 8), 3 (ConvTranspose2d 8 -> 4); "
        "counted from the pictures",
        "  D: 3 of 6 layers taken; fresh: 5 (Conv2d 4 -> 8), 6 (BatchNorm of 8), 8 (Conv2d 8 -> 1); "
        "counted from the pictures",
    ]


def test_more_filters_and_labels(tmp_path):
    """Layers that join labels do not count; convolutions that take them are wider; D's projection changes none."""
    run, old = trained(tmp_path)
    gan, _, lines = begun(run.path, conditional="projection", classes=2)
    state, D = old.gan.state_dict(), gan.D.state_dict()
    assert (gan.G.state_dict()["2.scale"] == state["G"]["1.scale"]).all()
    assert (D["0.weight"] == state["D"]["0.weight"]).all()
    assert (D["5.branch.0.weight"] == state["D"]["5.weight"]).all()
    assert "D: 4 of 5 layers taken; fresh: 5.shortcut.1 (Linear 4 -> 2); counted from the pictures" in lines[2]


def test_spectral_norm_takes_the_weight_and_finds_its_vectors(tmp_path):
    run, old = trained(tmp_path)
    gan, _, _ = begun(run.path, spectral_norm=True)
    assert (gan.D.state_dict()["0.layer.weight"] == old.gan.state_dict()["D"]["0.weight"]).all()
    layer, x = gan.D[0], np.random.default_rng(0).standard_normal((1, 16, 16, 3), "float32")
    sigma = np.linalg.svd(layer.layer.weight.data.reshape(-1, 2), compute_uv=False)[0]
    np.testing.assert_allclose(layer.eval().forward(x), layer.layer.forward(x) / sigma, rtol=1e-3, atol=1e-5)


def test_a_run_begins_with_it_and_resume_does_not_read_it_again(tmp_path, capsys):
    run, old = trained(tmp_path)
    options = ["--width", "2", "--z-dim", "3", "--image-size", "16", "--batch-size", "4", "--samples", "4", "--device",
               "cpu", "--train-size", "8", "--out", str(tmp_path / "new"), "--no-progress", "--steps"]  # fmt: skip
    assert train.main([*options, "1", "--init-from", str(run.path), "--lr", "1e-30"]) == 0
    assert "  G: all 5 layers taken\n" in capsys.readouterr().out
    (new,) = (tmp_path / "new").iterdir()
    path = str(run.path)
    assert json.loads((new / "config.json").read_text())["init_from"] == path
    assert json.loads((new / "run.json").read_text())["init_from"] == path
    G = checkpoint.load(RunDir(new).checkpoint(1))["gan"]["G"]
    assert (G["0.weight"] == old.gan.G.state_dict()["0.weight"]).all()
    run.path.rename(tmp_path / "gone")
    assert train.main(["--resume", str(new), "--steps", "2", "--no-progress"]) == 0
    assert "begins with" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: path / "none", "no such run folder or checkpoint"),
        (lambda path: path / "none.pth", "no such run folder or checkpoint"),
        (lambda path: (path / "a.png").write_bytes(b"PNG") and path / "a.png", "is no checkpoint .*, and none of the"),
        (lambda path: path, "is no run folder"),
        (lambda path: (path / "a.npz").write_bytes(b"PK") and path / "a.npz", "a.npz"),
    ],
)
def test_misuse(tmp_path, make, line):
    """Said before the data is opened."""
    with pytest.raises(UserError, match=line):
        session.new_run(config(init_from=str(make(tmp_path)), data="/no/such/data"), False)


def test_nothing_that_fits_is_refused(tmp_path):
    run, _ = trained(tmp_path)
    with pytest.raises(UserError, match="--init-from: no layer of .*, step 3 fits"):
        begun(run.path, preset="basicgan", width=5)


def test_without_a_checkpoint(tmp_path):
    run = RunDir.create(tmp_path, "r")
    run.complete()
    run.config.write_text(Config().to_json())
    with pytest.raises(UserError, match="--init-from: .* has no checkpoint yet"):
        initial_weights.find(str(run.path))
