"""The tests marked cuda are collected, and may run, where only NumPy, CuPy, Pillow, h5py, tqdm and pytest are."""

from __future__ import annotations

import os
import subprocess
import sys

from running import ROOT


def test_the_tests_marked_cuda_are_collected_on_a_bare_machine():
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT / "tests/support")}
    environment |= {"PYTEST_ADDOPTS": ""}  # those of the outer run may change what is printed
    command = [sys.executable, "-m", "pytest", "-p", "bare_machine", "-p", "no:cacheprovider"]
    command += ["-m", "cuda", "--collect-only", "-q"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "tests/dcgan/test_stepper.py::test_a_graph_is_the_step_bit_for_bit[1:1]" in done.stdout
    assert " error" not in done.stdout.splitlines()[-1]
