"""The Python blocks of every page run one after another as they are pasted, and print what their comments say.

A page is one namespace, in an empty folder. Trainings are short (DCGAN_QUICK), but for docs/python.md, whose own are.
A block that imports a package which is not installed is left out.
"""

import re
import warnings
from unittest import mock

import numpy as np
import pytest

import pages
from dcgan import quick
from gpunet.backend.devices import operations
from pages import PAGES, ROOT, blocks

WITH_CODE = [page for page in PAGES if blocks(page)]
FULL = "docs/python.md"
NEEDS = re.compile(r"^(?:import|from) (torch|jax|onnxruntime)\b", re.M)  # packages that a reader may lack


def can_run(block):
    """Return whether all packages are there that a block imports."""
    return all(pages.installed(package) for package in NEEDS.findall(block))


def run_page(name, folder, monkeypatch, capsys):
    """Run the blocks of a page in a folder; return its names. Fails where a print's comment is not what it prints."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    if name != FULL:
        monkeypatch.setenv(quick.VARIABLE, "1")
    names: dict = {"__name__": "page"}
    for block in filter(can_run, blocks(ROOT / name)):
        pages.provide(re.findall(r"\"(runs/[^\"]+)\"", block) if name != FULL else [])
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*non-interactive.*", UserWarning)  # plt.show without a screen
            exec(compile(block, name, "exec"), names)
        printed = capsys.readouterr().out.splitlines()
        for said in re.findall(r"^print\(.*\)  +# (.*)$", block, re.M):
            assert said in printed, (name, said, printed)
    return names


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    with mock.patch.dict(operations):  # a page may add operations of its own
        names = run_page(str(page.relative_to(ROOT)), tmp_path, monkeypatch, capsys)
    if check := CHECKS.get(page.name):
        check(names)


def the_python_interface(names):
    assert len(names["losses"]) == 20 and names["pictures"].shape == (64, 32, 32, 3)
    assert names["where"] == "0001-dcgan64_20_1_12"
    assert names["images"].shape == (2, 32, 32, 3) and names["images"].dtype == np.float32
    assert np.abs(names["images"]).max() <= 1 and names["logits"].shape == (64,)
    assert names["features"].shape == (64, 4 * 4 * (8 + 16) + 4 * 4 * 32)


def the_first_page(names):
    assert names["pictures"].shape == (64, *names["run"].generator(np.zeros((1, 100))).shape[1:])
    assert names["pictures"].dtype == np.uint8 and names["dx"].shape == names["x"].shape


CHECKS = {"python.md": the_python_interface, "README.md": the_first_page}  # what the names of a page have to be


def test_pages_with_code_are_found():
    found = {page.name for page in WITH_CODE}
    assert {"README.md", "python.md", "asked.md"} <= found and set(CHECKS) <= found
    assert len(blocks(ROOT / FULL)) >= 4 and any("print(" in block for block in blocks(ROOT / FULL))


def test_a_page_that_says_something_else_is_noticed(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    excerpt = "<!-- excerpt: a.py f -->\n```python\nno\n```\n"
    page.write_text(f"```python\nx = 2\n```\n\n{excerpt}```python\nprint(x)  # 3\n```\n")
    with pytest.raises(AssertionError, match="'3', \\['2'\\]"):
        run_page(page, tmp_path, monkeypatch, capsys)
    page.write_text("text\n\n```python\nx = 1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as found:
        run_page(page, tmp_path, monkeypatch, capsys)
    assert found.traceback[-1].lineno == 3  # counted from 0: the fourth line of the page
