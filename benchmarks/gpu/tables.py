"""The results as tables: what ran, what was wrong, the step beside its prediction, slow launches, fast plans."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.predictions import of_device
from benchmarks.measure.report import ms
from benchmarks.measure.text_table import table

SLOWEST = 15  # launches that are shown
STEP = ("workload", "precision", "replay ms", "whole ms", "host ms", "pictures/s", "limit ms", "kernels' bound",
        "predicted ms", "verified", "best rival", "its ms")  # fmt: skip


def report(found: dict[str, Any]) -> str:
    """Return the tables of a file of results."""
    sections = found["sections"]
    rows = [[name, s["status"], s["seconds"], s.get("error", "")] for name, s in sections.items()]
    parts = [table(["section", "status", "seconds", "error"], rows)]
    for part in (machine, ceilings, checks, steps, launches, plans, others):
        text = part(found, {name: section["results"] for name, section in sections.items()})
        parts += [text] if text else []
    if found["scale"] != 1:
        parts.append(f"scale {found['scale']}: the sizes are not those of the predictions, and the times say nothing")
    return "\n\n".join(parts)


def machine(found: dict[str, Any], results: dict[str, Any]) -> str:
    """Return the GPU and the versions in lines."""
    own = results.get("machine", {})
    if "machine" not in own:
        return ""
    versions = ", ".join(f"{name} {version}" for name, version in own["versions"].items())
    return f"GPU: {own['machine'].get('gpu')}; {own.get('libraries')}\n{versions}; commit {own.get('commit')}"


def ceilings(found: dict[str, Any], results: dict[str, Any]) -> str:
    """Return the measured ceilings."""
    own = results.get("ceilings", {})
    rows = [[f"{row['what']} {row['size']}", row["gbs"], "GB/s"] for row in own.get("memory", [])]
    rows += [[f"PyTorch's product, {row['precision']}", row["tflops"], "TFLOP/s"] for row in own.get("products", [])]
    units = {"graph_node_us": "us", "launch_ours_us": "us", "launch_cupy_us": "us", "to_device_gbs": "GB/s"}
    rows += [[name, own[name], unit] for name, unit in units.items() if name in own]
    return table(["ceiling", "", ""], rows) if rows else ""


def checks(found: dict[str, Any], results: dict[str, Any]) -> str:
    """Return what is wrong, or how many checks passed."""
    graph, sections = results.get("graph", {}), [results.get(name, {}) for name in ("correct", "wgmma")]
    rows = [row for own in sections for name in ("products", "others", "checks") for row in own.get(name, [])]
    wrong = [f"WRONG: {row}" for row in rows if not row["right"]]
    equal = [f"{'equal' if row['equal'] else 'NOT EQUAL'}: {row['what']}" for row in graph.get("equal", [])]
    head = [f"{len(rows) - len(wrong)} of {len(rows)} operations are right"] if rows else []
    more = [f"losses apart from the CPU's: {graph['apart_from_cpu']:.1e}"] if "apart_from_cpu" in graph else []
    return "\n".join([*head, *wrong, *equal, *more])


def steps(found: dict[str, Any], results: dict[str, Any]) -> str:
    """Return the training steps, each beside its limit, its prediction and the fastest rival."""
    device = results.get("machine", {}).get("machine", {}).get("gpu", "")
    rows = [row for name in ("step", "wgmma", "inductor") for row in results.get(name, {}).get("steps", [])]
    return table(STEP, [step(row, of_device(found["predictions"], device)) for row in rows]) if rows else ""


def step(row: dict[str, Any], expected: list[dict[str, Any]]) -> list[Any]:
    """Return the cells of one step."""
    precision = f"{row['precision']} {row['conv']}" if "conv" in row else row["precision"]
    if "failed" in row:
        return [row["workload"], precision, row["failed"], *[""] * (len(STEP) - 3)]
    wanted = row["workload"], row["precision"]
    own = [e for e in expected if (f"dcgan64-nf64-b{e['batch']}", e["precision"]) == wanted]
    names = "limit_ms", "kernels_ms", "predicted_ms"
    model = [ms(own[0][name]) if own and name in own[0] else "" for name in names]
    times = [ms(row[name]) for name in ("replay_ms", "whole_ms", "host_ms")]
    verified = {True: "yes", False: "NO", None: "no rival"}[row["verified"]]
    rival = [row["best"], ms(row["rivals"][row["best"]])] if "best" in row else ["", ""]
    return [row["workload"], precision, *times, round(row["pictures_per_second"]), *model, verified, *rival]


def launches(found: dict[str, Any], results: dict[str, Any]) -> str:
    """Return the slowest launches of a step."""
    parts = []
    for one in results.get("launches", {}).get("steps", []):
        slow = sorted(one["launches"], key=lambda row: -row["us"])[:SLOWEST]
        rows = [[row["number"], row["kernel"], row["us"], row["array_bytes"] / row["us"] / 1e3] for row in slow]
        title = f"{one['precision']}: {len(one['launches'])} launches, together {one['sum_us']:.0f} us; the slowest:"
        parts.append(title + "\n" + table(["number", "kernel", "us", "GB/s of its arrays"], rows))
    return "\n\n".join(parts)


def plans(found: dict[str, Any], results: dict[str, Any]) -> str:
    """Return the step's times by the blocks of a product, and the products whose fastest plan is not the usual one."""
    own = results.get("plans", {})
    steps = [[row["precision"], row["blocks"], row["us"]] for row in own.get("steps", [])]
    rows = [
        [row["precision"], row["name"], row["usual"], row["us"][row["usual"]], row["best"], row["us"][row["best"]]]
        for row in own.get("products", [])
        if row["best"] != row["usual"]
    ]
    parts = [table(["precision", "BLOCKS", "us of a step"], steps)] if steps else []
    head = ["precision", "product", "usual plan", "us", "fastest plan", "us"]
    return "\n\n".join([*parts, table(head, rows)] if rows else parts)


def others(found: dict[str, Any], results: dict[str, Any]) -> str:
    """Return the exit statuses of the programs that sections ran."""
    ran = [
        [section, name, value["status"], value["seconds"], value["log"]]
        for section, own in results.items()
        for name, value in ({"": own} | own).items()
        if isinstance(value, dict) and "log" in value
    ]
    skipped = [[section, "", own["skipped"], "", ""] for section, own in results.items() if "skipped" in own]
    return table(["section", "program", "status", "seconds", "log"], [*ran, *skipped]) if ran or skipped else ""
