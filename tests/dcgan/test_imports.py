"""Which modules import which: there is no circle, and --help loads no more than it shows."""

import ast
import graphlib
import os
import subprocess
import sys

import pytest

from running import ROOT

PACKAGES = ("gpunet", "dcgan", "kernels")


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


def imports(tree):
    """Yield (module, name or None) of what is imported when a module is loaded, not when its functions are called."""
    for node in tree.body if hasattr(tree, "body") else []:
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(node)


def edges():
    """{module: the project's modules that it imports}; `from package import module` needs that module."""
    known, found = modules(), {}
    for name, path in known.items():
        wanted = {
            target
            for module, part in imports(ast.parse(path.read_text()))
            if (target := f"{module}.{part}" if f"{module}.{part}" in known else module) in known
        }
        found[name] = wanted
    return found


def test_no_circle_of_imports():
    found = edges()
    assert len(found) > 100 and sum(map(len, found.values())) > 300
    try:
        graphlib.TopologicalSorter(found).prepare()
    except graphlib.CycleError as error:
        pytest.fail("a circle of imports: " + " <- ".join(error.args[1]))


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
