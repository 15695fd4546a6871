"""`python -m gpunet.gradcheck`: the table of all layers with the error of each gradient; exit status 1 on failure."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gpunet import backend
from gpunet.backend.choices import ALGORITHMS, IMPLEMENTATIONS
from gpunet.backend.devices import DEVICES
from gpunet.gradcheck import LIMIT
from gpunet.gradcheck.cases import CASES, Case, check_case

CONVOLUTIONS = tuple(name for name in ALGORITHMS if name != "wgmma")  # float64, which is checked, never takes it


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of all layers; return 1 if any error is above the limit."""
    parser = argparse.ArgumentParser(prog="python -m gpunet.gradcheck", description="Check every layer's gradients.")
    for name, words, default, help in (
        ("device", DEVICES, "cpu", "where to compute"),
        ("implementation", IMPLEMENTATIONS, None, "code that computes; without it, what the device runs by itself"),
        ("conv", CONVOLUTIONS, "auto", "form and product of convolutions"),
    ):
        said = f"{help}: {', '.join(words)}" + (f" ({default})" if default else "")
        parser.add_argument(f"--{name}", choices=words, default=default, metavar="NAME", help=said)
    options = parser.parse_args(arguments)
    implementation = options.implementation or backend.implementation(options.device)
    with backend.use(implementation), backend.use_conv(options.conv):
        print(f"error against central differences, {options.device} {implementation}, limit {LIMIT:.0e}")
        worst = max(_print_row(case, options.device) for case in CASES)
    print(f"{'passed' if worst < LIMIT else 'FAILED'}: worst error {worst:.1e}")
    return 0 if worst < LIMIT else 1


def _print_row(case: Case, device: str) -> float:
    errors = check_case(case, device, directions=0 if device == "cpu" else 2)
    columns = "  ".join(f"{name} {error:.1e}" for name, error in errors.items())
    worst = max(errors.values())
    print(f"{'ok  ' if worst < LIMIT else 'FAIL'}  {case.name:28}  {columns}", flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main())
