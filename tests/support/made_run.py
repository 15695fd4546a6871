"""A small run folder made by hand, and the same with a hostile text wherever a run holds one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dcgan.config import Config

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;\u202e"


MEASURED = {
    "step": 6, "count": 2048, "data_is": "6 images", "features": {"name": "classifier", "sha256": "abc"},
    "warnings": ["few pictures"],
    "result": {"frechet": {"mean": 12.34, "low": 11.5, "high": 13.1, "each": [12.3]}, "recall": {"mean": 0.5}},
}  # fmt: skip


def make_run(folder: Path, steps: int = 6) -> Path:
    """Make the files of a run."""
    (folder / "samples").mkdir(parents=True)
    (folder / "config.json").write_text(Config(steps=steps).to_json())
    (folder / "run.json").write_text(
        json.dumps({"data": "6 images", "last_step": steps, "starts": [{"device": "cpu"}]})
    )
    lines = [
        {"step": i, "epoch": 1, "loss_d": 1 / i, "loss_g": i / 3, "d_real": 0.7, "d_fake": 0.2}
        for i in range(1, steps + 1)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "timing.jsonl").write_text('{"step": 3, "images_per_second": 250.5}\n')
    (folder / "measure.json").write_text(json.dumps([MEASURED]))
    for name in ("000001", f"{steps:06d}", "real"):
        Image.fromarray(np.full((8, 8, 3), 90, "uint8")).save(folder / f"samples/{name}.png")
    return folder


def change(path: Path, **values: Any) -> None:
    """Change values in a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def hostile(folder: Path) -> Path:
    """Put the hostile text wherever a run holds a text."""
    change(folder / "config.json", data=EVIL, pattern=EVIL, out=EVIL, preset=EVIL)
    start = {key: EVIL for key in ("command", "version", "commit", "device", "started")} | {
        "changed": [EVIL],
        EVIL: EVIL,
    }
    change(folder / "run.json", data=EVIL, classes=[EVIL], starts=[start | {"machine": {"cpu": EVIL, EVIL: EVIL}}])
    features, result = {"name": EVIL, "sha256": EVIL}, {EVIL: 1.5, "kid": EVIL}
    measured = {"step": EVIL, "data_is": EVIL, "warnings": [EVIL], "features": features, "result": result}
    (folder / "measure.json").write_text(json.dumps([measured, EVIL, 7, {"result": EVIL}, {"features": EVIL}]))
    (folder / "skipped.txt").write_text(f"{EVIL}\t{EVIL}\n{EVIL}\n")
    with open(folder / "log.jsonl", "a") as file:
        file.write(json.dumps({"step": 7, EVIL: 1.5, "</script>": 2.5}) + "\n")
    name = EVIL.replace("/", "\u2215")
    folder.rename(folder.with_name(name))
    return folder.with_name(name)
