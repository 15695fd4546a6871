"""The four programs of docs/compare.md compute the same step: losses and weights agree in float64."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest

from pages import ROOT, installed

COMPARE = ROOT / "docs/compare"
# JAX computes in float64 only if it is told before it starts: so each program has a process of its own.
RUN = """
import sys, importlib, numpy
import problem
losses, made = importlib.import_module(sys.argv[1]).step(problem.weights(), *problem.batch())
arrays = {f"{net} {name}": value for net, of in made.items() for name, value in of.items()}
numpy.savez(sys.argv[2], **arrays, **losses)
"""


def made_by(program, folder):
    """Return what a program computes: losses, and weights by "G 0.weight" and so on."""
    place = folder / f"{program}.npz"
    environment = os.environ | {"PYTHONPATH": f"{COMPARE}{os.pathsep}{ROOT}", "JAX_ENABLE_X64": "1"}
    environment |= {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", RUN, program, str(place)]
    subprocess.run(command, env=environment, check=True, timeout=250)
    with np.load(place) as found:
        return dict(found)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return made_by("ours", tmp_path_factory.mktemp("compare"))


@pytest.mark.parametrize("program, package", [("plain_numpy", "numpy"), ("pytorch", "torch"), ("with_jax", "jax")])
def test_programs_agree(program, package, ours, tmp_path):
    if not installed(package):
        pytest.skip(f"needs {package}")
    theirs = made_by(program, tmp_path)
    assert set(theirs) == set(ours) and len(ours) == 14
    for name, value in ours.items():
        np.testing.assert_allclose(theirs[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_step_moves_every_weight(ours, monkeypatch):
    """Adam's first step moves each number by about the learning rate; what was left out would stay."""
    monkeypatch.syspath_prepend(str(COMPARE))
    problem = importlib.import_module("problem")
    for net, of in problem.weights().items():
        for name, before in of.items():
            moved = np.abs(ours[f"{net} {name}"] - before)
            assert 0.9 < np.median(moved) / problem.LR < 1.1, (net, name)
