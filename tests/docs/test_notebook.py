"""docs/notebook.py runs, and docs/notebook.ipynb is what docs/make_notebook.py makes of it."""

import ast
import importlib.util
import json
import warnings
from pathlib import Path

import pytest

from dcgan import quick

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_notebook", DOCS / "make_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made():
    return json.loads((DOCS / "notebook.ipynb").read_text(encoding="utf-8"))


def test_both_agree(maker):
    text = (DOCS / "notebook.py").read_text(encoding="utf-8")
    said = "python docs/make_notebook.py makes the notebook anew"
    assert (DOCS / "notebook.ipynb").read_text(encoding="utf-8") == maker.as_json(maker.notebook(text)), said


def test_the_cells_run(made, tmp_path, monkeypatch, capsys):
    """All cells of code in one namespace, as a notebook runs them, each last expression evaluated."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(quick.VARIABLE, "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    space, shown = {}, []
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            shown.append(run_cell("".join(cell["source"]), space))
    pictures = [value for value in shown if hasattr(value, "save")]
    assert len(pictures) >= 3 and all(picture.mode == "RGB" for picture in pictures)
    assert pictures[2].size == (2 * (8 * 34 + 2), 2 * (4 * 34 + 2))  # 4 rows of 8 pictures of 32 pixels, enlarged
    assert "0001-dcgan64_2_1_1" in capsys.readouterr().out
    assert [record["step"] for record in space["numbers"]] == [1, 2]


def run_cell(source, space):
    *before, last = ast.parse(source).body
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*non-interactive.*", UserWarning)  # plt.show without a screen
        if not isinstance(last, ast.Expr):
            exec(compile(source, "cell", "exec"), space)
            return None
        exec(compile(ast.Module(before, []), "cell", "exec"), space)
        return eval(compile(ast.Expression(last.value), "cell", "eval"), space)


def test_the_format(made):
    """What nbformat 4 asks for: https://nbformat.readthedocs.io/en/latest/format_description.html"""
    assert (made["nbformat"], made["metadata"]["kernelspec"]["name"]) == (4, "python3")
    kinds = [cell["cell_type"] for cell in made["cells"]]
    assert set(kinds) == {"code", "markdown"} and kinds[0] == "markdown" and len(kinds) > 10
    for cell in made["cells"]:
        more = {"outputs", "execution_count"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "metadata", "source"} | more and cell.get("outputs", []) == []
        assert all(line.endswith("\n") for line in cell["source"][:-1]) and not cell["source"][-1].endswith("\n")


@pytest.mark.parametrize(
    "text, cells",
    [
        ("# %%\nx = 1\n\n\n# %%\n\ny = 2\n", [("code", "x = 1"), ("code", "y = 2")]),
        ("# %% [markdown]\n# # Title\n#\n# text\n# %%\nf()", [("markdown", "# Title\n\ntext"), ("code", "f()")]),
        ("# %%\n# a comment stays\nx = '# %%'\n", [("code", "# a comment stays\nx = '# %%'")]),
    ],
)
def test_cells(maker, text, cells):
    made = maker.notebook(text)["cells"]
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in made] == cells


@pytest.mark.parametrize("text", ["", "x = 1\n# %%\n"])
def test_text_without_cells_is_refused(maker, text):
    with pytest.raises(ValueError, match="expected '# %%'"):
        maker.notebook(text)
