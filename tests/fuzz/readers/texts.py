"""Config files, TOML and JSON, and the words of a command line."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

from dcgan.cli import ELSEWHERE
from dcgan.config import Config, option_name
from tests.fuzz.changes import NUMBERS, as_json, damaged, some_text, some_value
from tests.fuzz.readers import pictures, runs
from tests.fuzz.task import Task

OPTIONS = {item.name: item for item in fields(Config)}
USUAL = [
    "64",
    "16",
    "5ep",
    "1,5,20ep",
    "1:1",
    "tanh",
    "dcgan64",
    "carpedm20-mnist",
    "cpu",
    "auto",
    "raw",
    "zsh",
    "direct",
    "constant",
    "32x32",
    "0.5",
]
PATHS = ("data", "out", "config", "resume", "run")


def as_toml(random: Random, value: Any) -> str:
    """Return a value as TOML, or what looks like it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict) or value is None:
        return random.choice(
            ("{}", "{a = 1}", "null", "", "2020-01-01", "07:32:00", "0x1F", "'''a\nb'''", "[[1], [2]]")
        )
    if isinstance(value, list):
        return f"[{', '.join(as_toml(random, item) for item in value)}]"
    return json.dumps(value, ensure_ascii=random.random() < 0.5)


def option_value(random: Random, name: str) -> Any:
    """Return an odd value for an option, or one that fits some option."""
    value = some_value(random) if random.random() < 0.6 else random.choice(USUAL)
    text = str(value)
    return "nowhere" if name in PATHS and ("/" in text or ".." in text) else value


def make_config(random: Random, place: Path) -> Task:
    """A file for --config: a few odd options as TOML, as JSON or as they are typed."""
    names = random.choices([*OPTIONS, some_text(random), "--flip", "batch-size"], k=random.randint(1, 4))
    pairs = [(name, option_value(random, name)) for name in names]
    if random.random() < 0.4:
        data = as_json(random, dict(pairs))
    else:
        join = random.choice((" = ", "=", " ", ": "))
        lines = [f"{name}{join if random.random() < 0.2 else ' = '}{as_toml(random, value)}" for name, value in pairs]
        lines += [
            random.choice(
                ("", "# text", "[table]", "[[tables]]", "a.b.c = 1", "x = " + "[" * 2000, '"" = 1', "= 1", "\0")
            )
        ]
        text = random.choice(("\n", "\n", "\r\n", "\r")).join(lines)
        data = text.encode(random.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")), "surrogatepass")
        data = damaged(random, data, 2) if random.random() < 0.3 else data
    (place / "a.toml").write_bytes(data)
    return Task(
        "train", ["--config", "a.toml", "--dry-run", *random.choice(([], ["--preset", "paper"], ["--steps", "3"]))]
    )


def word(random: Random, name: str) -> str:
    """Return an odd word for the value of an option; Python cannot turn whole numbers of 10^4300 into texts."""
    value = option_value(random, name)
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


COMMANDS = {
    "train": (["--dry-run"], [*OPTIONS, "config", "resume"]),
    "summary": ([], ["image_size", "channels", "width", "z_dim", "bias", "padding", "output", "bn_eps", "classes"]),
    "generate": (["run", "--out", "x.png"], ["mode", "count", "seed", "seeds", "label", "dimensions", "rows", "scale",
    "fps", "weights"]),
    "prepare": (["--data", "data", "--out", "x.h5", "--no-progress"],
    ["recipe", "image_size", "crop", "channels", "pattern", "labels", "train_size", "workers"]),
    "plot": (["nothing"], ["out"]),
    "runs": ([], ["run"]),
    "doctor": (["run"], ["data", "json"]),
    "compare": (["run", "run"], ["presets", "out", "steps"]),
    "__main__": ([], ["completion"]),
}  # fmt: skip


def unknown(random: Random) -> str:
    """Return an option that no command has, or that another program has."""
    return random.choice(("--" + some_text(random), *ELSEWHERE))


COUNTS = (
    "count",
    "rows",
    "seeds",
    "dimensions",
    "width",
    "z_dim",
    "image_size",
    "scale",
    "workers",
    "crop",
    "classes",
    "steps",
)


def make_options(random: Random, place: Path) -> Task:
    """A command with one to three options of odd values."""
    command = random.choice(("train", "train", *COMMANDS))
    arguments, names = COMMANDS[command]
    arguments = list(arguments)
    for name in random.choices(names, k=random.randint(1, 3)):
        value = word(random, name)
        if name in COUNTS and command != "train" and value.isdecimal() and int(value[:9]) > 64:
            value = str(random.choice((9, 10**9, *NUMBERS[20:24])))  # a thousand pictures are no mistake but take long
        flag = option_name(name) if name in OPTIONS or random.random() < 0.9 else unknown(random)
        arguments += (
            random.choice(([flag, value], [f"{flag}={value}"], [flag], [f"--no-{name}"]))
            if random.random() < 0.3
            else [flag, value]
        )
    if command in ("generate", "compare"):
        runs.write(runs.sound(place.parent / "base"), place / "run")
    if command == "prepare":
        (place / "data").mkdir()
        pictures.save_sound(place / "data/a.png")
    return Task(command, arguments)
