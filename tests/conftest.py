"""Fixtures of all tests. A test marked `cuda` is skipped, never failed, where CuPy sees no device."""

from __future__ import annotations

import functools

import pytest

from cases import CELLS
from gpunet import backend
from gpunet.backend import use_precision

pytest_plugins = ["large_folder", "mpirun", "running", "small_runs"]  # fixtures: growing sources, MPI, tests that train


@functools.cache
def missing_cuda() -> str:
    """Return why there is no CUDA device to test on, or an empty string where there is one."""
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except ImportError as error:
        return f"no CuPy: {error}"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"no CUDA device: {error}"
    return ""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Accept the settings of pytest-timeout where it is not installed: a GPU machine may have pytest alone."""
    if not pluginmanager.hasplugin("timeout"):
        parser.addini("timeout", "seconds that a test may take; without pytest-timeout nothing ends it")


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout(seconds): takes long; without pytest-timeout nothing ends it")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("cuda") and (reason := missing_cuda()):
        pytest.skip(reason)


def pytest_terminal_summary(terminalreporter) -> None:
    """Say what tests have noted, such as commands that none runs; then why tests were skipped, and what runs them."""
    reasons = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])]
    on_gpu = sum("no CuPy" in reason or "no CUDA device" in reason for reason in reasons)
    others, say = len(reasons) - on_gpu, terminalreporter.write_line
    reports = [each for found in ("passed", "failed") for each in terminalreporter.stats.get(found, [])]
    properties = sorted({pair for each in reports for pair in getattr(each, "user_properties", [])})
    for name in sorted({name for name, _ in properties}):  # a test has put them down with record_property
        say(f"{name}: {'; '.join(text for each, text in properties if each == name)}")
    if on_gpu:
        say(f"{on_gpu:,} tests of GPU cells were skipped: no GPU here (make cuda-test runs them where there is one)")
    if others:
        needed = "make test EXTRAS=test,torch,nvrtc,mpi runs those that need PyTorch, NVRTC or MPI"
        say(f"{others:,} others were skipped ({needed})")


@pytest.fixture(params=CELLS)
def cell(request):
    """Run the test in every cell: cpu and cuda, each implementation."""
    with backend.use(request.param.implementation), use_precision("fp32"):  # rounded factors have tests of their own
        yield request.param
