"""Notebooks of the lessons: their cells of code are the blocks that the tests of the pages run; pictures are inside."""

import base64
import json
import warnings

import pytest

from pages import ROOT, blocks
from pictures_of_docs import loaded

LESSONS = sorted((ROOT / "docs/lessons").glob("*.md"))


@pytest.fixture(scope="module")
def maker():
    return loaded("lesson_notebooks")


@pytest.fixture(scope="module")
def made(maker, tmp_path_factory):
    """Return the folder with the notebooks of all lessons."""
    out = tmp_path_factory.mktemp("notebooks")
    assert maker.main(["--out", str(out)]) == 0
    return out


def test_a_folder_that_cannot_be_written_ends_in_one_line(maker, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert maker.main(["--out", str(tmp_path / "file/notebooks")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: cannot write the notebooks: ") and said.count("\n") == 1


def cells(made, lesson, kind):
    found = json.loads((made / f"{lesson.stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_code_is_what_the_page_runs(made, lesson):
    code = ["".join(cell["source"]).strip() for cell in cells(made, lesson, "code")]
    assert code and code == [block.strip() for block in blocks(lesson)]
    compile((made / f"{lesson.stem}.py").read_text(encoding="utf-8"), lesson.stem, "exec")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_text_is_the_page(made, lesson):
    texts = cells(made, lesson, "markdown")
    text = "\n".join("".join(cell["source"]) for cell in texts)
    page = lesson.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in page.splitlines() if line.startswith("#") and line not in "\n".join(blocks(lesson))
    ]
    assert f"the lesson {lesson.name} of the project" in text.replace("\n", " ") and "<!-- excerpt" not in text
    pictures = {name: kinds for cell in texts for name, kinds in cell.get("attachments", {}).items()}
    assert pictures and all(f"](attachment:{name})" in text for name in pictures)
    for name, (data, *_) in ((name, tuple(kinds.values())) for name, kinds in pictures.items()):
        assert base64.b64decode(data) == (lesson.parent / name).read_bytes()


def test_links_lead_into_the_checkout(maker, tmp_path):
    page = tmp_path / "docs" / "lesson.md"
    page.parent.mkdir()
    page.write_text("# Title\n\n[a](b.md#c), [d](https://e.org), [f](#g)\n\n```python\nx = [1][0]\n```\n[h](i.md)\n")
    text = maker.percent(page, lambda target: f"../docs/{target}")
    assert "# [a](../docs/b.md#c), [d](https://e.org), [f](#g)\n" in text
    assert "# %%\nx = [1][0]\n" in text and text.endswith("# [h](../docs/i.md)\n")


def test_excerpts_are_text(maker, tmp_path):
    page = tmp_path / "lesson.md"
    page.write_text("# T\n\n<!-- excerpt: a.py f -->\n```py\ndef f(): ...\n```\n\n```python\ny = 1\n```\n")
    text = maker.percent(page, str)
    assert "# ```py\n# def f(): ...\n# ```\n" in text and text.count("# %%\n") == 1 and "<!--" not in text


def test_a_notebook_runs(made, tmp_path, monkeypatch):
    """One of them, as a check of what the others share with the pages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {"__name__": "notebook"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*non-interactive.*", UserWarning)
        for cell in cells(made, LESSONS[0], "code"):
            exec(compile("".join(cell["source"]), "cell", "exec"), names)
    assert "np" in names
