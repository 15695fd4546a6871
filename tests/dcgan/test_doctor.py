"""The doctor: each finding shows in a run that was made to have it, and in no other; a healthy run has none."""

import json

import numpy as np
import pytest

from dcgan import doctor, images
from dcgan.data import open_source
from dcgan.doctoring import CHECKS, data, examine
from dcgan.doctoring.evidence import Evidence
from dcgan.run.folder import RunDir
from gpunet import checkpoint
from made_run import change
from running import run_train

STEP = 1200  # that the made logs end with
TINY = "--width 4 --image-size 16 --z-dim 5 --batch-size 8 --samples 9 --steps 3 --no-progress --seed 1 "


def pictures(count, seed=0):
    """Smooth pictures (N, 16, 16, 3), each of its own: 4 x 4 random cells, enlarged, with a little noise."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(40, 216, (count, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return (cells + rng.integers(-10, 11, cells.shape)).astype("uint8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A healthy run: its log and its grids go on to step 1200 as a training that goes well would."""
    folder = tmp_path_factory.mktemp("doctor")
    np.save(folder / "data.npy", pictures(200))
    place = ["--device cpu --implementation reference", "--data", folder / "data.npy", "--out", folder / "runs"]
    assert run_train(TINY, *place) == 0
    run = RunDir(folder / "runs/0001-dcgan64")
    write_log(run, [])
    for step in range(200, STEP + 1, 200):
        images.save_png(run.sample(step), images.grid(pictures(9, step)))
    return run


@pytest.fixture
def made(whole, tmp_path):
    """A copy of it, to be spoilt."""
    for path in whole.path.rglob("*"):
        if path.is_file():
            copy = tmp_path / "run" / path.relative_to(whole.path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return RunDir(tmp_path / "run")


def write_log(run, won, d_real=0.999, d_fake=0.001, names=("d_real", "d_fake")):
    """Write a log of STEP steps; in those of `won` D answers as given, otherwise as in a training that goes well."""
    lines = []
    for step in range(1, STEP + 1):
        answers = (d_real, d_fake) if step in won else (0.7 + 0.1 * np.sin(step), 0.3 + 0.1 * np.cos(step))
        named = dict(zip(names, answers, strict=True))
        lines.append(json.dumps({"step": step, "epoch": 1, "loss_d": 1.0, "loss_g": 1.0} | named))
    run.log.write_text("\n".join(lines) + "\n")


def spoil_weights(run, change, *parts):
    """Change arrays of the newest checkpoint in place."""
    path = run.saved()[0]
    state = checkpoint.load(path)
    for part in parts:
        change(state["gan"][part])
    checkpoint.save(path, state)


def alike(run, first):
    for step in range(first, STEP + 1, 200):
        images.save_png(run.sample(step), images.grid(pictures(1).repeat(9, axis=0)))


def kill_filters(state):
    for name in ("1.scale", "1.shift"):
        state[name][:8] = 0


def stick(state):
    state["9.weight" if "9.weight" in state else max(name for name in state if name.endswith("weight"))] *= 1e4


def bordered(run):
    framed = pictures(200)
    framed[::3, :3] = framed[::3, -3:] = 0
    config = json.loads(run.config.read_text())
    np.save(run.path / "framed.npy", framed)
    run.config.write_text(json.dumps(config | {"data": str(run.path / "framed.npy")}))


def twice(run):
    noise = np.random.default_rng(1).integers(-2, 3, (20, 16, 16, 3))
    some = np.concatenate([pictures(180), pictures(180)[:20] + noise]).astype("uint8")
    config = json.loads(run.config.read_text())
    np.save(run.path / "twice.npy", some)
    run.config.write_text(json.dumps(config | {"data": str(run.path / "twice.npy")}))


def note(run, **more):
    found = json.loads(run.record.read_text())
    found["starts"][-1] |= more
    run.record.write_text(json.dumps(found))


SPOILT = {
    "D certain": (lambda run: write_log(run, range(500, 801)), "for 301 steps, from step 500 on"),
    "G certain": (lambda run: write_log(run, range(801, 1201), 0.99, 0.97), "for 400 steps, from step 801 on"),
    "scores apart": (
        lambda run: write_log(run, range(801, 1201), 2e18, -2e18, ("score_real", "score_fake")),
        "over a thousand apart: D runs away from G (scores 2e+18 and -2e+18)",
    ),
    "diversity": (lambda run: alike(run, STEP), "down by 100 % since step "),
    "not finite": (
        lambda run: spoil_weights(run, lambda state: state["3.scale"].fill(np.nan), "D"),
        "numbers that are NaN or infinite, first in D 3.scale",
    ),
    "rolled back": (
        lambda run: note(run, rollbacks=[{"at_step": 900, "to_step": 500, "rate": 0.5, "why": "step 900: so"}]),
        "has rolled back 1 time, the last time from step 900 to step 500, where step 900: so",
    ),
    "saturated": (lambda run: spoil_weights(run, stick, "average_G"), "% of its numbers are black or white"),
    "dead filters": (lambda run: spoil_weights(run, kill_filters, "G"), "8 of 8 in G's layer 1"),
    "borders": (bordered, "34 % of the real pictures have a border of one colour, 0 % of G's"),
    "near-duplicates": (twice, "20 of 200 pictures looked at"),
}


def test_a_healthy_run(whole, capsys):
    assert doctor.main([str(whole.path)]) == 0
    assert capsys.readouterr().out == f"{whole.path}, step 1,200: nothing to report\n"


@pytest.mark.parametrize("name", SPOILT)
def test_a_finding(made, name, capsys):
    spoil, words = SPOILT[name]
    spoil(made)
    assert doctor.main([str(made.path)]) == doctor.FOUND
    said = capsys.readouterr().out
    assert said.startswith(f"{made.path}, step 1,200: 1 finding\n\n{name}: ") and words in said
    assert "  what may help: " in said
    assert doctor.main([str(made.path), "--json"]) == doctor.FOUND
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["name"] == name and finding["numbers"]


def test_where_numbers_stop_being_finite_is_said(made, capsys):
    """And a rollback is not recommended where the run has had it."""
    note(made, not_finite="G: all finite; D: layer 3", why="step 1: loss_g is inf", at_step=1)
    for options, words in (({}, "--on-collapse rollback, a lower --lr"), ({"on_collapse": "rollback"}, "a lower --lr")):
        change(made.config, **options)
        assert doctor.main([str(made.path)]) == doctor.FOUND
        said = capsys.readouterr().out
        assert "training ended: step 1: loss_g is inf (G: all finite; D: layer 3)\n" in said
        assert f"  what may help: {words}; with" in said


@pytest.mark.parametrize("loss, said", [("hinge", True), ("ls", True), ("wgan", True), ("ns", False)])
def test_losses_without_probabilities_are_said_not_to_be_looked_at(made, loss, said, capsys):
    change(made.config, loss=loss)
    assert doctor.main([str(made.path)]) == 0
    line = f"D certain, G certain: --loss {loss} gives scores, no probabilities"
    assert (line in capsys.readouterr().out) == said


def test_every_check_has_a_run_that_shows_it():
    assert set(CHECKS) == set(SPOILT) | {"one picture", "copies"}  # tests of their own follow


def test_one_picture_for_all_z(made):
    """Also where no grid was ever better; but not early in a run."""
    alike(made, 200)
    for step in (1, 3):
        made.sample(step).unlink()
    assert [finding.name for finding in examine(Evidence(made))] == ["one picture"]
    for step in range(1000, STEP + 1, 200):
        made.sample(step).unlink()
    young = Evidence(made)
    assert examine(young) == []
    assert "at step 800 they differ by 0 grey levels, real ones by 72" in young.missing["G's pictures"]


@pytest.mark.parametrize("count, found", [(128, True), (30, True), (12, False), (0, False)])
def test_copies(made, count, found):
    """A G that draws real pictures, shifted in colour by little, in so many of 128; the others are new."""
    evidence = Evidence(made)
    evidence.drawn = np.concatenate([pictures(200)[:count] - np.uint8(3), pictures(128 - count, 5)])
    finding = data.copies(evidence)
    assert bool(finding) == found
    if finding:
        assert finding.numbers["share"] == pytest.approx(count / 128, abs=0.02)


def test_a_blurred_mean_is_no_copy(made):
    """The mean of all pictures is nearer to each than they are to each other, and copies none."""
    evidence = Evidence(made)
    evidence.drawn = pictures(200).mean(axis=0, keepdims=True).repeat(128, axis=0).astype("uint8")
    assert data.copies(evidence) is None


def test_what_is_missing_is_said(made, tmp_path, capsys):
    assert doctor.main([str(made.path), "--data", str(tmp_path / "gone")]) == 0
    assert "not looked at:\n  data: " in capsys.readouterr().out
    for path in made.saved():
        path.write_bytes(b"cut")
    made.sample(400).write_bytes(b"cut")
    made.log.unlink()
    assert doctor.main([str(made.path)]) == 0
    said = capsys.readouterr().out
    for words in ("a checkpoint: ", "samples/000400.png: it is missing, damaged", "log: there is no"):
        assert words in said


@pytest.mark.parametrize("content", [None, b"\xff", b"{}x"])
def test_no_run(tmp_path, content, capsys):
    if content:
        (tmp_path / "config.json").write_bytes(content)
    assert doctor.main([str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_thumbnails_are_means():
    """Sides that the thumbnails' does not divide, too: each cell is the mean of its pixels, by loops."""
    some = np.random.default_rng(0).integers(0, 256, (2, 21, 40, 1)).astype("uint8")
    small = data.thumbnails(some)
    rows, columns = ([i * side // 16 for i in range(17)] for side in (21, 40))
    for i in range(16):
        for j in range(16):
            cell = some[:, rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            np.testing.assert_allclose(small[:, i, j], cell.mean(axis=(1, 2)), rtol=1e-6)


def test_distances():
    a, b = (np.random.default_rng(seed).standard_normal((count, 4, 4, 3)) for seed, count in ((0, 3), (1, 5)))
    expected = [[np.sqrt(((one - other) ** 2).mean()) for other in b] for one in a]
    np.testing.assert_allclose(data.distances(a, b), expected, rtol=1e-12)


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("rows, found", [(0, False), (1, True), (4, True), (8, False)])
def test_borders(turn, rows, found):
    some = pictures(20)
    some[:, :rows] = 0
    some = np.rot90(some, turn, axes=(1, 2))
    assert data.border(some, data.FLAT).mean() == found


@pytest.mark.parametrize("side", [8, 16, 32])
def test_drawn_faces_have_no_borders(made, side):
    """They are known to be sound, though the edges of some heads end like a border; true borders are still found."""
    change(made.config, image_size=[side, side])
    evidence = Evidence(made)
    evidence.real = open_source(None, (side, side), seed=1).batch(np.arange(500))
    evidence.drawn = np.zeros((9, side, side, 3), "uint8")
    assert data.border(evidence.real, data.FLAT).any() and data.borders(evidence) is None
    evidence.real[::3, :, :1] = evidence.real[::3, :, -1:] = 0
    evidence.real[::3, :, 1:-1] |= 128
    finding = data.borders(evidence)
    assert finding and finding.numbers["of_real"] > 0.33


def test_a_plain_or_shaded_background_is_no_border():
    some = np.full((3, 16, 16, 3), 200, "uint8")
    some[1, 6:12, 4:12] = 50
    some[2] += np.arange(16, dtype="uint8")[:, np.newaxis, np.newaxis]
    assert not data.border(some, data.FLAT).any()
