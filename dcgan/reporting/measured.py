"""The section with the numbers that `python -m dcgan.measure` left in measure.json: a row for each measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from dcgan.reporting.axes import number_text
from dcgan.reporting.contents import Contents
from dcgan.reporting.markup import Markup, joined, tag

MOST = 20  # measurements of a run, the newest ones
TITLES = {"frechet": "Fr\u00e9chet distance", "kid": "KID"}  # others bear their own names
MOST_NAMES = 12  # numbers of a measurement
UNKNOWN = "\u2013"


def measured(runs: Sequence[Contents]) -> Markup:
    """Return the section: a table of all measurements of all runs."""
    found = [(run, entry) for run in runs for entry in run.measure[-MOST:] if _result(entry)]
    if not found:
        return tag("p", "Nothing was measured. ", tag("code", "python -m dcgan.measure RUN"), " measures a run.")
    names = list(dict.fromkeys(name for _, entry in found for name in _result(entry)))[:MOST_NAMES]
    several = len(runs) > 1
    heads = [*(["run"] if several else []), "step", "features", "pictures", *(TITLES.get(name, name) for name in names)]
    rows = [_row(run.name if several else None, entry, names) for run, entry in found]
    table = tag(
        "table",
        tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads])),
        tag("tbody", rows),
        class_="many",
    )
    box = tag("div", table, class_="wide", tabindex=0, role="group", aria_label="Table of measurements")
    return joined(_words(found), box, _details(found))


def _words(found: Sequence[tuple[Contents, Mapping[str, Any]]]) -> Markup:
    """Return what has to be known to read the table."""
    words = ["A row for each measurement; in brackets, over several draws, the interval of 95 %."]
    features = {(_features(entry).get("name"), _features(entry).get("sha256")) for _, entry in found}
    if len(features) > 1:
        words.append("Numbers of different features do not compare.")
    if any(len(run.measure) > MOST for run, _ in found):
        words.append(f"Only the newest {MOST} measurements of a run are shown.")
    return tag("p", " ".join(words), class_="how")


def _row(run: str | None, entry: Mapping[str, Any], names: Sequence[str]) -> Markup:
    features = _features(entry)
    cells: list[Any] = [run] if run else []
    cells += [_whole(entry.get("step")), _text(features.get("name")), _whole(entry.get("count"))]
    cells += [_number(_result(entry).get(name)) for name in names]
    return tag("tr", [tag("td", cell) for cell in cells])


def _number(value: Any) -> Markup:
    """Return a number with its interval: {"mean": 12.3, "low": 11.8, "high": 12.9} is "12.3 (11.8 to 12.9)"."""
    if _is_number(value):
        return joined(number_text(value))
    if not isinstance(value, dict) or not _is_number(value.get("mean")):
        return joined(UNKNOWN)
    low, high, reach = value.get("low"), value.get("high"), None
    if _is_number(low) and _is_number(high):
        reach = tag("span", f" ({number_text(low)} to {number_text(high)})", class_="reach")
    return joined(number_text(value["mean"]), reach)


def _details(found: Sequence[tuple[Contents, Mapping[str, Any]]]) -> Markup:
    """Return what each measurement depends on, under a heading that opens."""
    items = []
    for run, entry in found:
        features = _features(entry)
        known = {
            "real pictures": entry.get("data_is"),
            "split": entry.get("split"),
            "resized": entry.get("resize"),
            "hash of the features": features.get("sha256"),
            "weights": entry.get("weights"),
            "notes": "; ".join(map(str, notes)) if isinstance(notes := entry.get("warnings"), list) else None,
        }
        pairs = [tag("div", tag("dt", key), tag("dd", value)) for key, value in known.items() if isinstance(value, str)]
        items.append(tag("h3", f"{run.name}, step {_whole(entry.get('step'))}"))
        items.append(tag("dl", [pair for pair in pairs if pair], class_="start"))
    return tag("details", tag("summary", "What each measurement depends on"), items)


def _result(entry: Any) -> Mapping[str, Any]:
    result = entry.get("result") if isinstance(entry, dict) else None
    return result if isinstance(result, dict) else {}


def _features(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    features = entry.get("features")
    return features if isinstance(features, dict) else {}


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and abs(value) < 1e300


def _whole(value: Any) -> str:
    return f"{value:,}" if type(value) is int and abs(value) < 1e15 else UNKNOWN


def _text(value: Any) -> str:
    return value if isinstance(value, str) else UNKNOWN
