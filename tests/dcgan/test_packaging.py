"""The built wheel: it holds the kernels' sources and works from a folder that is not the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cases import IMPLEMENTATIONS

ROOT = Path(__file__).parents[2]
PACKAGES = ("gpunet", "dcgan")

USE = """
import numpy, gpunet, dcgan.train, dcgan.generate
from gpunet import backend, kernels, layers
for package in (gpunet, dcgan, kernels):
    assert package.__file__.startswith({site!r}), package.__file__
backend.use({implementation!r})
net = layers.Sequential(layers.Conv2d(3, 4, 4, stride=2, padding=1), layers.BatchNorm(4), layers.LeakyReLU())
x = numpy.ones((2, 8, 8, 3), "float32")
print(net.forward(x).shape, net.backward(numpy.ones((2, 4, 4, 4), "float32")).shape)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the wheel from a copy of the sources, so that nothing is written beside them, and unpack it."""
    folder = tmp_path_factory.mktemp("wheel")
    source, site = folder / "source", folder / "site"
    source.mkdir()
    for name in (*PACKAGES, "kernels", "benchmarks"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(wheel, check=True, cwd=folder)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(site)
    return site


def test_wheel_holds_every_source_file(site):
    suffixes = {".py", ".cu", ".cuh", ".h", ".cpp"}
    for folder, place in (("gpunet", "gpunet"), ("dcgan", "dcgan"), ("kernels", "gpunet/kernels")):
        sources = {p.relative_to(ROOT / folder) for p in (ROOT / folder).rglob("*") if p.suffix in suffixes}
        missing = {str(path) for path in sources if not (site / place / path).is_file()}
        assert sources and not missing
    assert (site / "gpunet" / "kernels" / "common.cuh").is_file()


def test_wheel_takes_no_name_but_ours(site):
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == set(PACKAGES)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_wheel_works_from_another_folder(site, tmp_path, implementation):
    program = USE.format(site=str(site), implementation=implementation)
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "(2, 4, 4, 4) (2, 8, 8, 3)"
