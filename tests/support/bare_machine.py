"""A pytest plugin (-p bare_machine): the packages that a machine with a GPU may lack cannot be imported.

Such a machine has Python, NumPy, CuPy, Pillow, h5py, tqdm, pytest and PyTorch, and neither pip nor a network. The tests
marked cuda have to run there: .ci/run runs them with this plugin, test_bare_machine.py collects them with it.
"""

from __future__ import annotations

import sys

MISSING = ("lmdb", "matplotlib", "pytest_timeout", "setuptools", "tensorboardX", "threadpoolctl")
sys.modules |= dict.fromkeys(MISSING)  # type: ignore[arg-type]  # None: an import raises ImportError
