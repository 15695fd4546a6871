"""--tensorboard: the events are read back; the run is the one without them; resumed runs take back what they redo."""

import io
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dcgan import images
from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.run import log, tensorboard
from dcgan.sampling import BATCH, judge, sample
from events import events, shown, steps_of
from gpunet import backend
from running import ROOT, content, run_train

pytestmark = pytest.mark.usefixtures("numbers_for_plot")
NUMBERS = {"epoch", "loss_d", "loss_g", "d_real", "d_fake"}
HISTOGRAMS = {"histogram/z", "histogram/d_real", "histogram/d_fake"}


def test_every_number_of_the_log_is_a_scalar(often, run):
    assert run_train(*often, "--steps 5 --tensorboard") == 0
    found = shown(run)
    for record in log.read(run / "log.jsonl"):
        for name in NUMBERS:
            assert found[name, record["step"]].simple_value == np.float32(record[name])
    assert {tag for tag, _ in found} == {*NUMBERS, *HISTOGRAMS, "images_per_second", "samples", "real"}
    assert found["images_per_second", 5].simple_value > 0


def test_histograms_and_grids_lie_at_the_sample_grids(often, run):
    run_train(*often, "--steps 5 --tensorboard --real-grids")
    found = shown(run)
    for tag in {*HISTOGRAMS, "samples", "real"}:
        assert steps_of(run, tag) == [1, 4, 5]
    for step in (1, 4, 5):
        for tag, file in ("samples", f"{step:06d}.png"), ("real", f"{step:06d}-real.png"):
            encoded = io.BytesIO(found[tag, step].image.encoded_image_string)
            with Image.open(encoded) as image, Image.open(run / "samples" / file) as written:
                assert (np.asarray(image) == np.asarray(written)).all()
        z, real, fake = (found[f"histogram/{name}", step].histo for name in ("z", "d_real", "d_fake"))
        assert (z.num, real.num, fake.num) == (8 * 5, 8, BATCH)  # z_dim 5, batch 8; whole passes
        assert z.min < 0 < z.max
        assert all(0 < part.min <= part.max < 1 and sum(part.bucket) == part.num for part in (real, fake))


@pytest.mark.parametrize(
    "variant", ["", "--ratio 1:2 --fresh-z", "--sampling-statistics batch", "--implementation kernels"]
)
def test_a_run_with_events_is_the_run_without(often, runs, variant):
    for more in ("--no-tensorboard", "--tensorboard"):
        assert run_train(*often, *variant.split(), "--steps 9", more) == 0
    a, b = (content(runs / name) for name in ("0001-dcgan64", "0002-dcgan64"))
    b = {name: value for name, value in b.items() if "tfevents" not in name}
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == ["config.json"]


@pytest.mark.cuda
def test_events_leave_the_bits_alone_where_steps_are_a_graph(often, runs):
    place = "--device cuda --implementation kernels --width 1 --image-size 8 --batch-size 2 --sample-every 1"
    for more in ("--no-tensorboard", "--tensorboard"):
        assert run_train(*often, place, "--steps 3", more) == 0
    a, b = (content(runs / name) for name in ("0001-dcgan64", "0002-dcgan64"))
    assert [name for name in a if a[name] != b[name]] == ["config.json"]
    assert steps_of(runs / "0002-dcgan64", "histogram/d_real") == [1, 2, 3]


def test_a_resumed_run_takes_back_what_it_redoes(often, run):
    """Killed at step 5, behind its checkpoint of step 3: steps 4 and 5 come again and are shown once."""
    run_train(*often, "--steps 5 --tensorboard")
    (run / "checkpoints/000005.h5").unlink()
    assert run_train("--resume", run, "--steps 8 --no-progress") == 0
    first, second = events(run)
    assert max(event.step for event in first) == 5
    assert next(event.step for event in second if event.HasField("session_log")) == 4
    assert steps_of(run, "loss_d") == list(range(1, 9))
    assert steps_of(run, "samples") == steps_of(run, "histogram/z") == [1, 4, 8]


def test_what_came_before_the_events_is_in_the_log(often, runs):
    """A run that began without them, and one that branches off into a folder of its own."""
    run_train(*often, "--steps 4")
    run_train("--resume", runs / "0001-dcgan64", "--steps 6 --tensorboard --no-progress")
    run_train("--resume", runs / "0001-dcgan64/checkpoints/000003.h5", "--steps 5 --tensorboard --no-progress")
    assert steps_of(runs / "0001-dcgan64", "loss_g") == [1, 2, 3, 4, 5, 6]
    assert steps_of(runs / "0002-dcgan64", "loss_g") == [1, 2, 3, 4, 5]


def test_without_the_package_one_line_says_what_to_install(often, runs, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert run_train(*often, "--steps 1 --tensorboard") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --tensorboard needs tensorboardX") and error.count("\n") == 1
    assert "pip install 'gpunet[tensorboard]'" in error and not runs.exists()
    assert run_train(*often, "--steps 1") == 0


def test_judging_is_what_training_sees_and_changes_nothing():
    config = Config(preset="carpedm20-mnist", classes=3, width=2, image_size=8, channels=1, z_dim=3, batch_size=4)
    with backend.use("reference"):
        gan, rng = GAN(config, np.random.default_rng(0), "cpu"), np.random.default_rng(1)
        pictures, labels = rng.integers(0, 256, (4, 8, 8, 1), dtype="uint8"), np.array([0, 1, 2, 0], "int32")
        before = gan.state_dict()["D"]
        found = judge(gan.D, pictures, 0.0, labels)
        for name, value in gan.state_dict()["D"].items():
            assert (value == before[name]).all(), name
        with gan.D.given(labels):
            logits = gan.D.forward(pictures.astype("float32") / np.float32(255))  # in training
        assert not any(layer.batch_statistics for layer in gan.D.walk() if hasattr(layer, "batch_statistics"))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits.ravel())), rtol=1e-5)
    assert np.ptp(found) > 0


def test_numbers_that_are_not_finite_stop_no_histogram(tmp_path):
    some = tensorboard.Board(tmp_path, 0)
    config = Config(width=2, image_size=16, channels=1, z_dim=2, batch_size=2)
    with backend.use("reference"):
        gan = GAN(config, np.random.default_rng(0), "cpu")
        pictures = sample(gan.G, np.zeros((2, 1, 1, 2), "float32"))
        some.histograms(1, gan, np.array([1, np.nan, np.inf]), (pictures, None), (pictures, None))
        gan.D.parameters()[0].data[...] = np.nan
        some.histograms(2, gan, np.array([np.nan]), (pictures, None), (pictures, None))
    some.close()
    assert shown(tmp_path)["histogram/z", 1].histo.num == 1
    assert {step for _, step in shown(tmp_path)} == {1}


def test_boards_of_the_same_second_have_files_of_their_own(tmp_path):
    for step in range(12):
        own = tensorboard.Board(tmp_path, step)
        own.pictures(step + 1, np.zeros((2, 4, 4, 1), "uint8"), np.zeros((2, 4, 4, 3), "uint8"))
        own.close()
    assert len(events(tmp_path)) == 12
    assert steps_of(tmp_path, "samples") == list(range(1, 13))
    image = shown(tmp_path)["samples", 3].image
    assert (image.height, image.width) == images.grid(np.zeros((2, 4, 4, 1), "uint8")).shape[:2]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy
from dcgan.run.tensorboard import Board
board = Board(Path(sys.argv[1]), int(sys.argv[2]), [{"step": 1, "loss_d": 0.5}])
board.scalars([{"step": step, "loss_d": step / 8} for step in range(2, 60)])
board.pictures(59, numpy.zeros((2, 4, 4, 1), "uint8"), numpy.zeros((2, 4, 4, 3), "uint8"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_loses_no_event(tmp_path):
    """Killed right behind the last call: all that was written is on the disk, also of a second start."""
    for step in (0, 40):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(step)], cwd=ROOT, timeout=60)
        assert ended.returncode == -signal.SIGKILL
        if step:  # the second file takes back from step 41 on, and has steps 2 to 59 of its own
            first, second = events(tmp_path)
            assert [event.step for event in second if event.HasField("session_log")] == [41]
            assert {event.step for event in second if event.HasField("summary")} == set(range(2, 60))
        else:
            assert steps_of(tmp_path, "loss_d") == list(range(1, 60))
            assert shown(tmp_path)["loss_d", 16].simple_value == 2.0
            assert steps_of(tmp_path, "samples") == [59]
