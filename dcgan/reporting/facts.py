"""Sections of the report that are words and tables: the runs at a glance, what ran where, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dcgan.reporting.axes import number_text
from dcgan.reporting.contents import Contents
from dcgan.reporting.markup import Markup, joined, tag

CODE = ("command", "commit")  # are shown as code
MOST_STARTS = 12  # of a run that are listed, the newest ones
# The keys of a start in run.json, in the order of the page, and the words that the page has for them.
STARTS = {
    "from_step": "from step", "at_step": "to step", "started": "started", "ended": "ended", "state": "how it ended",
    "device": "device", "implementation": "implementation", "precision": "precision", "cpu": "processor",
    "cores": "cores", "gpu": "GPU", "version": "version", "commit": "commit", "command": "command",
    "changed": "changed options", "so": "so", "quick": "note",
}  # fmt: skip


def glance(runs: Sequence[Contents]) -> Markup:
    """Return a line or two about each run, with its colour where there are several."""
    if len(runs) == 1:
        return tag("div", _facts(runs[0]), class_="glance")
    items = [
        tag("li", tag("span", class_=f"swatch {colour(i)}", aria_hidden="true"), tag("strong", run.name), _facts(run))
        for i, run in enumerate(runs)
    ]
    return tag("ul", items, class_="glance")


def colour(number: int) -> str:
    """Return the class of the colour of a run by its number; page.css has eight."""
    return f"r{number % 8}"


def _facts(run: Contents) -> Markup:
    config = run.config
    progress = f"step {run.step:,}" + (f" of {run.last_step:,}" if run.last_step else "")
    words = [f"preset {config.preset}" if config else "", progress, run.state]
    if config:
        words.append(f"{config.pictures_per_step} pictures a step")
    if "images_per_second" in run.points:
        words.append(f"{number_text(float(np.median(run.points['images_per_second'][1])))} pictures a second")
    data = run.record.get("data")
    return joined(
        tag("span", " \u00b7 ".join(word for word in words if word), class_="facts"),
        tag("span", data, class_="facts") if isinstance(data, str) else None,
    )


def lacking(runs: Sequence[Contents]) -> Markup | None:
    """Return the list of what the report lacks, None where it lacks nothing."""
    several = len(runs) > 1
    items = [tag("li", f"{run.name}: {text}" if several else text) for run in runs for text in run.lacks]
    if not items:
        return None
    return tag("aside", tag("p", "What this report lacks:"), tag("ul", items), class_="lacks")


def skipped(runs: Sequence[Contents]) -> Markup:
    """Return the section about the files that could not be read from the data."""
    if not any(run.skipped_found for run in runs):
        return tag("p", "No file of the data was left out.")
    parts = []
    for run in runs:
        head = tag("h3", run.name) if len(runs) > 1 else None
        if not run.skipped_found:
            parts.append(joined(head, tag("p", "No file of the data was left out.")))
            continue
        rows = [_skipped_row(line) for line in run.skipped]
        more = run.skipped_found - len(rows)
        words = f"{run.skipped_found:,} files of the data could not be read and were left out."
        if more:
            words += f" The first {len(rows):,} are listed; skipped.txt has all."
        names = tag("details", tag("summary", "Their names, and why"), _wide(tag("table", tag("tbody", rows)), "Files"))
        parts.append(joined(head, tag("p", words), names))
    return joined(parts)


def _skipped_row(line: str) -> Markup:
    name, _, reason = line.partition("\t")
    return tag("tr", tag("td", tag("code", name)), tag("td", reason))


def machine(runs: Sequence[Contents]) -> Markup:
    """Return the section about what ran: each start of each run with its machine and its command."""
    parts = []
    for run in runs:
        if len(runs) > 1:
            parts.append(tag("h3", run.name))
        starts = run.record.get("starts")
        known = [start for start in starts if isinstance(start, dict)] if isinstance(starts, list) else []
        if not known:
            parts.append(tag("p", "run.json does not tell what ran."))
        if len(known) > MOST_STARTS:
            parts.append(tag("p", f"{len(known):,} starts; the newest {MOST_STARTS} of them:"))
        parts += [_start(start) for start in known[-MOST_STARTS:]]
    return joined(parts)


def _start(start: Mapping[str, Any]) -> Markup:
    """Return what is known about a start as a list of terms."""
    computer = start.get("machine")
    known = {**start, **(computer if isinstance(computer, dict) else {})}
    pairs = []
    for key, title in STARTS.items():
        value = known.get(key)
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        if value is not None and not isinstance(value, dict):
            shown = f"{value:,}" if type(value) is int else value
            pairs.append(tag("div", tag("dt", title), tag("dd", tag("code", shown) if key in CODE else shown)))
    return tag("dl", pairs, class_="start")


def _wide(table: Markup, label: str) -> Markup:
    """Return a table in a box that scrolls sideways where the table is wider than the page."""
    return tag("div", table, class_="wide", tabindex=0, role="group", aria_label=label)
