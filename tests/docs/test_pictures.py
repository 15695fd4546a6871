"""No picture of docs/ is stale: each carries the fingerprint of the program that makes it today."""

from __future__ import annotations

import ast
import json
import re

import numpy as np
import pytest
from PIL import Image

from dcgan import images
from pages import PAGES, ROOT
from pictures_of_docs import pictures

DOCS = ROOT / "docs"
EXISTING = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*") if path.suffix in (".png", ".gif"))

PROGRAM = """
def area(side: float = 2) -> float:
    return side * side
"""
SAME = '''"""A page."""  # and a comment

def area(side: float = 2) -> float:  # of a square
    """Return the area."""

    return side*side
'''


def of(text):
    return pictures.tree(ast.parse(text))


@pytest.mark.parametrize("name", EXISTING)
def test_pictures_are_current(name):
    assert name in pictures.PICTURES, "docs/pictures.py has to say how it is made"
    assert pictures.state(name) == "current", f"python docs/pictures.py {name} makes it anew"


def test_every_picture_that_a_page_shows_can_be_made():
    for page in PAGES:
        for link in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text()):
            name = (page.parent / link).resolve().relative_to(DOCS).as_posix()
            assert name in pictures.PICTURES and name in EXISTING


def test_sources_of_every_picture_exist():
    for picture in pictures.PICTURES.values():
        assert all(list(ROOT.glob(source)) for source in picture.sources)


def test_comments_and_docstrings_do_not_count():
    assert of(PROGRAM) == of(SAME)


@pytest.mark.parametrize(
    "before, after",
    [("side * side", "side + side"), ("= 2", "= 3"), ("area", "surface"), ("    return", '    print("x")\n    return')],
)
def test_what_a_program_does_counts(before, after):
    assert of(PROGRAM) != of(PROGRAM.replace(before, after))


def test_only_the_demo_counts_of_the_makefile(tmp_path):
    (tmp_path / "Makefile").write_text("DEMO_STEPS ?= 900\ntest:\n\tpytest\n")
    before = pictures.program(tmp_path / "Makefile")
    (tmp_path / "Makefile").write_text("DEMO_STEPS ?= 900\ntest:\n\tpytest -q\n")
    assert pictures.program(tmp_path / "Makefile") == before
    (tmp_path / "Makefile").write_text("DEMO_STEPS ?= 901\n")
    assert pictures.program(tmp_path / "Makefile") != before


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project of one picture, whose maker is tmp_path/maker.py."""
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    monkeypatch.setattr(pictures, "HERE", tmp_path / "docs")
    (tmp_path / "maker.py").write_text(
        "import sys\nfrom PIL import Image\nImage.new('L', (3, 2), 7).save(sys.argv[1] + '/grey.png')\n"
    )
    picture = pictures.Picture(("python maker.py {folder}",), ("maker.py",))
    monkeypatch.setattr(pictures, "PICTURES", {"grey.png": picture})
    return tmp_path


def test_a_picture_is_stale_once_its_maker_changes(place, capsys):
    assert pictures.main([]) == 0 and "missing" in capsys.readouterr().out
    assert pictures.main(["grey.png"]) == 0 and "current" in capsys.readouterr().out
    with Image.open(place / "docs/grey.png") as image:
        assert image.size == (3, 2) and (np.asarray(image) == 7).all()
    maker = (place / "maker.py").read_text()
    (place / "maker.py").write_text(f"# grey\n{maker}")
    assert pictures.state("grey.png") == "current"
    (place / "maker.py").write_text(maker.replace("7", "8"))
    assert pictures.main([]) == 1 and "stale: its maker has changed" in capsys.readouterr().out


def test_an_animation_keeps_its_frames_and_gets_the_fingerprint(tmp_path):
    frames = [Image.new("L", (3, 2), shade) for shade in (0, 100, 200)]
    frames[0].save(tmp_path / "made.gif", save_all=True, append_images=frames[1:])
    pictures.stamp(tmp_path / "made.gif", tmp_path / "lessons/grey.gif", "0123456789abcdef")
    assert pictures.texts_of(tmp_path / "lessons/grey.gif") == {"maker": "0123456789abcdef"}
    assert not pictures.texts_of(tmp_path / "made.gif")
    with Image.open(tmp_path / "lessons/grey.gif") as after:
        for number, frame in enumerate(frames):
            after.seek(number)
            assert after.n_frames == 3 and (np.asarray(after.convert("L")) == np.asarray(frame)).all()


def test_a_maker_that_fails_leaves_the_picture(place, capsys):
    pictures.main(["grey.png"])
    before = (place / "docs/grey.png").read_bytes()
    (place / "maker.py").write_text("raise SystemExit(3)")
    assert pictures.main(["grey.png"]) == 1 and "status 3" in capsys.readouterr().err
    assert (place / "docs/grey.png").read_bytes() == before


def test_an_option_of_a_preset_that_changes_makes_its_picture_stale(tmp_path, monkeypatch):
    name = "presets/monn28.png"
    texts = pictures.texts_of(DOCS / name)
    config = json.loads(texts["config"])
    assert config["preset"] == "monn28" and not pictures.changed_options(name, config)
    assert pictures.changed_options(name, config | {"real_target": 0.8, "gone": 1}) == ["real_target", "gone"]
    (tmp_path / "presets").mkdir()
    images.save_png(tmp_path / "made.png", np.zeros((2, 2, 3), "uint8"), {"config": json.dumps(config | {"width": 1})})
    pictures.stamp(tmp_path / "made.png", tmp_path / name, pictures.fingerprint(pictures.PICTURES[name]))
    monkeypatch.setattr(pictures, "HERE", tmp_path)
    assert pictures.state(name).startswith("stale: width")
