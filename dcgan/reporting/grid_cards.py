"""The section with the sample grids of runs, beside the grid of real pictures: one slider moves all runs.

Without a script the grids of a run stand in a strip that scrolls sideways, the newest one first.
"""

from __future__ import annotations

from collections.abc import Sequence

from dcgan.reporting.contents import Contents
from dcgan.reporting.facts import colour
from dcgan.reporting.markup import Markup, joined, tag
from dcgan.reporting.pictures import SMALL, Picture


def samples(labels: Sequence[str], runs: Sequence[Contents]) -> Markup:
    """Return the section: the slider, a strip of grids for each run, and each different grid of real pictures once."""
    if not any(run.grids for run in runs):
        return joined(tag("p", "There is no sample grid."), tag("div", _real(runs), class_="cards"))
    several = len(runs) > 1
    slider = tag(
        "div",
        tag("label", "Step", for_="step"),
        tag("input", type="range", id="step", min=0, max=0, value=0, step=1),
        tag("output", for_="step", class_="at"),
        class_="slider",
        hidden=True,
    )
    cards = [_strip(number, run, several) for number, run in enumerate(runs) if run.grids]
    cards += _real(runs)
    four = len(cards) == 4  # two rows of two rather than three and one
    return joined(
        tag("p", _how(runs), class_="how"), slider, tag("div", cards, class_="cards four" if four else "cards")
    )


def _how(runs: Sequence[Contents]) -> str:
    """Return what the pictures are, and which of them were left out."""
    words = "Each grid shows what G makes of the same random numbers z, so one can watch the same pictures grow."
    left_out = sum(run.grids_found - len(run.grids) for run in runs)
    if left_out:
        found = sum(run.grids_found for run in runs)
        words += (
            f" To keep this page small, {left_out:,} of {found:,} grids are left out: those shown lie evenly on a "
            "logarithmic scale of steps."
        )
    pictures = [picture for run in runs for picture in [*run.grids.values(), *([run.real] if run.real else [])]]
    return words + (" Large grids are shown smaller than they are." if any(each.reduced for each in pictures) else "")


def _strip(number: int, run: Contents, several: bool) -> Markup:
    """Return the card of a run with all its grids, the newest first."""
    newest = max(run.grids)
    grids = [
        tag(
            "figure",
            _img(picture, f"pictures by G after step {step:,}"),
            tag("figcaption", f"step {step:,}"),
            data_step=step,
        )
        for step, picture in sorted(run.grids.items(), reverse=True)
    ]
    head = tag("span", class_=f"swatch {colour(number)}", aria_hidden="true") if several else None
    title = tag("h3", head, run.name if several else "By G")
    label = f"sample grids of {run.name}, up to step {newest:,}"
    return tag(
        "div", title, tag("div", grids, class_="strip", tabindex=0, role="group", aria_label=label), class_="card"
    )


def _real(runs: Sequence[Contents]) -> list[Markup]:
    """Return a card for each different grid of real pictures, with the runs that it belongs to where they differ."""
    users: dict[str, list[Contents]] = {}
    for run in runs:
        if run.real:
            users.setdefault(run.real.uri, []).append(run)
    cards = []
    for those in users.values():
        title = "Real pictures" + (f" of {', '.join(run.name for run in those)}" if len(users) > 1 else "")
        picture = those[0].real
        if picture:
            cards.append(tag("div", tag("h3", title), tag("figure", _img(picture, title)), class_="card"))
    return cards


def _img(picture: Picture, words: str) -> Markup:
    small = "small" if picture.width < SMALL else None
    return tag("img", src=picture.uri, width=picture.width, height=picture.height, alt=words, class_=small)
