"""The doctor: looks at a finished or a running training, and says in words what is wrong and what may help.

`CHECKS` is the table of everything that is looked for. Each is a function from Evidence to a Finding or None.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dcgan.doctoring import data, networks, training
from dcgan.doctoring.evidence import Evidence
from dcgan.errors import UserError
from dcgan.run.advice import Finding

CHECKS: dict[str, Callable[[Evidence], Finding | None]] = {
    "not finite": training.not_finite,
    "rolled back": training.rolled_back,
    "D certain": partial(training.won, name="D certain"),
    "G certain": partial(training.won, name="G certain"),
    "scores apart": partial(training.won, name="scores apart"),
    "diversity": training.fallen,
    "one picture": training.never_diverse,
    "saturated": networks.saturated,
    "dead filters": networks.dead_filters,
    "borders": data.borders,
    "near-duplicates": data.duplicates,
    "copies": data.copies,
}


def examine(evidence: Evidence) -> list[Finding]:
    """Return all findings about a run. A check that its files do not allow is noted in evidence.missing."""
    found = []
    for name, look in CHECKS.items():
        try:
            finding = look(evidence)
        except UserError as error:  # such as a checkpoint that does not fit the networks
            evidence.missing[f"check {name}"] = str(error)
            continue
        if finding:
            found.append(finding)
    return found
