"""Task: what is done with an input, and Reader: where the inputs of one kind come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any


@dataclass
class Task:
    """A command of the project with its arguments, such as ("train", ["--config", "a.toml", "--dry-run"]).

    command    "open": open_source(arguments[0], **options), then every image is read; "store": the file of a growing
               source is opened; or a module of the package dcgan
    arguments  what is typed behind it
    options    keyword arguments of open_source
    sound      whether the last image of an opened source is that of readers/pictures.py, whatever lies beside it
    """

    command: str
    arguments: list[str]
    options: dict[str, Any] = field(default_factory=dict)
    sound: bool = False


# make(random, place) writes an input into the empty folder `place`, which is also the working folder.
Make = Callable[[Random, Path], Task]


@dataclass(frozen=True)
class Reader:
    """A kind of input: how it is made, and how many of a thousand cases are of this kind."""

    make: Make
    share: int
    needs: str = ""  # a package without which it is left out
