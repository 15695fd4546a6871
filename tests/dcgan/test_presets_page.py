"""docs/presets.md: its commands run as they are pasted, its links lead somewhere."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from dcgan import compare, gallery, generate, presets, train
from dcgan.config import Config
from dcgan.generate_options import View

PAGE = Path(__file__).parents[2] / "docs/presets.md"
COMMANDS = re.findall(r"^    (python -m .*)$", PAGE.read_text(), re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, _, name, *arguments = shlex.split(command, comments=True)
    if name == "dcgan.train":
        given = vars(train.parser().parse_args(arguments))
        options = {key: value for key, value in given.items() if key in Config.__dataclass_fields__}
        assert presets.config_of(options).preset == given.get("preset", Config.preset)
    elif name == "dcgan.compare":
        given = vars(compare.parser().parse_args(arguments))
        assert len(given["runs"]) == 2 or compare.configurations(given["presets"].split(","), {"steps": given["steps"]})
    elif name == "dcgan.gallery":
        given = vars(gallery.parser().parse_args(arguments))
        own = {key: given.pop(key) for key in ("presets", "labelled", "out", "no_progress")}
        assert all(gallery.configuration(preset, given).steps for preset in own["presets"].split(","))
    elif name == "dcgan.generate":
        assert View.take(vars(generate.parser().parse_args(arguments))).out
    else:
        assert importlib.util.find_spec(name) is not None


def test_the_page_shows_every_preset():
    text = PAGE.read_text()
    for name in presets.PRESETS:
        assert f"## {name}\n" in text and f"| `{name}` |" in text
    assert len(COMMANDS) > 10


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)]+)\)", PAGE.read_text())
    assert len(links) > 8
    for link in links:
        assert link.startswith("https://") or (PAGE.parent / link).exists(), link
