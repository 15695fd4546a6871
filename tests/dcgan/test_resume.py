"""Runs that go on: the same bytes as a run that never stopped, from a folder or from any of its checkpoints.

Also with files that are decoded while the run trains: late, early or before.
"""

import shutil

import pytest

from dcgan import session
from dcgan.data import opening
from dcgan.data.storage import growing
from dcgan.run.folder import RunDir
from running import arrays, content, run_train, write_pictures

STEPS = 14  # 20 pictures in batches of 8: seven epochs, each with pictures left over
pytestmark = pytest.mark.usefixtures("numbers_for_plot")


VARIANTS = {
    "plain": [],
    "mirrored": ["--flip"],
    "uniform z, two G steps": ["--z-dist", "uniform", "--ratio", "1:2", "--fresh-z"],
    "G at every third batch": ["--ratio", "3:1"],
    "each batch for one network": ["--ratio", "2:1", "--alternate", "--fresh-z", "--l2", "1e-4"],
    "falling rate, wrapped batches": ["--lr-schedule", "step", "--lr-period", "1", "--last-batch", "wrap"],
    "a rate for each network": ["--lr-g", "1e-3", "--lr-d", "4e-3", "--lr-schedule", "step", "--lr-period", "2"],
    "pictures changed at random": ["--augment", "color,translation,cutout", "--flip", "--ratio", "1:2", "--fresh-z"],
    "clipped gradients of two batches": ["--clip-grad", "0.5", "--accumulate", "2", "--augment", "cutout"],
    "samples by their own statistics": ["--sampling-statistics", "batch"],
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_two_halves_are_the_whole(often, runs, variant):
    assert run_train(*often, *variant, "--steps", STEPS) == 0
    assert run_train(*often, *variant, "--steps", STEPS // 2) == 0
    assert run_train("--resume", runs / "0002-dcgan64", "--steps", STEPS, "--no-progress") == 0
    a, b = content(runs / "0002-dcgan64"), content(runs / "0001-dcgan64")
    assert set(a) - set(b) == {"checkpoints/000007.h5", "samples/000007.png"}  # the first half's last step
    assert [name for name in b if a[name] != b[name]] == []
    last = (runs / name / "checkpoints/000014.h5" for name in ("0001-dcgan64", "0002-dcgan64"))
    assert next(last).read_bytes() == next(last).read_bytes()


@pytest.mark.parametrize(
    "options",
    ["--lr-g 1e-3 --lr-d 4e-3 --lr-schedule linear", "--instance-noise 0.2 --augment color --accumulate 2"],
    ids=["rates", "noise"],
)
def test_what_falls_until_the_last_step_goes_on_falling(often, runs, options):
    """From the checkpoint of a run that was to be as long."""
    assert run_train(*often, options, "--steps", 9) == 0
    assert run_train("--resume", runs / "0001-dcgan64/checkpoints/000003.h5", "--no-progress") == 0
    whole, branch = (content(runs / name) for name in ("0001-dcgan64", "0002-dcgan64"))
    assert all(branch[name] == whole[name] for name in branch)
    assert {"checkpoints/000009.h5", "samples/000009.png", "log.jsonl"} <= set(branch)


def test_seeds_differ(often, runs):
    run_train(*often, "--steps", 2)
    run_train(*often, "--steps", 2, "--seed", 1)
    a, b = (content(runs / name) for name in ("0001-dcgan64", "0002-dcgan64"))
    assert a["log.jsonl"] != b["log.jsonl"] and a["samples/000002.png"] != b["samples/000002.png"]


def test_keep(often, runs):
    run_train(*often, "--steps", STEPS, "--keep", 2)
    assert [path.stem for path in RunDir(runs / "0001-dcgan64").saved()] == ["000014", "000012"]


def test_an_older_checkpoint_goes_on_in_a_new_folder(often, runs):
    run_train(*often, "--steps", STEPS)
    whole = content(runs / "0001-dcgan64")
    older = runs / "0001-dcgan64/checkpoints/000006.h5"
    assert run_train("--resume", older, "--no-progress") == 0
    assert content(runs / "0001-dcgan64") == whole
    branch = content(runs / "0002-dcgan64")
    assert all(branch[name] == whole[name] for name in branch)
    assert {name for name in whole if name not in branch} == {
        "samples/000001.png", "samples/000004.png", "checkpoints/000003.h5"
    }  # fmt: skip


def test_the_newest_checkpoint_file_goes_on_in_place(often, runs):
    run_train(*often, "--steps", 3)
    run_train("--resume", runs / "0001-dcgan64/checkpoints/000003.h5", "--steps", 6, "--no-progress")
    assert [path.stem for path in RunDir(runs / "0001-dcgan64").saved()] == ["000006", "000003"]


def test_a_checkpoint_alone_is_enough(often, runs, tmp_path, monkeypatch):
    """It goes on under ./runs, wherever it says that it was trained."""
    monkeypatch.chdir(tmp_path)
    run_train(*often, "--steps", 6)
    (tmp_path / "elsewhere.h5").write_bytes((runs / "0001-dcgan64/checkpoints/000003.h5").read_bytes())
    assert run_train("--resume", tmp_path / "elsewhere.h5", "--no-progress") == 0
    a, b = (arrays(runs / name / "checkpoints/000006.h5") for name in ("0001-dcgan64", "0002-dcgan64"))
    assert a == b


def test_what_a_resume_asked_for_outlives_a_kill(often, runs):
    """Resumed with more steps and killed before its next checkpoint: the next resume still wants those steps."""
    run_train(*often, "--steps", 3)
    config = runs / "0001-dcgan64/config.json"
    config.write_text(config.read_text().replace('"steps": 3', '"steps": 6'))
    assert run_train("--resume", runs / "0001-dcgan64", "--no-progress") == 0
    assert RunDir(runs / "0001-dcgan64").saved()[0].stem == "000006"


def test_other_data_is_said(often, runs, capsys, tmp_path):
    run_train(*often, "--steps", 3)
    write_pictures(tmp_path / "other", 9)
    run_train("--resume", runs / "0001-dcgan64", "--data", tmp_path / "other", "--steps", 5, "--no-progress")
    assert "the data is not what the run began with" in capsys.readouterr().out
    assert RunDir(runs / "0001-dcgan64").saved()[0].stem == "000005"


def test_epochs_count_from_the_beginning(often, runs):
    """--epochs N is N in total; asking for epochs takes back a limit in steps."""
    run_train(*often, "--steps", 3)
    run_train("--resume", runs / "0001-dcgan64", "--epochs", 4, "--no-progress")
    assert RunDir(runs / "0001-dcgan64").saved()[0].stem == "000008"  # 20 // 8 batches in each of 4 epochs


@pytest.fixture
def large(often, tmp_path, monkeypatch):
    """The 20 pictures of a tiny training count as very many; two of them are damaged."""
    monkeypatch.setattr(opening, "CACHE_FROM", 10)
    monkeypatch.setattr(growing, "AT_ONCE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("07.png", "19.png"):
        (tmp_path / "data" / name).write_text("damaged")
    return often


@pytest.mark.parametrize("order", [[], ["--last-batch", "wrap"]])
def test_two_halves_are_the_whole_whatever_was_decoded_when(large, runs, tmp_path, order, capsys):
    assert run_train(*large, *order, "--steps", 10) == 0
    said = capsys.readouterr().out
    assert "19 of them are decoded while training runs" in said and "2 files could not be read: " in said
    shutil.rmtree(tmp_path / "cache")
    assert run_train(*large, *order, "--steps", 5) == 0
    shutil.rmtree(tmp_path / "cache")
    assert run_train("--resume", runs / "0002-dcgan64", "--steps", 10, "--no-progress") == 0
    assert run_train(*large, *order, "--steps", 10) == 0  # from the cache
    whole, halves, cached = (content(runs / f"{number:04d}-dcgan64") for number in (1, 2, 3))
    assert {name for name in whole if halves[name] != whole[name]} == set()
    assert {name for name in whole if cached[name] != whole[name]} == set()
    assert whole["skipped.txt"] == b"".join(
        name + b"\tnot a picture of a known format\n" for name in (b"07.png", b"19.png")
    )


def test_a_run_that_is_finished_is_told_before_the_data_is_read(tiny, runs, capsys, monkeypatch):
    run_train(*tiny, "--steps 2")
    checkpoint_file = runs / "0001-dcgan64/checkpoints/000002.h5"
    (runs / "a.h5").write_bytes(checkpoint_file.read_bytes())
    monkeypatch.setattr(session, "open_trainer", lambda *_: pytest.fail("the data was opened"))
    capsys.readouterr()
    for path, steps in ((runs / "a.h5", 2), (runs / "0001-dcgan64", 1)):
        assert run_train("--resume", path, f"--steps {steps} --no-progress") == 2
        assert f"is at step 2 of {steps}: ask for more --steps" in capsys.readouterr().err
