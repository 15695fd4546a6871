"""Turn the JSON file of a benchmark into a table, printed or written into a page.

    python -m benchmarks.table step.json                       for a terminal
    python -m benchmarks.table step.json ops.json --markdown   for a page
    python -m benchmarks.table step.json --write README.md     into the section "How fast" of that page

The section stands between two comments. A page without these comments gets them before "## Checking it yourself".
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure.report import HEAD, cells, ms
from benchmarks.measure.text_table import table, write_between
from gpunet.files import write_atomically

NAME = "how fast"
BEFORE = "## Checking it yourself"
PEAKS = {"sgemm_gflops": "GFLOP/s of sgemm", "fma_gflops": "GFLOP/s of FMA", "memory_gbs": "GB/s of memory"}


def text_of(found: dict[str, Any], markdown: bool) -> str:
    """Return the tables of rows, processes and generation, then machine, versions and command."""
    peak = found["machine"].get("sgemm_gflops")
    head, rows = list(HEAD), [cells(row) for row in found["rows"]]
    if peak and all("gflop" in row for row in found["rows"]):
        head += ["share of sgemm, ours", "rival's"]
        rows = [line + shares(row, peak) for line, row in zip(rows, found["rows"], strict=True)]
    if any("accuracy" in row for row in found["rows"]):
        head += ["rms error, ours", "PyTorch's"]
        rows = [line + accuracy(row) for line, row in zip(rows, found["rows"], strict=True)]
    parts = [table(head, rows, markdown)]
    if found.get("processes"):
        body = [[name, f"{v['start_up']:.1f}", f"{v['peak_mb']:.0f}"] for name, v in found["processes"].items()]
        title = [found["rows"][0]["workload"], "seconds to the end of the first step", "peak memory, MB"]
        parts.append(table(title, body, markdown))
    if found.get("generation"):
        drawn = found["generation"]
        body = [[name, ms(value)] for name, value in drawn["seconds"].items()]
        parts.append(table([f"{drawn['count']:,} pictures", "seconds"], body, markdown))
    return "\n\n".join([*parts, where(found)])


def shares(row: dict[str, Any], peak: float) -> list[str]:
    """Return the share of the peak that each side reached.

    FLOPs are those of direct convolutions; Winograd does fewer, so its share may exceed 100 %.
    """
    return [f"{row[side] / peak:.0%}" if side in row else "" for side in ("ours_gflops", "best_gflops")]


def accuracy(row: dict[str, Any]) -> list[str]:
    """Return the relative root mean square errors of both sides against float64."""
    return [f"{row['accuracy'][side]:.1e}" if "accuracy" in row else "" for side in ("ours", "torch")]


def where(found: dict[str, Any]) -> str:
    """Return machine, versions and command in three sentences."""
    m = found["machine"]
    name = m.get("gpu") or f"{m['cpu']}, {m['cores']} cores, {m['threads']} threads on either side"
    peaks = "".join(f", {m[key]:.0f} {unit}" for key, unit in PEAKS.items() if key in m)
    versions = ", ".join(f"{package} {version}" for package, version in found["versions"].items())
    return (
        "Medians in milliseconds and spread (least-most); ratio: ours to the fastest rival (a way to run PyTorch, or "
        "jax), below 1 is faster.\n"
        f"Machine: {name}, {m['memory_gb']} GB, {m['system']}{peaks}. Versions: {versions}.\n"
        f"Command: `{found['command']}`."
    )


def write(page: Path, text: str) -> None:
    """Put the text between the page's two comments; add the section where the page has none."""
    content = page.read_text(encoding="utf-8")
    if f"<!-- {NAME} -->" not in content and BEFORE in content:
        section = f"## How fast\n\n<!-- {NAME} -->\n<!-- end of {NAME} -->\n\n{BEFORE}"
        write_atomically(page, content.replace(BEFORE, section, 1).encode())
    write_between(page, NAME, text)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 2 for a file that no benchmark wrote."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="file that --json of step or ops wrote")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write Markdown into this page instead")
    options = parser.parse_args(arguments)
    try:
        found = [json.loads(path.read_text(encoding="utf-8")) for path in options.files]
        text = "\n\n".join(text_of(each, options.markdown or options.write is not None) for each in found)
        if options.write:
            write(options.write, text)
    except (OSError, ValueError, KeyError) as error:
        print(f"benchmarks.table: {error!r}", file=sys.stderr)
        return 2
    if not options.write:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
