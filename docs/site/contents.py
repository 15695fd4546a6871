"""The contents of the site, a list beside every page: lessons, guides, reference. New pages come by themselves."""

from __future__ import annotations

from typing import Any

# Guides in an order for reading; a page of docs/ that is not named stands behind them, by its name.
GUIDES = ["asked", "data", "presets", "training", "doctor", "broken", "measure", "exchange", "invert", "python"]
GUIDES += ["compare", "glossary", "convolution", "batchnorm", "gradient-penalty", "kernels", "speed", "ranks"]
API = ["layers", "backend", "optim", "loops", "gradcheck", "kernels", "dcgan", "steps"]


def contents(found: set[str]) -> dict[str, list[str]]:
    """Return the lists of pages by their title; found: the names of all pages, such as docs/data."""
    lessons = sorted(name for name in found if name.startswith("docs/lessons/"))
    order = {f"docs/{name}": number for number, name in enumerate(GUIDES)}
    course = ["docs/start", *lessons, "docs/puzzles"]
    taken = {"README", *course}
    others = [name for name in found - taken if not name.startswith("docs/site/")]
    guides = sorted(others, key=lambda name: (order.get(name, 99), not name.startswith("docs/"), name))
    lists = {
        "The course": course,
        "Guides": guides,
        "Python reference": [f"docs/site/api/{name}" for name in API],
    }
    return {title: [name for name in names if name in found] for title, names in lists.items()}


def add_contents(app: Any, name: str, source: list[str]) -> None:
    """Put the lists behind the text of the first page, hidden there: the theme shows them at the side."""
    if name != app.config.root_doc:
        return
    for title, names in contents(set(app.env.found_docs)).items():
        lines = "\n".join(f"/{each}" for each in names)
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{lines}\n```\n"


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", add_contents)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
