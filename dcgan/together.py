"""What several ranks do together: compare options, agree about errors and signals, take rank 0's state.

An error of one rank is an error of all. Where ranks meet anyway, between two steps and between two stages of the start,
they agree on it: all raise it, and dcgan/launch.py ends all of them in the same way. A process alone goes through the
same functions, which then do nothing but call what they are given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dcgan import cli
from dcgan.data.source import Source
from dcgan.errors import Collapsed, Diverged, Failed, UserError
from gpunet import __version__, distributed
from gpunet.distributed import Ranks

KINDS: dict[str, type[Exception]] = {kind.__name__: kind for kind in (UserError, Collapsed, Diverged)}


class Agreement:
    """Keeps an error of this rank until the ranks meet. Alone nothing is kept: errors are raised where they are."""

    def __init__(self) -> None:
        self.group = distributed.ranks()
        self.error: Exception | None = None

    def attempt(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return function(*args); None after an error that a line can say, which is kept for `settle`."""
        if self.group.size == 1 or self.error:
            return None if self.error else function(*args)
        try:
            return function(*args)
        except Exception as error:
            if cli.verdict(error) is None:
                raise  # a bug of ours
            self.error = error
            return None

    def settle(self, stop: bool = False) -> bool:
        """Return whether any rank wants to stop; raise the error that any rank has kept. All ranks call it."""
        if self.group.size == 1:
            return stop
        flags = np.array([stop, self.error is not None], "int64")
        self.group.sum(flags)
        if flags[1]:
            raise self._agreed()
        return bool(flags[0])

    def _agreed(self) -> Exception:
        """Return the error of the first rank that has one, at all ranks."""
        told = self.group.gather(None if self.error is None else _described(self.error))
        first = None
        if told is not None:
            rank, first = next((i, each) for i, each in enumerate(told) if each)
            alike = all(each and each["text"] == first["text"] for each in told)
            if rank and not alike:
                first = first | {"text": f"rank {rank}: {first['text']}"}
        error, self.error = _restored(self.group.tell(first)), None
        vars(error)["agreed"] = True  # all ranks raise it: nobody has to be killed
        return error


class Skipped:
    """The files that could not be read, by whichever rank: each reads other ones, perhaps from a disk of its own."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.others: dict[str, str] = {}  # of rank 0: the reasons of the other ranks, by the names of the files

    def gather(self) -> None:
        """Tell rank 0 what the others could not read so far. All ranks call it."""
        group = distributed.ranks()
        if group.size > 1:
            for rank, told in enumerate(group.gather(self.source.skipped) or []):
                for name, reason in told if rank else []:
                    self.others.setdefault(name, f"{reason} (rank {rank})")

    def all(self) -> list[tuple[str, str]]:
        """Return (name, reason) of each file: what this process could not read, then what others have told."""
        mine = self.source.skipped
        others = self.others.keys() - {name for name, _ in mine}
        return [*mine, *((name, self.others[name]) for name in sorted(others))]


def _described(error: Exception) -> dict[str, Any]:
    found = cli.verdict(error)
    assert found
    steps = {name: int(getattr(error, name, 0)) for name in ("step", "good_step")}
    return {"kind": type(error).__name__, "text": found[0], "status": found[1], **steps}


def _restored(told: dict[str, Any]) -> Exception:
    kind = KINDS.get(told["kind"])
    if kind is None:
        return Failed(told["text"], told["status"])
    return kind(told["text"], told["step"], told["good_step"]) if issubclass(kind, Collapsed) else kind(told["text"])


def everywhere(function: Callable[..., Any], *args: Any) -> Any:
    """Return function(*args), called by all ranks; an error of any of them is raised by all."""
    agreement = Agreement()
    value = agreement.attempt(function, *args)
    agreement.settle()
    return value


def on_first(function: Callable[..., Any], *args: Any) -> Any:
    """Return function(*args) at rank 0, which alone calls it, None at all others; they wait. Errors are for all."""
    return everywhere(alone if is_first() else _nothing, function, *args)


def alone(function: Callable[..., Any], *args: Any) -> Any:
    """Return function(*args), which finds no other ranks: a network that it trains, say, sends no gradients."""
    with distributed.among(distributed.ALONE):
        return function(*args)


def by_turns(function: Callable[..., Any], *args: Any) -> Any:
    """Return function(*args), called by one rank of each machine first, which leaves caches for the others."""
    leads = distributed.ranks().local_rank == 0
    value = everywhere(function if leads else _nothing, *args)
    later = everywhere(_nothing if leads else function, *args)
    return value if leads else later


def require_same(values: Mapping[str, Any]) -> None:
    """Raise UserError, at all ranks, where one has other values than rank 0, or another version of the program.

    values: what JSON can hold, by the names that a message calls them. All ranks call it.
    """
    group = distributed.ranks()
    if group.size > 1:
        mine = json.loads(json.dumps({"version": __version__, **values}))  # a tuple comes back as a list
        everywhere(_require_same, mine, group.tell(mine))


def _require_same(mine: Mapping[str, Any], first: Mapping[str, Any]) -> None:
    """Raise UserError, which lists the values that are not those of rank 0."""
    names = [name for name in {**first, **mine} if mine.get(name) != first.get(name)]
    if names:
        told = ((name, _told(mine.get(name)), _told(first.get(name))) for name in names)
        raise UserError("; ".join(f"{name}: {own}, rank 0 has {other}" for name, own, other in told))


def _told(value: Any) -> Any:
    return "none" if value is None else value


def is_first() -> bool:
    """Return whether this is rank 0, which writes all files and says what is to be said; so is a process alone."""
    return distributed.ranks().rank == 0


def start_words() -> str:
    """Return what stands in front of a command that runs on as many ranks: "mpirun -n 4 ", or ""."""
    size = distributed.ranks().size
    return f"mpirun -n {size} " if size > 1 else ""


def _nothing(*_: Any) -> None:
    """Do nothing."""


def spread(tree: Any) -> Any:
    """Return rank 0's tree of dictionaries, arrays and what JSON holds, at all ranks; trees of others do not count."""
    group, arrays = distributed.ranks(), list[np.ndarray]()
    if group.size == 1:
        return tree
    plan = group.tell(_without_arrays(tree, arrays) if group.rank == 0 else None)
    return _with_arrays(plan, group, iter(arrays))


def _without_arrays(tree: Any, arrays: list[np.ndarray]) -> Any:
    """Return a tree in which each array is its dtype and shape; append the arrays in their order."""
    if isinstance(tree, dict):
        return {name: _without_arrays(value, arrays) for name, value in tree.items()}
    if isinstance(tree, np.ndarray):
        arrays.append(tree)
        return {"dtype of an array": tree.dtype.str, "shape": tree.shape}
    return tree.item() if isinstance(tree, np.generic) else tree


def _with_arrays(plan: Any, group: Ranks, arrays: Iterator[np.ndarray]) -> Any:
    if not isinstance(plan, dict):
        return plan
    if "dtype of an array" not in plan:
        return {name: _with_arrays(value, group, arrays) for name, value in plan.items()}
    array = np.empty(plan["shape"], plan["dtype of an array"])
    if group.rank == 0:
        array[...] = next(arrays)
    group.broadcast(array.reshape(-1).view(np.uint8))
    return array
