"""The watch over a training: what it says, and what --on-collapse does: warn, stop, or go back with half the rate."""

import json
import shutil

import numpy as np
import pytest

from dcgan.run import advice, log, record, watch
from dcgan.run.folder import RunDir
from gpunet import checkpoint
from running import content, run_train

GOOD = (0.7, 0.3)
ROWS = {"D certain": (0.999, 0.001), "G certain": (0.99, 0.97)}


def answers(count, d_real, d_fake, first=1):
    return [{"step": step, "d_real": d_real, "d_fake": d_fake} for step in range(first, first + count)]


@pytest.fixture
def said():
    return []


@pytest.fixture
def watching(said):
    found = watch.Watch("warn")
    found.say = said.append
    return found


@pytest.mark.parametrize("name", ROWS)
def test_a_word_where_one_network_wins(name, watching, said):
    """Said once, and only after it has won all the time."""
    watching.records(answers(advice.STEPS - 1, *ROWS[name]))
    watching.records(answers(1, *GOOD))
    watching.records([{"step": 1, "images_per_second": 5.0}, {"step": 2, "d_real": 0.9}])
    watching.records(answers(advice.STEPS - 1, *ROWS[name]))
    assert not said
    watching.records(answers(1, *ROWS[name], first=777))
    watching.records(answers(3 * advice.STEPS, *ROWS[name]))
    assert len(said) == 1 and said[0].startswith("step 777: for 300 steps, from step 1 on, ") and "--lr" in said[0]


@pytest.mark.parametrize("d_real, d_fake", [(0.5, 0.5), (0.9, 0.1), (0.99, 0.9), (0.0, 0.0), (0.1, 0.9)])
def test_no_word_for_a_training_that_goes_well(d_real, d_fake, watching, said):
    watching.records(answers(5 * advice.STEPS, d_real, d_fake))
    assert not said


def scores(count, real):
    return [{"step": step, "score_real": real, "score_fake": -real} for step in range(1, count + 1)]


def test_no_word_from_scores(watching, said):
    """They are no probabilities: a large difference says nothing. Black and white of 256x256 are 887 apart."""
    watching.records(scores(5 * advice.STEPS, 50.0))
    watching.records(scores(5 * advice.STEPS, 443.0))
    assert not said


def test_a_word_where_scores_run_away(watching, said):
    watching.records(scores(5 * advice.STEPS, 1e6))
    assert len(said) == 1 and "step 300: for 300 steps, from step 1 on, D's scores" in said[0]


def test_a_checkpoint_of_before_scores_were_watched(watching):
    state = watching.state_dict()
    watching.records(scores(3, 1e6))
    del state["scores apart"]
    watching.load_state_dict(state)
    assert watching.rows["scores apart"].length == 3


def grids(*spreads):
    """Pictures (9, 8, 8, 3) whose numbers are spread so far around grey."""
    noise = np.random.default_rng(0).uniform(-1, 1, (9, 8, 8, 3))
    return [(128 + spread * noise).astype("uint8") for spread in spreads]


def test_diversity_by_loops():
    (some,) = grids(100)
    pairs = [((a.astype(float) - b) ** 2).mean() for i, a in enumerate(some) for b in some[:i]]
    assert advice.diversity(some) == pytest.approx(np.sqrt(np.mean(pairs)), rel=1e-6)
    assert advice.diversity(some[:1]) == 0


@pytest.mark.parametrize(
    "spreads, real, found",
    [
        ((20, 100, 90, 55), None, [4]),
        ((20, 100, 90, 55), 60.0, []),  # rms of the last: 45; as different as real pictures
        ((20, 100, 90, 55), 80.0, [4]),
        ((20, 100, 90, 65), None, []),
        ((20, 100, 30, 20, 90, 30), None, [3, 6]),
        ((20, 30, 40), 80.0, []),  # it never was better
    ],
)
def test_diversity_that_falls(spreads, real, found):
    sign = advice.Diversity()
    seen = [sign.note(step, pictures, real) for step, pictures in enumerate(grids(*spreads), 1)]
    assert [step for step, finding in enumerate(seen, 1) if finding] == found
    if found:
        last = [finding for finding in seen if finding][-1]
        assert last.good_step == found[-1] - 1 and last.numbers["from_step"] == 2


def test_a_watch_goes_on_where_its_state_was_saved(said):
    """Half the records before, half behind: the same words."""
    before, after = watch.Watch("warn"), watch.Watch("warn")
    before.records(answers(200, *ROWS["D certain"]))
    before.diversity.note(100, grids(100)[0], None)
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    after.say = said.append
    after.records(answers(100, *ROWS["D certain"], first=201))
    assert len(said) == 1 and "step 300: for 300 steps, from step 1 on" in said[0]
    assert after.diversity.note(200, grids(50)[0], None).numbers["from_step"] == 100


@pytest.fixture
def quick_to_judge(monkeypatch):
    """Any three steps in a row are D's victory, if D(x) > 0: but in a training with half the rate."""
    monkeypatch.setattr(advice, "STEPS", 3)
    monkeypatch.setattr(advice, "APART", -1.0)


@pytest.mark.usefixtures("quick_to_judge")
def test_warn_says_it_and_goes_on(tiny, run, capsys):
    assert run_train(*tiny, "--steps 5") == 0
    assert capsys.readouterr().out.count("for 3 steps, from step 1 on, D has told real pictures from G's") == 1


@pytest.mark.usefixtures("quick_to_judge")
def test_stop_saves_the_step(tiny, run, capsys):
    assert run_train(*tiny, "--steps 5 --on-collapse stop") == 1
    error = capsys.readouterr().err
    path = RunDir(run).saved()[0]
    assert error.startswith("error: step 3: for 3 steps, from step 1 on, D has told") and error.count("\n") == 1
    assert f"training stopped, step {int(path.stem)} is saved: {path}" in error
    assert len(log.read(run / "log.jsonl")) == int(path.stem) >= 3
    start = record.read(RunDir(run))["starts"][-1]
    assert start["state"] == "failed" and start["why"].startswith("step 3: ")
    assert run_train("--resume", run, "--no-progress --on-collapse stop") == 0  # the same row is not counted again


@pytest.fixture
def collapsing(monkeypatch):
    """D is taken to win at each step up to 9 until there has been a rollback, and then no more."""
    monkeypatch.setattr(advice, "STEPS", 3)
    real_note = advice.Row.note

    def note(self, each):
        note.rate = each.get("rate", note.rate)
        bad = each["step"] in (7, 8, 9) and self.name == "D certain" and note.rate == 1
        return real_note(self, each | {"d_real": float(bad) or 0.5, "d_fake": 0.5 - bad / 2})

    note.rate = 1
    monkeypatch.setattr(advice.Row, "note", note)
    return note


def test_rollback(often, runs, run, collapsing, capsys):
    """Back to step 6, the last checkpoint before step 7; everything that tells of it tells it."""
    assert run_train(*often, "--steps 14 --on-collapse rollback") == 0
    said = capsys.readouterr().out
    assert "step 9: for 3 steps, from step 7 on, D has told" in said
    assert f"rollback 1 of at most 3: back to {run}/checkpoints/000006.h5, and on with 0.5 of the learning rate" in said
    records = log.read(run / "log.jsonl")
    assert [each["step"] for each in records] == list(range(1, 15))
    assert [(each["step"], each["rollbacks"], each["rate"]) for each in records if "rate" in each] == [(7, 1, 0.5)]
    assert [each["step"] for each in log.read(run / "abandoned-1.jsonl")] == list(range(1, 10))
    (start,) = record.read(RunDir(run))["starts"]
    (entry,) = start["rollbacks"]
    assert (entry["at_step"], entry["to_step"], entry["rate"], start["state"]) == (9, 6, 0.5, "finished")
    last = checkpoint.load(run / "checkpoints/000014.h5")
    assert last["rollbacks"] == [[9, 6]] and last["gan"]["adam_G"]["lr"] == last["gan"]["adam_D"]["lr"] == 1e-4
    assert [path.stem for path in RunDir(run).saved()] == [f"{step:06d}" for step in (14, 12, 9, 6, 3)]


@pytest.mark.usefixtures("numbers_for_plot")
def test_a_resume_behind_a_rollback_is_bit_for_bit(often, runs, run, collapsing, capsys):
    """From the checkpoint that was gone back to, and from a later one."""
    assert run_train(*often, "--steps 14 --on-collapse rollback") == 0
    whole = content(run)
    for step in (6, 12):
        copy = runs / f"copy{step}"
        shutil.copytree(run, copy)
        for path in RunDir(copy).saved():
            if int(path.stem) > step:
                path.unlink()
        capsys.readouterr()
        assert run_train("--resume", copy, "--no-progress") == 0
        assert "the run has rolled back 1 time: 0.5 of the learning rate stays" in capsys.readouterr().out
        assert {name for name, found in content(copy).items() if whole[name] != found} == set()


def test_rollbacks_end(often, run, monkeypatch, capsys):
    """Where they do not help: the run stops, with the step saved."""
    monkeypatch.setattr(advice, "STEPS", 3)
    monkeypatch.setattr(advice, "APART", -1.0)
    state = {"first": 0, "length": -2}  # so that the row begins behind the first checkpoint
    monkeypatch.setattr(advice.Row, "load_state_dict", lambda self, _: vars(self).update(state))
    assert run_train(*often, "--steps 14 --checkpoint-every 1 --on-collapse rollback") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: step 3: ") and "no checkpoint was made before, up to step 0" in error


def test_divergence_in_the_first_step_has_nothing_to_go_back_to(tiny, capsys):
    assert run_train(*tiny, "--steps 3 --loss ls --lr 1e30 --on-collapse rollback") == 1
    error = capsys.readouterr().err
    assert error.endswith(": no checkpoint was made before, up to step 0; a lower --lr may help\n")
    assert error.count("no checkpoint") == 1


@pytest.mark.parametrize("keep", [1, 3])
def test_divergence_rolls_back_until_that_does_not_help(often, run, capsys, keep):
    """A second moment of nearly nothing makes Adam's next step huge: half of it is huge, too."""
    assert run_train(*often, "--steps 3") == 0
    path = run / "checkpoints/000003.h5"
    state = checkpoint.load(path)
    state["gan"]["adam_D"]["lr"] = state["gan"]["adam_G"]["lr"] = 1e38
    checkpoint.save(path, state)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"lr": 1e38}))
    capsys.readouterr()
    end = f"--steps 30 --checkpoint-every 50 --keep {keep} --no-progress --on-collapse rollback"
    assert run_train("--resume", run, end) == 1
    said = capsys.readouterr()
    assert said.out.count("back to ") == 3 and "with 0.125 of the learning rate" in said.out
    assert said.err.startswith("error: step ")
    assert "3 rollbacks have not helped, the last good checkpoint is " in said.err
    (*_, start) = record.read(RunDir(run))["starts"]
    assert len(start["rollbacks"]) == 3 and "not finite" in start["not_finite"]
    assert [path.stem for path in RunDir(run).saved()] == ["000003"]


@pytest.mark.cuda
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("numbers_for_plot", "collapsing")
def test_a_rollback_between_replays_of_a_graph(tiny, runs, run):
    """The graph goes on with the weights that were put back, as a resumed run's new graph does."""
    often = [*tiny, "--device cuda --implementation kernels --sample-every 4 --checkpoint-every 3 --keep 99"]
    assert run_train(*often, "--steps 10 --on-collapse rollback") == 0
    copy = runs / "copy"
    shutil.copytree(run, copy)
    for path in RunDir(copy).saved():
        if int(path.stem) > 6:
            path.unlink()
    whole = content(run)
    assert run_train("--resume", copy, "--no-progress") == 0
    assert {name for name, found in content(copy).items() if whole[name] != found} == set()
