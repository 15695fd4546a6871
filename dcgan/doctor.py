"""Say what is wrong with a run and what may help: python -m dcgan.doctor RUN"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dcgan import cli

if TYPE_CHECKING:
    from dcgan.run.advice import Finding

FOUND = 3  # the exit status where something was found; 1 and 2 are those of a command that failed
EXAMPLES = """\
examples:
  python -m dcgan.doctor runs/0003-dcgan64
  python -m dcgan.doctor runs/0003-dcgan64 --data photos/
                                               where the data has moved since
  python -m dcgan.doctor runs/0003-dcgan64 --json

The exit status is 0 for a healthy run and 3 where something was found. The run
may be training meanwhile.
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    from dcgan.doctoring import examine  # not above: --help loads no networks
    from dcgan.doctoring.evidence import Evidence
    from dcgan.run.folder import RunDir
    from gpunet import backend

    evidence = Evidence(RunDir(given.run), given.data)
    with backend.use("reference"):  # a few passes: nothing is compiled for them
        found = examine(evidence)
    print(as_json(evidence, found) if given.json else as_text(evidence, found))
    return FOUND if found else 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(prog="python -m dcgan.doctor", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--data", metavar="PATH", help="the run's pictures, where they are not at the path it knows")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


def as_text(evidence: Any, found: Sequence[Finding]) -> str:
    """Return what the doctor says, for people."""
    count = f"{len(found)} finding{'s' * (len(found) != 1)}" if found else "nothing to report"
    lines = [f"{evidence.run.path}, step {evidence.step:,}: {count}"]
    for finding in found:
        lines += ["", f"{finding.name}: {finding.what}", f"  what may help: {finding.advice}"]
    if evidence.missing:
        lines += ["", "not looked at:", *(f"  {part}: {why}" for part, why in evidence.missing.items())]
    return "\n".join(lines)


def as_json(evidence: Any, found: Sequence[Finding]) -> str:
    """Return the same as JSON: run, step, findings with their numbers, and what was not looked at."""
    findings: list[Mapping[str, Any]] = [finding._asdict() for finding in found]
    whole = {"run": str(evidence.run.path), "step": evidence.step, "findings": findings}
    return json.dumps(whole | {"not_looked_at": evidence.missing}, indent=2)


if __name__ == "__main__":
    sys.exit(main())
