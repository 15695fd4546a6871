"""Runs whose newest checkpoints are damaged go on from the one before as if nothing had happened."""

import pytest

from dcgan.run.folder import RunDir
from running import content, run_train

STEPS = 14
pytestmark = pytest.mark.usefixtures("numbers_for_plot")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_checkpoint_is_never_picked_up(often, runs, capsys, damage):
    run_train(*often, "--steps", STEPS)
    whole = content(runs / "0001-dcgan64")
    newest = runs / "0001-dcgan64/checkpoints" / f"{STEPS:06d}.h5"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes({"cut": bytes(data[:-100]), "flipped": bytes(data), "empty": b""}[damage])
    capsys.readouterr()
    assert run_train("--resume", runs / "0001-dcgan64", "--no-progress") == 0
    out = capsys.readouterr().out.splitlines()
    assert str(newest) in out[0] and out[0].endswith("going back to the one before")
    assert any("going on from step 12 " in line for line in out)
    assert content(runs / "0001-dcgan64") == whole


def test_damaged_checkpoints_do_not_push_out_good_ones(often, runs):
    """--keep 1 with a damaged newer file: the good one stays until a newer good one is there."""
    run = runs / "0001-dcgan64"
    run_train(*often, "--steps", STEPS)
    for path in RunDir(run).saved():
        if int(path.stem) > 3:
            path.write_bytes(b"damaged")
    run_train("--resume", run, "--keep", 1, "--steps", 8, "--no-progress")
    good = [path.stem for path in RunDir(run).saved() if path.stat().st_size > 100]
    assert good == ["000008"]


def test_all_checkpoints_damaged(often, runs, capsys):
    run_train(*often, "--steps", 3)
    (runs / "0001-dcgan64/checkpoints/000003.h5").write_bytes(b"damaged")
    assert run_train("--resume", runs / "0001-dcgan64") == 2
    assert capsys.readouterr().err.endswith("none of its checkpoints is complete\n")
