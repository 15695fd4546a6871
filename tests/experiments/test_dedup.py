"""dcgan.prepare --dedup: planted duplicates are left out and listed, others stay; the gradients of a step."""

import h5py
import numpy as np
import pytest
from PIL import Image

from dcgan import prepare
from dcgan.data import ArraySource, open_source
from dcgan.experiments import dedup, without_duplicates


def smooth(count, seed=0):
    """Pictures of a few large patches, uint8 (count, 32, 32, 3)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 4, 4, 3), dtype="uint8").repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A training of few steps: the pictures of these tests are simple."""
    monkeypatch.setattr(dedup, "LEAST", 60)


@pytest.fixture
def folder(tmp_path):
    """40 pictures of two classes; the first 5 of a class are there again, slightly brighter."""
    for name, seed in (("cat", 0), ("dog", 1)):
        place = tmp_path / "data" / name
        place.mkdir(parents=True)
        pictures = smooth(20, seed)
        again = np.clip(pictures[:5].astype(int) + 1, 0, 255).astype("uint8")
        for i, pixels in enumerate(np.concatenate([pictures, again])):
            Image.fromarray(pixels).save(place / f"{i:02d}.png")
    (tmp_path / "data/cat/03.png").write_bytes(b"damaged")
    return tmp_path / "data"


def run(folder, out, *more):
    return prepare.main(["--data", str(folder), "--image-size", "32", "--out", str(out), "--no-progress", *more])


def test_near_duplicates_are_left_out_and_listed(folder, tmp_path, capsys):
    out = tmp_path / "once.h5"
    assert run(folder, out, "--dedup") == 0
    source = open_source(out, None)
    expected = [("cat/03.png", "not a picture of a known format")]
    kept = {(name, f"{i:02d}.png") for name in ("cat", "dog") for i in range(20)} - {("cat", "03.png")}
    for name in ("cat", "dog"):
        expected += [(f"{name}/{20 + i}.png", f"near duplicate of {name}/{i:02d}.png") for i in range(5)
                     if (name, i) != ("cat", 3)]  # fmt: skip
    assert sorted(source.skipped) == sorted(expected)
    assert len(source) == len(kept) + 1  # cat/23.png is no duplicate: its first is damaged
    assert source.classes == ["cat", "dog"] and np.bincount(source.labels).tolist() == [20, 20]
    said = capsys.readouterr().out
    assert "9 near duplicates of 49 pictures are left out" in said and "near duplicate of cat/00.png" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "once.h5"]
    with h5py.File(out) as file:
        assert file.attrs["count"] == 40 and file.attrs["files"] == 50 and file.attrs["skipped_files"] == 10


def test_a_finished_file_is_known_again(folder, tmp_path, capsys):
    out = tmp_path / "a.h5"
    assert run(folder, out) == 0
    assert run(folder, out, "--dedup") == 2 and "holds other images" in capsys.readouterr().err
    out.unlink()
    assert run(folder, out, "--dedup") == 0 and run(folder, out, "--dedup") == 0
    assert "finished already" in capsys.readouterr().out
    assert run(folder, out) == 2


def test_a_stopped_command_goes_on_with_what_is_packed(folder, tmp_path, monkeypatch):
    def stopped(source, progress):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dedup, "duplicates", stopped)
        assert run(folder, tmp_path / "a.h5", "--dedup") == 130
    assert not (tmp_path / "a.h5").exists() and (tmp_path / "a.h5.all").exists()
    monkeypatch.setattr(without_duplicates, "pack", None)  # it is not packed again
    assert run(folder, tmp_path / "a.h5", "--dedup") == 0
    assert not (tmp_path / "a.h5.all").exists()


@pytest.mark.parametrize("seconds, said", [(2.0, "among 40 pictures takes about 1 minute\n"), (0.5, "")])
def test_a_long_search_says_how_long(monkeypatch, capsys, seconds, said):
    """60 steps and no whole batch to compare: behind 20 steps 40 are left, of 2 s each."""
    clock = iter([100.0, 100.0 + dedup.TIMED * seconds])
    monkeypatch.setattr("dcgan.experiments.dedup.time.monotonic", lambda: next(clock))
    dedup.duplicates(ArraySource(smooth(40), "pictures", "pictures"))
    assert capsys.readouterr().out == ("looking for near duplicates " + said if said else "")


def test_all_parts_show_their_progress(folder, tmp_path, monkeypatch, capsys):
    shown = []

    class Bar(dedup.tqdm):
        def __init__(self, steps, desc, disable, **others):
            shown.append((desc, len(steps), disable))
            super().__init__(steps, disable=True)

    for module in (dedup, without_duplicates):
        monkeypatch.setattr(module, "tqdm", Bar)
    assert prepare.main(["--data", str(folder), "--image-size", "32", "--dedup", "--out", str(tmp_path / "a.h5")]) == 0
    expected = [("Learning the pictures", 60), ("Looking for near duplicates", 1), ("Writing images", 40)]
    assert shown == [(*each, False) for each in expected]
    shown.clear()
    assert run(folder, tmp_path / "b.h5", "--dedup") == 0
    assert shown == [(*each, True) for each in expected]


@pytest.mark.parametrize("shape", [(40, 28, 28, 1), (40, 33, 50, 3), (3, 8, 8, 3)])
def test_any_size(shape):
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    pictures[-1] = pictures[0]
    found = dedup.duplicates(ArraySource(pictures, "pictures", "pictures"))
    assert found == {len(pictures) - 1: 0}


def test_the_step_follows_the_gradient():
    """Against central differences of the loss, the masks being the same."""
    rng = np.random.default_rng(0)
    net = dedup.Autoencoder(np.zeros(6, "float32"), 1.0)
    for layer in (net.encoder, net.decoder):
        layer.to(dtype="float64")
    net.numbers = lambda small: small
    net.adam.step = net.adam.zero_grad = lambda: None
    small = rng.standard_normal((5, 6))
    parameters = [*net.encoder.parameters(), *net.decoder.parameters()]
    net.step(small, np.random.default_rng(1))
    grads = [parameter.grad.copy() for parameter in parameters]
    for parameter, grad in zip(parameters, grads, strict=True):
        way = rng.standard_normal(grad.shape)
        losses = []
        for sign in (1, -1):
            parameter.data += sign * 1e-6 * way
            losses.append(net.step(small, np.random.default_rng(1)))
            parameter.data -= sign * 1e-6 * way
        assert np.isclose((losses[0] - losses[1]) / 2e-6, (grad * way).sum(), rtol=1e-4, atol=1e-8)


def test_hashes_that_differ_in_a_few_bits_are_found():
    rng = np.random.default_rng(0)
    codes = [rng.bytes(16) for _ in range(50)]
    kept = dedup.Kept()
    for index, code in enumerate(codes):
        assert kept.find(code) is None
        kept.add(code, index)
    for bits in range(6):
        number = int.from_bytes(codes[7])
        for bit in rng.choice(128, bits, replace=False):
            number ^= 1 << int(bit)
        assert kept.find(number.to_bytes(16)) == (7 if bits < dedup.BANDS else None)
