"""The options of runs as tables: what differs between the runs, or from the preset's own settings, and all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from dcgan import options, presets
from dcgan.config import GROUPS, Config, option_name
from dcgan.errors import UserError
from dcgan.options import size_text
from dcgan.reporting.contents import Contents
from dcgan.reporting.markup import Markup, joined, tag

OPEN = "\u2013"  # stands for an option that was left open, and for one that is not known


def settings(labels: Sequence[str], runs: Sequence[Contents]) -> Markup:
    """Return the section about the options of the runs."""
    configs = [run.config for run in runs]
    if not any(configs):
        return tag("p", "No options are known: config.json cannot be read.")
    rows = [[value_text(config, name) for config in configs] for name in names()]
    differing = [len(set(row)) > 1 for row in rows]
    heads = labels if len(runs) > 1 else ["value"]
    first = _differences(heads, rows, differing) if len(runs) > 1 else _own(configs[0])
    return joined(first, tag("details", tag("summary", "All options"), _all(heads, rows, differing), class_="options"))


def names() -> list[str]:
    """Return the names of all options, group by group."""
    return [item.name for group in GROUPS.values() for item in fields(group)]


def value_text(config: Config | None, name: str) -> str:
    """Return the value of an option as it is typed."""
    value: Any = getattr(config, name, None)
    if value is None:
        return OPEN
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        kind = Config.__dataclass_fields__[name].metadata["kind"]
        return size_text(value) if kind is options.size else ":".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _differences(heads: Sequence[str], rows: Sequence[Sequence[str]], differing: Sequence[bool]) -> Markup:
    """Return the table of the options whose values are not the same in all runs."""
    if not any(differing):
        return tag("p", "All runs have the same options.")
    body = [_row(name, row) for name, row, differs in zip(names(), rows, differing, strict=True) if differs]
    same = len(rows) - len(body)
    words = f"These options differ between the runs; the other {same} are the same."
    return joined(tag("p", words), _table(heads, body, "differs"))


def _own(config: Config | None) -> Markup:
    """Return the table of the options of a run that are not its preset's own."""
    own = _preset_config(config)
    if config is None or own is None:
        return joined()
    body = [
        _row(name, [value_text(config, name), value_text(own, name)])
        for name in names()
        if value_text(config, name) != value_text(own, name)
    ]
    if not body:
        return tag("p", f"All options are those of the preset {config.preset}.")
    return joined(
        tag("p", f"These options are not those that the preset {config.preset} sets by itself."),
        _table(["value", "the preset\u2019s own"], body, "differs"),
    )


def _preset_config(config: Config | None) -> Config | None:
    """Return the config of a preset alone; None where this version has no such preset."""
    try:
        return Config(**presets.settings(config.preset, {"preset": config.preset})) if config else None
    except UserError:
        return None


def _all(heads: Sequence[str], rows: Sequence[Sequence[str]], differing: Sequence[bool]) -> Markup:
    """Return a table for each group of options; those that differ between the runs are marked."""
    tables, at = [], 0
    for title, group in GROUPS.items():
        count = len(fields(group))
        places = range(at, at + count)
        body = [_row(names()[i], rows[i], differing[i]) for i in places]
        tables.append(tag("div", tag("h3", title[:1].upper() + title[1:]), _table(heads, body)))
        at += count
    return tag("div", tables, class_="groups" if len(heads) < 3 else None)


def _row(name: str, values: Sequence[str], marked: bool = False) -> Markup:
    """Return the row of an option; marked: one that differs between the runs, which a sign says, too."""
    sign = tag("span", "\u2260", title="differs between the runs", class_="sign") if marked else None
    head = tag("th", tag("code", option_name(name)), sign, scope="row")
    return tag("tr", head, [tag("td", value) for value in values], class_="marked" if marked else None)


def _table(heads: Sequence[str], body: Sequence[Markup], kind: str | None = None) -> Markup:
    head = tag("tr", tag("th", "option", scope="col"), [tag("th", text, scope="col") for text in heads])
    table = tag("table", tag("thead", head), tag("tbody", list(body)), class_=kind)
    return tag("div", table, class_="wide", tabindex=0, role="group", aria_label="Table of options")
