"""Which modules import which: there is no circle, and --help loads no more than it shows."""

import ast
import graphlib
import os
import subprocess
import sys

import pytest

from running import ROOT

PACKAGES = ("gpunet", "dcgan", "puzzles", "kernels")


def modules():
    """{name: path} of every module of the project; the kernels are gpunet.kernels."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if not name.startswith("gpunet.kernels"):  # seen through the link: `kernels` itself is walked, too
                found[f"gpunet.{name}" if package == "kernels" else name] = path
    return found


def imports(tree, late):
    """Yield (module, name or None) of what loading a module imports; late: of what calling its functions does, too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif late or not isinstance(node, ast.FunctionDef):
            yield from imports(node, late)


def edges(late=False):
    """{module: the project's modules that it imports}; `from package import module` needs that module."""
    known, found = modules(), {}
    for name, path in known.items():
        wanted = {
            target
            for module, part in imports(ast.parse(path.read_text()), late)
            if (target := f"{module}.{part}" if f"{module}.{part}" in known else module) in known
        }
        found[name] = wanted
    return found


def circle(edges):
    """A circle of imports in words; an empty string if there is none."""
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return " <- ".join(error.args[1])
    return ""


def test_no_circle_of_imports():
    found = edges()
    assert len(found) > 100 and sum(map(len, found.values())) > 300
    assert not circle(found)


def test_no_circle_in_dcgan_by_an_import_inside_a_function_either():
    found = {name: wanted for name, wanted in edges(late=True).items() if name.startswith("dcgan")}
    assert "dcgan.session" in found["dcgan.train"] and not circle(found)


def test_a_circle_would_be_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) and not circle({"a": {"b", "c"}, "b": {"c"}})


def test_the_library_knows_nothing_of_gans():
    for name, wanted in edges().items():
        if name.startswith("gpunet"):
            assert not [other for other in wanted if other.startswith("dcgan")], name


@pytest.mark.parametrize("arguments, status", [(["--help"], 0), (["--lr"], 2)], ids=["help", "a mistake"])
def test_help_loads_neither_networks_nor_numpy(arguments, status):
    program = f"""
import sys
from dcgan import train
try:
    status = train.main({arguments})
except SystemExit as end:
    status = end.code
print(status, [name for name in sys.modules if name.partition(".")[0] in ("gpunet", "numpy", "PIL", "h5py", "cupy")])
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == f"{status} []"
