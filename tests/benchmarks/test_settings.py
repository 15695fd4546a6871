"""What benchmarks.step and benchmarks.ops refuse: each mistake is one line, before anything is measured."""

from __future__ import annotations

import argparse

import pytest

pytest.importorskip("torch")

from benchmarks import ops, step  # noqa: E402
from benchmarks.measure import settings  # noqa: E402
from benchmarks.op_cases import Maker  # noqa: E402
from dcgan.errors import UserError  # noqa: E402
from gpunet import backend  # noqa: E402

BOTH = [
    (["--repeats", "0"], "--repeats: got '0', expected a whole number of at least 1"),
    (["--repeats", "-2"], "--repeats: got '-2', expected a whole number of at least 1"),
    (["--repeats", "many"], "--repeats: got 'many', expected a whole number of at least 1"),
    (["--precision", "bf16"], "--precision: got bf16 with --device cpu, expected fp32, or --device cuda"),
    (["--precision", "tf32x3", "--device", "cpu"], "--precision: got tf32x3 with --device cpu"),
    (["--precision", "fp8"], "--precision: invalid choice: 'fp8'"),
    (["--json", "missing/x.json"], "--json: got missing/x.json, expected a file in a folder that is there"),
    (["--json", "."], "--json: got ., which is a folder"),
]
CASES = [
    *((command, *case) for command in (ops, step) for case in BOTH),
    (ops, ["--width", "-3"], "--width: got '-3', expected a whole number of at least 1"),
    (ops, ["--batch-size", "0"], "--batch-size: got '0', expected a whole number of at least 1"),
    (ops, ["--width", "4", "--only", "zzz"], "--only: no operation has 'zzz' in its name"),
    (ops, ["--width", "4", "--only", "adam", "zzz"], "--only: no operation has 'zzz' in its name"),
    (step, ["--generate", "-1"], "--generate: got '-1', expected a whole number of at least 0"),
    (step, ["--workloads", "dcgan64-b4"], "got workload 'dcgan64-b4', expected PRESET-nfWIDTH-bBATCH"),
    (step, ["--rivals", "fast"], "got rival 'fast', expected some of"),
]


@pytest.fixture
def nothing_is_measured(monkeypatch):
    for command in (ops, step):
        monkeypatch.setattr(command, "machine", lambda device: pytest.fail("the machine is measured"))


@pytest.mark.parametrize("command, words, said", CASES, ids=lambda value: getattr(value, "__name__", None))
def test_a_mistake_is_one_line(nothing_is_measured, tmp_path, monkeypatch, capsys, command, words, said):
    monkeypatch.chdir(tmp_path)
    assert command.main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and said in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [ops, step])
def test_without_a_gpu_cuda_is_refused_in_plain_words(nothing_is_measured, monkeypatch, capsys, command):
    def fail(array, device):
        raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    monkeypatch.setattr(backend, "to_device", fail)
    assert command.main(["--device", "cuda"]) == 2
    assert capsys.readouterr().err == "error: --device cuda: no NVIDIA GPU found\n"


def test_a_gpu_without_tensor_cores_multiplies_in_fp32_alone(monkeypatch):
    monkeypatch.setattr(backend, "to_device", lambda array, device: array)
    monkeypatch.setattr(backend.choices, "_capability", lambda: 75)
    options = argparse.Namespace(device="cuda", precision="bf16")
    with pytest.raises(UserError, match="--precision: got precision bf16 on a GPU of compute capability 7.5"):
        settings.require_device(options)
    settings.require_device(argparse.Namespace(device="cuda", precision="fp32"))
    settings.require_device(argparse.Namespace(device="cuda", precision=None))


def test_parts_of_names_do_not_depend_on_the_batch():
    """The names are looked at with a batch of one picture."""
    one, three = ([case.name for case in ops.every_case(Maker("cpu"), batch, 4)] for batch in (1, 3))
    assert one == three
    ops.require_names(["weight-grad", "adam"], 4)
    for part in ops.LIKE.replace(" or", ",").split(", "):
        ops.require_names([part], 4)
