"""Shared by all command lines of the project: options from Config, and mistakes that end in one clear line."""

from __future__ import annotations

import argparse
import errno
import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NoReturn

from dcgan import signals, streams
from dcgan.config import GROUPS, option_name
from dcgan.errors import Collapsed, Failed, UserError
from dcgan.options import meant

Main = Callable[..., int]
MISTAKE, FAILURE = 2, 1  # exit statuses
INTERRUPTED = 130  # the exit status that shells report of a program that Ctrl-C ended
LONGEST = 1000  # letters of an error: it may quote a file or an argument of any length
# The system's errors for a path that cannot be right: such a path is a mistake, not a failure.
WRONG_PATH = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
# Our options by the names that other programs give them: pytorch/examples, carpedm20/DCGAN-tensorflow, StyleGAN.
ELSEWHERE = {
    "--ngf": "--width", "--ndf": "--width", "--nz": "--z-dim", "--niter": "--epochs", "--dataroot": "--data",
    "--dataset": "--data", "--outf": "--out", "--outdir": "--out", "--manualseed": "--seed", "--netg": "--resume",
    "--learning-rate": "--lr", "--imagesize": "--image-size", "--batchsize": "--batch-size", "--batch": "--batch-size",
    "--cuda": "--device", "--gpus": "--device", "--ngpu": "--device", "--nc": "--channels", "--mirror": "--flip",
    "--snap": "--checkpoint-every", "--cfg": "--preset", "--model": "--preset",
}  # fmt: skip
TOO_LARGE = ("Maximum allowed dimension exceeded", "array is too big", "Python int too large")  # NumPy's words


class Version(argparse.Action):
    """The option that prints the version."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print the version of the package and end the program."""
        from gpunet import __version__  # not above: --help loads no networks

        print(f"{parser.prog} {__version__}")
        parser.exit()


class Parser(argparse.ArgumentParser):
    """An argument parser that takes no abbreviations and raises UserError instead of printing its usage."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)
        gone = argparse.SUPPRESS  # keeps the option out of what is parsed
        self.add_argument("--version", action=Version, nargs=0, default=gone, help="show the version, and stop")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse empty arguments, as those of a shell variable that is not set, and those that no path may be."""
        words = list(sys.argv[1:] if args is None else args)
        for before, word in zip(["", *words], words, strict=False):
            option, sign, value = word.partition("=") if word.startswith("--") else (before, "=", word)
            if sign and not value:
                self.error(f"{option}: got '', expected a name or a path".removeprefix(": "))
            if "\0" in word:
                self.error("an argument holds a zero byte")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise the message as UserError, with what unknown arguments may have been meant as."""
        if message.startswith("unrecognized arguments: "):
            message += self._meant(message.split()[2])
        raise UserError(f"{message} (--help lists the options)")

    def _meant(self, word: str) -> str:
        """Return ": did you mean --lr?" for an unknown argument, "" where nothing is near."""
        options = self._option_string_actions
        if not word.startswith("-"):
            return f": did you mean --data {word}?" if "--data" in options and os.path.exists(word) else ""
        typed = "--" + word.lstrip("-").partition("=")[0].replace("_", "-").lower()
        if ELSEWHERE.get(typed) in options:
            return f": did you mean {ELSEWHERE[typed]}?"
        longer = [name for name in options if name.startswith(f"{typed}-")]  # --image for --image-size
        return f": did you mean {longer[0]}?" if len(longer) == 1 else meant(typed, options)


def add_options(parser: Any, *names: str) -> None:
    """Add options of Config, all or those named: to a Parser in its groups, to a group of a parser as they are.

    What is not given on the command line stays out of the namespace.
    """
    for title, options in GROUPS.items():
        shown = [item for item in fields(options) if not names or item.name in names]
        group = parser.add_argument_group(title) if shown and isinstance(parser, Parser) else parser
        for item in shown:
            _add_option(group, item.name, item.default, item.metadata)


def _add_option(group: Any, name: str, default: Any, metadata: Mapping[str, Any]) -> None:
    help = metadata["help"] + ("" if default is None or default is False else f" ({_written(default)})")
    if isinstance(default, bool):
        form: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
    else:
        form = {"metavar": metadata["metavar"]}
    if alone := getattr(metadata["kind"], "alone", ""):
        form |= {"nargs": "?", "const": alone}
    group.add_argument(option_name(name), default=argparse.SUPPRESS, help=help, **form)


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def guarded(main: Main) -> Main:
    """Turn mistakes of users into one line on stderr and exit status 2, failures of the machine into status 1."""

    @functools.wraps(main)
    def run(arguments: Sequence[str] | None = None) -> int:
        with streams.lenient(), signals.noted_interrupt() as interrupted:
            try:
                return main(arguments)
            except KeyboardInterrupt:
                return _interrupted()
            except Exception as error:
                if interrupted:  # a library, or a program that it started, has made another error of Ctrl-C
                    return _interrupted()
                found = verdict(error)
                if found is None:  # a bug of ours: its traceback helps
                    raise
                return report(*found)

    return run


def verdict(error: BaseException) -> tuple[str, int] | None:
    """Return the line that says an error, and the exit status; None for an error that is a bug of ours."""
    if isinstance(error, UserError):
        return str(error), MISTAKE
    failure = _failure(error)
    if failure is None:
        return None
    return failure, MISTAKE if getattr(error, "errno", None) in WRONG_PATH else getattr(error, "status", FAILURE)


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)
    return INTERRUPTED


def _failure(error: BaseException) -> str | None:
    """Return the line for a failure of the training, the memory or a disk; None for any other error."""
    from gpunet.checkpoint import CheckpointError  # not above: --help loads no networks
    from gpunet.kernels import BuildError

    if isinstance(error, Collapsed | CheckpointError | BuildError | Failed):
        return str(error)
    if isinstance(error, MemoryError) or str(error).startswith(TOO_LARGE):
        return f"out of memory ({error}): try a smaller --batch-size, --width, --z-dim, --samples or --image-size"
    if isinstance(error, OSError):
        return f"{_shown(error.filename) or 'input or output'}: {error.strerror or error}"
    return None


def _shown(name: Any) -> str:
    """Return a file name as text; the system may give it as bytes, or as the number of an open file."""
    return os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""


def report(message: str, status: int) -> int:
    """Say an error in one line; return the exit status."""
    print(f"error: {streams.shortened(streams.one_line(message), LONGEST)}", file=sys.stderr)
    return status


def _written(default: Any) -> str:
    """Return a default as one would type it; "on" for a flag."""
    if default is True:
        return "on"
    if isinstance(default, tuple):
        return "64" if default == (64, 64) else ":".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)
