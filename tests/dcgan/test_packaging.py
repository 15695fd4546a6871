"""The built wheel: it holds the kernels' sources and works from a folder that is not the checkout.

A package or folder `kernels` of somebody else stays another package; ours is gpunet.kernels.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import import_module
from importlib.metadata import EntryPoints, distributions
from pathlib import Path

import pytest

from cases import IMPLEMENTATIONS
from dcgan.__main__ import COMMANDS
from gpunet import kernels

ROOT = Path(__file__).parents[2]
PACKAGES = ("gpunet", "dcgan", "puzzles")

USE = """
import numpy, gpunet, dcgan.train, dcgan.generate
from gpunet import backend, kernels, layers
for package in (gpunet, dcgan, kernels):
    assert package.__file__.startswith({root!r}), package.__file__
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
    suffixes = {".py", ".cu", ".cuh", ".h", ".cpp", ".html", ".css", ".js"}
    for folder, place in (*zip(PACKAGES, PACKAGES, strict=True), ("kernels", "gpunet/kernels")):
        sources = {p.relative_to(ROOT / folder) for p in (ROOT / folder).rglob("*") if p.suffix in suffixes}
        missing = {str(path) for path in sources if not (site / place / path).is_file()}
        assert sources and not missing
    assert (site / "gpunet" / "kernels" / "common.cuh").is_file()


def test_wheel_takes_no_name_but_ours(site):
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == set(PACKAGES)


def test_no_file_lies_outside_our_packages(site):
    """So the wheel and somebody else's package `kernels` on PyPI, say, never write to the same file."""
    files = [path.relative_to(site) for path in site.rglob("*") if path.is_file()]
    assert {path.parts[0] for path in files if not path.parts[0].endswith(".dist-info")} == set(PACKAGES)
    assert len(files) > 150 and len({path.parts[0] for path in files}) == len(PACKAGES) + 1


def test_type_checkers_may_use_the_hints(site):
    assert all((site / package / "py.typed").is_file() for package in PACKAGES)


def test_every_command_is_installed(site):
    """Those that `python -m dcgan` lists, and each main takes no arguments and returns the exit status."""
    found = EntryPoints(entry for own in distributions(path=[str(site)]) for entry in own.entry_points)
    assert {entry.name: entry.value for entry in found.select(group="console_scripts")} == {
        f"dcgan-{name}": f"dcgan.{name}:main" for name in COMMANDS
    }
    assert set(COMMANDS) == {
        path.stem for path in (ROOT / "dcgan").glob("*.py") if "\ndef main(" in path.read_text() and path.stem[0] != "_"
    }
    program = "import sys; from dcgan.train import main; sys.argv[1:] = ['--lr', '0', '--dry-run']; sys.exit(main())"
    ended = python(program, site)
    assert (ended.returncode, ended.stderr) == (2, "error: --lr: got '0', expected a number in (0, inf)\n")


def test_the_package_lists_its_commands(site, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "dcgan"]
    listed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=1) for line in listed.splitlines() if line.startswith("  ")]
    assert [name for name, _ in lines] == list(COMMANDS)
    for name, text in lines:
        assert import_module(f"dcgan.{name}").__doc__.startswith(text)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_wheel_works_from_another_folder(site, tmp_path, implementation):
    check_use(python(USE.format(root=str(site), implementation=implementation), site, folder=tmp_path))


def test_puzzles_work_from_another_folder(site, tmp_path):
    """In NumPy, and in CUDA C++ with the tracer, whose C++ files have to be there, too."""
    (tmp_path / "my-puzzles").mkdir()
    for name in ("linear.py", "map.cu") if kernels.compiler_available() else ("linear.py",):
        shutil.copy(site / "puzzles/solutions" / name, tmp_path / "my-puzzles")
        program = f"import sys; from puzzles.__main__ import main; sys.exit(main([{name.partition('.')[0]!r}]))"
        ended = python(program, site, folder=tmp_path)
        assert ended.returncode == 0 and "Solved." in ended.stdout, ended.stdout + ended.stderr


@pytest.fixture(params=["package", "folder"])
def strange(request, tmp_path):
    """A folder that holds a package `kernels` of somebody else's, or a folder of that name."""
    (tmp_path / "strange/kernels").mkdir(parents=True)
    if request.param == "package":
        (tmp_path / "strange/kernels/__init__.py").write_text("theirs = True\n")
        (tmp_path / "strange/kernels/loader.py").write_text("theirs = True\n")
    return tmp_path / "strange"


THEIRS = """
import kernels
assert list(kernels.__path__) == [{theirs!r}], kernels.__path__
"""


@pytest.mark.parametrize("place", ["before", "behind", "working directory"])
def test_kernels_of_somebody_else_are_another_package(site, tmp_path, strange, place):
    paths = {"before": [strange, site], "behind": [site, strange], "working directory": [site]}[place]
    folder = strange if place == "working directory" else tmp_path
    program = THEIRS.format(theirs=str(strange / "kernels")) + USE.format(root=str(site), implementation="kernels")
    check_use(python(program, *paths, folder=folder))


@pytest.mark.parametrize("link", ["a text file", "nothing"])
def test_a_checkout_without_symbolic_links(tmp_path, link):
    """gpunet/kernels is then a text file that holds ../kernels, or missing; the kernels are found beside gpunet."""
    for name in (*PACKAGES, "kernels"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "gpunet/kernels").unlink()
    if link == "a text file":
        (tmp_path / "gpunet/kernels").write_text("../kernels")
    check_use(python(USE.format(root=str(tmp_path), implementation="kernels"), tmp_path, folder=tmp_path / "dcgan"))


def python(program, *paths, folder=None):
    """Run a program with these paths in front of all others, in a folder."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True)


def check_use(run):
    """Raise AssertionError unless a program `USE` did what it should."""
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "(2, 4, 4, 4) (2, 8, 8, 3)"
