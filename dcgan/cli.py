"""Shared by all command lines of the project: options from Config, and mistakes that end in one clear line."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NoReturn

from dcgan.config import Config, option_name
from dcgan.errors import Diverged, UserError

Main = Callable[..., int]
MISTAKE, FAILURE = 2, 1  # exit statuses
INTERRUPTED = 130  # the exit status that shells report of a program that Ctrl-C ended


class Parser(argparse.ArgumentParser):
    """An argument parser that takes no abbreviations and raises UserError instead of printing its usage."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise the message as UserError."""
        raise UserError(f"{message} (--help lists the options)")


def add_options(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add options of Config, all or those named; what is not given on the command line stays out of the namespace."""
    for item in fields(Config):
        if names and item.name not in names:
            continue
        name, kind = option_name(item.name), item.metadata
        help = kind["help"] + ("" if item.default is None or item.default is False else f" ({_written(item.default)})")
        if isinstance(item.default, bool):
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=help)
        else:
            parser.add_argument(name, default=argparse.SUPPRESS, metavar=kind["metavar"], help=help)


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def guarded(main: Main) -> Main:
    """Turn mistakes of users into one line on stderr and exit status 2, failures of the machine into status 1."""

    @functools.wraps(main)
    def run(arguments: Sequence[str] | None = None) -> int:
        try:
            return main(arguments)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        except UserError as error:
            return _report(str(error), MISTAKE)
        except Exception as error:
            failure = _failure(error)
            if failure is None:  # a bug of ours: its traceback helps
                raise
            return _report(failure, FAILURE)

    return run


def _failure(error: Exception) -> str | None:
    """Return the line for a failure of the training, the memory or a disk; None for any other error."""
    from gpunet.checkpoint import CheckpointError  # not above: --help loads no networks

    if isinstance(error, Diverged | CheckpointError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory ({error}): try a smaller --batch-size, --width or --image-size"
    if isinstance(error, OSError):
        return f"{error.filename or 'input or output'}: {error.strerror or error}"
    return None


def _report(message: str, status: int) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return status


def _written(default: Any) -> str:
    """Return a default as one would type it; "on" for a flag."""
    if default is True:
        return "on"
    if isinstance(default, tuple):
        return "64" if default == (64, 64) else ":".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)
