"""dcgan.export: every format comes back as the same pictures; PyTorch and its own example read and write the same.

Over 300 lines: most tests export the same runs of three presets, and read what came of them.
"""

import json
import shutil
import struct

import numpy as np
import pytest
from PIL import Image

import dcgan
from dcgan import export
from dcgan.errors import UserError
from dcgan.exchange import pth, safetensors
from running import PLACE, run_generate, words

SMALL = {"width": 4, "image_size": 16, "z_dim": 5, "batch_size": 8, "samples": 6, "steps": 2, "device": "cpu"}
OUT = {"pth": "torch", "safetensors": "a.safetensors", "npz": "a.npz", "hub": "hub"}
OPENED = {"pth": "torch/netG.pth", "safetensors": "a.safetensors", "npz": "a.npz", "hub": "hub"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of three presets: one with labels, and one with other layers than those of dcgan64."""
    place = tmp_path_factory.mktemp("runs")
    np.savez(place / "data.npz", images=np.zeros((16, 16, 16, 1), "uint8"), labels=np.arange(16) % 2)
    labelled = {"data": place / "data.npz", "preset": "carpedm20-mnist"}
    made = ({}, labelled, {"preset": "carpedm20"})
    return [dcgan.train(out=place, **SMALL, **more) for more in made]


def run_export(*arguments):
    return export.main(words(arguments))


def folder(run):
    return f"{run.config.out}/{run.name}"


@pytest.mark.parametrize("form, opened", [*OPENED.items(), ("pth", "torch")])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_is_exported_draws_the_same_pictures(runs, tmp_path, form, opened, number):
    run = runs[number]
    assert run_export(folder(run), f"--to {form} --out", tmp_path / OUT[form]) == 0
    again = dcgan.load(tmp_path / opened, device="cpu")
    assert (again.sample(9, seed=3) == run.sample(9, seed=3)).all()
    labels = None if run.config.classes is None else [0, 1, 1]
    pictures = run.sample(3)
    assert (again.discriminator(pictures, labels) == run.discriminator(pictures, labels)).all()
    assert again.address(1, 2) == run.address(1, 2) and again.labels == run.labels
    assert (again.name, again.step, again.weights) == (run.name, run.step, run.weights)


def test_weights_of_both_kinds(runs, tmp_path, capsys):
    run = folder(runs[0])
    for weights in ("ema", "raw"):
        assert run_export(run, f"--to npz --weights {weights} --out", tmp_path / f"{weights}.npz") == 0
        held = dcgan.load(tmp_path / f"{weights}.npz", device="cpu").sample(4)
        assert (held == dcgan.load(run, weights, device="cpu").sample(4)).all()
    with pytest.raises(UserError, match="holds the weights ema"):
        dcgan.load(tmp_path / "ema.npz", "raw")


def test_a_generator_alone(runs, tmp_path):
    assert run_export(folder(runs[0]), "--to pth --out", tmp_path / "torch") == 0
    (tmp_path / "torch/netD.pth").unlink()
    alone = dcgan.load(tmp_path / "torch/netG.pth", device="cpu")
    assert (alone.sample(2) == runs[0].sample(2)).all()
    with pytest.raises(UserError, match="without the discriminator"):
        alone.discriminator(alone.sample(2))


@pytest.mark.parametrize(
    "wrong, message",
    [
        ("--to tar --out x", "--to: got 'tar', expected one of pth, safetensors, npz, hub, onnx, html"),
        ("--to npz --out x.pth", "--out: got 'x.pth', expected a .npz file"),
        ("--to npz --weights best --out x.npz", "--weights: got 'best'"),
        ("--to npz --out file.npz", "file.npz is there already: choose another name, or replace it with --overwrite"),
        ("--to hub --out file.npz", "--out: got 'file.npz', expected a folder"),
        ("--to onnx --out a.onnx", "--out: got 'a.onnx', expected a folder, for G.onnx and D.onnx"),
        ("--to pth --out netG.pth", "--out: got 'netG.pth', expected a folder"),
        ("--to hub --out file", "file is a file, expected a folder"),
        ("--to hub --out full", "full is there already"),
    ],
)
def test_mistakes(runs, tmp_path, monkeypatch, capsys, wrong, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    for name in ("file.npz", "file", "full/file"):
        (tmp_path / name).write_bytes(b"kept")
    assert run_export(folder(runs[0]), wrong) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert (tmp_path / "file.npz").read_bytes() == b"kept" and not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize("form, opened", [*OPENED.items(), ("pth", "torch")])
def test_a_file_draws_its_own_addresses_alone(runs, tmp_path, capsys, form, opened):
    run = runs[0]
    assert run_export(folder(run), f"--to {form} --out", tmp_path / OUT[form]) == 0
    out = tmp_path / "drawn.png"

    def drawn(address):
        capsys.readouterr()
        return run_generate(tmp_path / opened, "--address", address, "--out", out, *PLACE)

    for wrong in ("0001-dcgan64_3_5_7", "0002-dcgan64_2_5_7", "0001-dcgan64_2raw_5_7"):
        assert drawn(wrong) == 2 and not out.exists()
        assert f"{tmp_path / opened} holds" in (error := capsys.readouterr().err) or f"got the address {wrong}" in error
    assert drawn("0001-dcgan64_2_5_7") == 0
    with Image.open(out) as image:
        assert image.text["address"] == "0001-dcgan64_2_5_7" and (np.asarray(image) == run.sample(7, seed=5)[6]).all()


def test_a_run_folder_stays_one_whatever_is_written_into_it(runs, tmp_path):
    place = shutil.copytree(folder(runs[0]), tmp_path / "run")
    for name in ("netG.pth", "G.onnx", "model.safetensors"):
        (place / name).write_bytes(b"")
    assert (dcgan.load(place, device="cpu").sample(2) == runs[0].sample(2)).all()


def test_what_holds_no_run(runs, tmp_path):
    """An ONNX file says what to export instead; for others the kinds are named that are taken."""
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx/G.onnx").write_bytes(b"ONNX")
    for path in ("onnx", "onnx/G.onnx"):
        with pytest.raises(UserError, match="is an ONNX file, which holds no run: export the run as safetensors, npz"):
            dcgan.load(tmp_path / path)
    assert run_export(folder(runs[0]), "--to html --out", tmp_path / "page.html") == 0
    (tmp_path / "empty.h5").write_bytes(b"")
    for name in ("page.html", "empty.h5"):
        with pytest.raises(UserError, match=r"is no checkpoint \(.h5\), and none of the files that hold a run: pth"):
            dcgan.load(tmp_path / name)
    assert run_export(folder(runs[0]), "--to pth --out", tmp_path / "torch") == 0
    whole = (tmp_path / "torch/netG.pth").read_bytes()
    (tmp_path / "torch/netG.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="no .pth file of PyTorch 1.6 or newer, or damaged"):
        dcgan.load(tmp_path / "torch")


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a\\b", "", "a\nb", "C:evil"])
def test_a_run_whose_name_leads_elsewhere_is_refused(runs, tmp_path, name):
    """Pictures are named after the run."""
    assert run_export(folder(runs[0]), "--to safetensors --out", tmp_path / "a.safetensors") == 0
    arrays, texts = safetensors.read(tmp_path / "a.safetensors")
    safetensors.write(tmp_path / "b.safetensors", arrays, {**texts, "run": name})
    with pytest.raises(UserError, match="b.safetensors does not say what its networks are: got the run"):
        dcgan.load(tmp_path / "b.safetensors")


def test_the_model_card_names_its_own_folder(runs, tmp_path):
    assert run_export(folder(runs[0]), "--to hub --out", tmp_path / "model") == 0
    card = (tmp_path / "model/README.md").read_text()
    program = card.partition("```python\n")[2].partition("```")[0].replace("FOLDER", str(tmp_path / "model"))
    names = {}
    exec(program, names)
    assert (names["pictures"] == runs[0].sample(64, seed=1)).all()


# ---- PyTorch ----


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def of_pytorch_examples(nn, nz=5, ngf=4, nc=3):
    """Return the generator and the discriminator of pytorch/examples (dcgan/main.py), for pictures of 16x16."""

    class Net(nn.Module):
        def __init__(self, *layers):
            super().__init__()
            self.main = nn.Sequential(*layers)

        def forward(self, x):
            return self.main(x)

    def up(inside, outside, *geometry):
        return nn.ConvTranspose2d(inside, outside, 4, *geometry, bias=False), nn.BatchNorm2d(outside), nn.ReLU(True)

    G = Net(
        *up(nz, 2 * ngf, 1, 0), *up(2 * ngf, ngf, 2, 1), nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False), nn.Tanh()
    )
    D = Net(
        nn.Conv2d(nc, ngf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(ngf, 2 * ngf, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * ngf), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * ngf, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
    )  # fmt: skip
    return G, D


def test_our_pth_loads_strictly_in_pytorch_and_draws_the_same(runs, tmp_path, torch):
    assert run_export(folder(runs[0]), "--to pth --out", tmp_path) == 0
    G, D = of_pytorch_examples(torch.nn)
    for net, name in ((G, "netG"), (D, "netD")):
        for safe in (True, False):
            state = torch.load(tmp_path / f"{name}.pth", weights_only=safe)
            net.load_state_dict(state, strict=True)
        net.eval()
    z = np.random.default_rng(0).standard_normal((6, 5)).astype("float32")
    with torch.no_grad():
        theirs = G(torch.from_numpy(z)[:, :, None, None]).permute(0, 2, 3, 1).numpy()
        answers = D(torch.from_numpy(theirs).permute(0, 3, 1, 2)).ravel().numpy()
    assert np.abs(theirs - runs[0].generator(z)).max() < 1e-5
    assert np.abs(answers - 1 / (1 + np.exp(-runs[0].discriminator(theirs)))).max() < 1e-5


@pytest.mark.parametrize("wrapped", ["", "module.", "half", "bfloat16"])
def test_their_pth_draws_the_same_here(tmp_path, torch, wrapped):
    torch.manual_seed(0)
    G, D = of_pytorch_examples(torch.nn)
    for net, name in ((G, "netG_epoch_7.pth"), (D, "netD_epoch_7.pth")):
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
        net = net.to(getattr(torch, wrapped)) if wrapped in ("half", "bfloat16") else net
        prefix = wrapped if wrapped == "module." else ""
        torch.save({prefix + key: value for key, value in net.state_dict().items()}, tmp_path / name)
        net.float().eval()
    run = dcgan.load(tmp_path / "netG_epoch_7.pth", device="cpu")
    assert run.config.image_size == (16, 16) and run.config.z_dim == 5 and run.config.width == 4
    z = np.random.default_rng(0).standard_normal((6, 5)).astype("float32")
    with torch.no_grad():
        drawn = G(torch.from_numpy(z)[:, :, None, None])
        answers = D(drawn).ravel().numpy()
    theirs = drawn.permute(0, 2, 3, 1).numpy()
    assert np.abs(theirs - run.generator(z)).max() < 1e-5
    logits = run.discriminator(theirs)
    assert np.abs(answers - 1 / (1 + np.exp(-logits))).max() < 1e-5
    by_batch = dcgan.load(tmp_path / "netG_epoch_7.pth", device="cpu", sampling_statistics="batch")
    with torch.no_grad():  # their own samples: G stays in training mode
        drawn = G.train()(torch.from_numpy(z)[:, :, None, None]).permute(0, 2, 3, 1).numpy()
    assert np.abs(drawn - theirs).max() > 1e-3
    assert np.abs(drawn - by_batch.generator(z)).max() < 1e-5


def test_tensors_of_every_kind(tmp_path, torch):
    whole = torch.arange(24.0).reshape(4, 6)
    saved = {
        "part": whole[1:3, ::2], "turned": whole.T, "same": whole, "none": torch.zeros(0, 3), "number": torch.tensor(7),
        "flags": torch.tensor([True, False]), "bytes": torch.tensor([1, 255]).byte(),
        "parameter": torch.nn.Parameter(torch.ones(2)), "inside": {"deeper": torch.tensor([1.5], dtype=torch.float64)},
    }  # fmt: skip
    torch.save(saved, tmp_path / "a.pth")
    found = pth.read(tmp_path / "a.pth")
    assert sorted(found) == sorted([*(set(saved) - {"inside"}), "inside.deeper"])
    for name, value in saved.items():
        if name != "inside":
            assert (found[name] == value.detach().numpy()).all() and found[name].shape == tuple(value.shape)


def test_safetensors_are_those_of_the_library(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    arrays = {
        "a": np.arange(6, dtype="float32").reshape(2, 3),
        "b": np.array(3, "int64"),
        "c": np.zeros((0, 2), "float16"),
    }
    safetensors.write(tmp_path / "ours", arrays, {"format": "dcgan"})
    library.save_file(arrays, tmp_path / "theirs", {"format": "pt"})
    for found in (library.load_file(tmp_path / "ours"), safetensors.read(tmp_path / "theirs")[0]):
        assert all((found[name] == array).all() and found[name].dtype == array.dtype for name, array in arrays.items())


# ---- files that mean harm, or are damaged ----


class Payload:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def test_a_pth_that_would_run_code_runs_none(tmp_path, torch):
    mark = tmp_path / "executed"
    torch.save({"main.0.weight": torch.ones(1), "x": Payload(mark)}, tmp_path / "netG.pth")
    with pytest.raises(UserError, match="wants to call .*open: refused, nothing was executed"):
        dcgan.load(tmp_path / "netG.pth")
    assert not mark.exists()
    torch.save(torch.nn.Linear(2, 2), tmp_path / "netG.pth")  # a whole module
    with pytest.raises(UserError, match="refused"):
        dcgan.load(tmp_path / "netG.pth")
    torch.save({"a": torch.ones(1)}, tmp_path / "netG.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(UserError, match="write it anew with torch.save"):
        dcgan.load(tmp_path / "netG.pth")


def broken(arrays, program):
    """Return the bytes of a safetensors file whose header is this program of changes."""
    header = {"G.0.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}} | arrays
    text = program if isinstance(program, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff" * 8, struct.pack("<Q", 2**62) + b"{}",
        broken({}, b"[" * 5000), broken({}, b"[]"), broken({}, b"{}"),
        broken({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]}}, None),
        broken({"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, None),
        broken({"a": {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]}}, None),
        broken({"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}, None),
        broken({"a": {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}}, None),
        broken({"__metadata__": 3}, None), broken({"__metadata__": {"options": "{"}}, None),
        broken({"__metadata__": {"options": '{"preset": "gan"}'}}, None),
        broken({"__metadata__": {"options": "{}", "step": "x"}}, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.safetensors", "a.npz", "netG.pth"])
def test_damaged_files_are_refused_in_one_line(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as refused:
        dcgan.load(tmp_path / name)
    assert str(tmp_path / name) in str(refused.value) or "preset" in str(refused.value)


def test_weights_that_do_not_fit_or_are_no_numbers(runs, tmp_path):
    assert run_export(folder(runs[0]), "--to safetensors --out", tmp_path / "a.safetensors") == 0
    arrays, texts = safetensors.read(tmp_path / "a.safetensors")
    safetensors.write(tmp_path / "b.safetensors", {**arrays, "G.0.weight": arrays["G.0.weight"][:1]}, texts)
    with pytest.raises(UserError, match="does not fit"):
        dcgan.load(tmp_path / "b.safetensors")
    arrays["G.0.weight"][0] = np.nan
    safetensors.write(tmp_path / "c.safetensors", arrays, texts)
    with pytest.raises(UserError, match="not finite"):
        dcgan.load(tmp_path / "c.safetensors")


def test_a_stranger_s_pth_without_a_description(tmp_path):
    pth.write(tmp_path / "netG.pth", {"a": np.zeros((2, 2), "float32")})
    with pytest.raises(UserError, match="is no generator of pytorch/examples"):
        dcgan.load(tmp_path / "netG.pth")
    shutil.copy(tmp_path / "netG.pth", tmp_path / "x.PTH")
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(UserError, match="does not say what its networks are"):
        dcgan.load(tmp_path / "x.PTH")
