"""--precision: what a machine cannot do ends in one line, a resume may change it, and fp16 goes on bit for bit."""

import pytest

from dcgan.config import Config
from dcgan.device import choose_device, described
from dcgan.run.folder import RunDir
from gpunet import backend, checkpoint
from running import arrays, run_generate, run_train

ON_GPU = "--device cuda --implementation kernels"
NET = "--width 2 --image-size 16 --z-dim 3 --batch-size 4 --samples 2 --no-progress"


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_a_cpu_multiplies_in_fp32(tiny, runs, capsys, precision):
    assert run_train(*tiny, "--implementation kernels --steps 1 --precision", precision) == 2
    error = capsys.readouterr().err
    assert error == (
        f"error: --precision: got precision {precision} on the cpu, expected a GPU of 8.0 or later: "
        "choose precision fp32\n"
    )
    assert not runs.exists() and backend.precision("cpu") == "fp32"


def test_so_does_the_reference(tiny, capsys):
    assert run_train(*tiny, "--steps 1 --precision bf16") == 2
    assert capsys.readouterr().err == (
        "error: --precision: got bf16, expected fp32, in which the reference multiplies\n"
    )  # fmt: skip


def test_other_words_are_refused(tiny, capsys):
    assert run_train(*tiny, "--precision fp8") == 2
    assert capsys.readouterr().err == "error: --precision: got 'fp8', expected one of fp32, tf32x3, tf32, bf16, fp16\n"


def test_what_was_trained_in_fp16_draws_and_goes_on_in_fp32(tiny, run, tmp_path, capsys):
    assert run_train(*tiny, "--steps 2 --precision fp32") == 0
    assert "device cpu, implementation reference, precision fp32\n" in capsys.readouterr().out
    trained_in_fp16(run)
    assert run_generate(run, "--count 2 --device cpu --out", tmp_path / "grid.png") == 0
    assert run_train("--resume", run, "--steps 3 --no-progress") == 2
    assert run_train("--resume", run, "--steps 3 --precision fp32 --no-progress") == 0
    assert set(checkpoint.load(run / "checkpoints/000003.h5")["gan"]["adam_D"]) == {"m", "v", "step", "lr"}


def trained_in_fp16(run):
    """Change a run's files to what a GPU would have written."""
    path = run / "checkpoints/000002.h5"
    state = checkpoint.load(path)
    state["config"] = state["config"].replace('"precision": "fp32"', '"precision": "fp16"')
    for name in ("adam_G", "adam_D"):
        state["gan"][name] |= {"loss_scale": 2.0**12, "good_steps": 5}
    checkpoint.save(path, state)
    (run / "config.json").write_text(state["config"])


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "tf32x3", "tf32", "bf16", "fp16"])
def test_every_precision_is_used(precision):
    config = Config(device="cuda", implementation="kernels", precision=precision)
    assert choose_device(config) == "cuda" and backend.precision("cuda") == precision
    assert described("cuda") == f"device cuda, implementation kernels, precision {precision}"


@pytest.mark.cuda
def test_fp16_goes_on_bit_for_bit(runs):
    """Scale and good steps come out of the checkpoint: the second half skips what the whole run skips."""
    common = [NET, ON_GPU, "--precision fp16 --checkpoint-every 2 --out", runs]
    assert run_train(*common, "--steps 4") == 0
    assert run_train(*common, "--steps 2") == 0
    assert run_train("--resume", runs / "0002-dcgan64", "--steps 4 --no-progress") == 0
    whole, halves = (arrays(runs / name / "checkpoints/000004.h5") for name in ("0001-dcgan64", "0002-dcgan64"))
    assert whole == halves and whole["gan"]["adam_G"]["good_steps"] > 0
    assert RunDir(runs / "0002-dcgan64").saved()[0].stem == "000004"
