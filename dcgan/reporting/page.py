"""The report as one HTML page: its sections in their order, its style and script within it, and what it may load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from string import Template

from dcgan.reporting import facts, option_rows
from dcgan.reporting.axes import number_text
from dcgan.reporting.charts import Line, chart, ordered
from dcgan.reporting.contents import Contents
from dcgan.reporting.findings import findings
from dcgan.reporting.grid_cards import samples
from dcgan.reporting.markup import Markup, escaped, joined, source_hash, tag
from dcgan.reporting.measured import measured
from dcgan.reporting.thinning import thinned
from gpunet import __version__

HERE = Path(__file__).parent
RELOAD = 30  # seconds until the page of a run that goes on is loaded again
LETTERS = 12  # of a run's label at its curves
# Nothing is loaded from anywhere. Of scripts and styles the browser takes those alone whose hashes stand here.
POLICY = (
    "default-src 'none'; img-src data:; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
)


def page(runs: Sequence[Contents], live: bool = False) -> str:
    """Return the report of runs; live: it loads itself again now and then."""
    style, script = (_file(name) for name in ("page.css", "page.js"))
    labels, runs = told_apart(runs)
    names = [run.name for run in runs]
    return Template(_file("page.html")).substitute(
        policy=POLICY.format(style=source_hash(style), script=source_hash(script)),
        refresh=f'<noscript><meta http-equiv="refresh" content="{RELOAD}"></noscript>\n' if live else "",
        live=f' data-live="{RELOAD}"' if live else "",
        title=escaped(f"Report of {' and '.join(names) if len(names) < 4 else f'{len(names)} runs'}"),
        style=style,
        body=_body(labels, runs, live),
        script=script,
    )


def told_apart(runs: Sequence[Contents]) -> tuple[list[str], list[Contents]]:
    """Return what the runs are called at their curves and in tables, and the runs with names that say which is which.

    Where the labels are numbers that the report gives, all names bear them, and those that are the same the folder
    around the run as well. Example: old/0001-paper and new/0001-paper become "1 old/0001-paper" and "2 new/0001-paper".
    """
    names = [run.name for run in runs]
    labels = labels_of(names)
    if labels != _numbered(names):
        return labels, list(runs)
    wholes = [f"{run.around}/{run.name}" if names.count(run.name) > 1 else run.name for run in runs]
    numbered = [f"{i} {whole}" for i, whole in enumerate(wholes, 1)]
    return labels, [replace(run, name=name) for run, name in zip(runs, numbered, strict=True)]


def labels_of(names: Sequence[str]) -> list[str]:
    """Return what runs are called at their curves: their numbers, 0003 for 0003-paper, where these differ.

    Otherwise the names, cut to a few letters and numbered where these are the same.
    """
    numbers = [name.partition("-")[0] for name in names]
    if all(number.isdecimal() and len(number) <= LETTERS for number in numbers) and len(set(numbers)) == len(names):
        return numbers
    cut = [name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}\u2026" for name in names]
    return cut if len(set(cut)) == len(names) else _numbered(names)


def _numbered(names: Sequence[str]) -> list[str]:
    return [f"{i} {name[: LETTERS - 3]}" for i, name in enumerate(names, 1)]


def _body(labels: Sequence[str], runs: Sequence[Contents], live: bool) -> Markup:
    one = len(runs) == 1
    now = datetime.now().astimezone()
    written = f"Written {now:%Y-%m-%d %H:%M:%S %Z} by gpunet {__version__}."
    again = f" The run goes on: the page loads itself again every {RELOAD} seconds." if live else ""
    head = tag(
        "header",
        tag("h1", runs[0].name if one else f"{len(runs)} runs"),
        facts.glance(runs),
        tag("p", written + again, class_="written"),
        facts.lacking(runs),
    )
    return joined(
        head,
        _section("Samples", samples(labels, runs)),
        _section("Curves", curves(labels, runs)),
        _section("Numbers", measured(runs)),
        _section("The doctor", findings(runs)),
        _section("Settings", option_rows.settings(labels, runs)),
        _section("Files left out", facts.skipped(runs)),
        _section("What ran", facts.machine(runs)),
    )


def _section(title: str, *children: Markup) -> Markup:
    name = title.lower().replace(" ", "-")
    return tag("section", tag("h2", title, id=name), *children, aria_labelledby=name)


def curves(labels: Sequence[str], runs: Sequence[Contents]) -> Markup:
    """Return the charts of all numbers of the logs, the curves of all runs in each."""
    found = ordered(list(dict.fromkeys(name for run in runs for name in run.points if len(run.points[name][0]))))
    if not found:
        return tag("p", "The log has no step yet.")
    plain = all(run.config is None or run.config.loss == "ns" for run in runs)
    words = (
        "A strong line is the mean over a fortieth of the run; the pale band behind it reaches from the least to the "
        "greatest value of the steps at each place, so that no peak is lost."
    )
    charts = [_chart(name, labels, runs, plain) for name in found]
    return joined(tag("p", words, class_="how"), tag("div", charts, class_="charts"))


def _chart(name: str, labels: Sequence[str], runs: Sequence[Contents], plain: bool) -> Markup:
    lines = []
    for number, (label, run) in enumerate(zip(labels, runs, strict=True)):
        if name in run.points and len(run.points[name][0]):
            curve = thinned(*run.points[name])
            end = label if len(runs) > 1 else number_text(float(curve.mean[-1]))
            lines.append(Line(number, end, curve))
    return chart(name, lines, plain)


def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
