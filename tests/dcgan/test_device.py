"""Where a run computes: the reason is said where a GPU was hoped for and there is none."""

import importlib.util

import pytest

from dcgan.config import Config
from dcgan.device import choose_device
from dcgan.errors import UserError
from gpunet import backend
from gpunet.kernels.loader import machine

RIDDLES = {
    "cudaErrorInsufficientDriver: CUDA driver version is insufficient": "no NVIDIA driver found",
    "cudaErrorNoDevice: no CUDA-capable device is detected": "no NVIDIA GPU found",
    "another\nreason": "another reason",
}


@pytest.fixture(params=RIDDLES)
def without_gpu(request, monkeypatch):
    """CuPy is installed and finds no GPU; the words in which the reason is to be said."""

    def fail(array, place):
        raise RuntimeError(request.param)

    monkeypatch.setattr(backend, "to_device", fail)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    return RIDDLES[request.param]


def test_auto_says_why_it_takes_the_cpu(without_gpu, capsys):
    with backend.use("reference"):
        assert choose_device(Config(device="auto", implementation="reference")) == "cpu"
    said = capsys.readouterr().out
    assert said.startswith(f"--device auto takes the CPU: {without_gpu}") and said.count("\n") == 1


def test_cuda_is_refused_with_the_reason(without_gpu):
    with pytest.raises(UserError, match=f"--device cuda: {without_gpu}"):
        choose_device(Config(device="cuda"))


def test_without_cupy_nothing_is_said(monkeypatch, capsys):
    """Whoever has not installed CuPy does not expect a GPU."""

    def fail(array, place):
        raise ImportError("no CuPy")

    monkeypatch.setattr(backend, "to_device", fail)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with backend.use("reference"):
        assert choose_device(Config(implementation="reference")) == "cpu"
    assert capsys.readouterr().out == ""


def test_the_riddles_are_those_of_cuda():
    assert all(name.startswith("cudaError") for name in machine.NO_GPU)
