"""A command line on several ranks: how they begin and how they end (gpunet.distributed).

Rank 0 says what is to be said; all others print nothing but errors. An error that all ranks have agreed on
(dcgan/together.py) rank 0 says, once, with the number of the rank where it was, and all end with its exit status. After
any other error the rest wait in the middle of a step; then the rank that has it says so, and has MPI end all.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from dcgan import cli, options, signals, streams
from dcgan.config import Config
from dcgan.errors import UserError

if TYPE_CHECKING:
    from gpunet.distributed import Place, Ranks

# Launchers put these names into the environment (gpunet/distributed/environment.py); without them nothing is imported.
HINTS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
UNWATCHED = "warning: this MPI library serves one thread only, so nothing notices a rank that hangs: end it by hand"
LATER = 2.0  # seconds that other ranks let rank 0 speak first, where all may have the same error
LAST_WORDS = 0.3  # seconds that a line takes to pass through mpirun before all is killed


def on_all_ranks(main: cli.Main) -> cli.Main:
    """Let a command line run on all ranks that mpirun or srun has started; without them it is `cli.guarded`.

    --ranks, which every such command line has, is looked at before the rest is parsed. Within main, the group is
    `gpunet.distributed.ranks()`.
    """

    @functools.wraps(main)
    def run(arguments: Sequence[str] | None = None) -> int:
        asked = _asked(sys.argv[1:] if arguments is None else arguments)
        place = _place() if asked != "none" and any(name in os.environ for name in HINTS) else None
        if place is None:
            return cli.guarded(functools.partial(_alone, main, asked))(arguments)
        try:
            _require(asked, place.size)
            group = _joined(place)
        except UserError as error:
            return cli.report(str(error), cli.MISTAKE) if place.rank == 0 else cli.MISTAKE
        with streams.lenient():
            return _run(main, arguments, group, sys.stderr)

    return run


def _asked(words: Sequence[str]) -> str:
    """Return what --ranks is given in a command line, "auto" where it is not there."""
    found = "auto"
    for word, after in itertools.pairwise([*words, ""]):
        found = after if word == "--ranks" else word.removeprefix("--ranks=") if word.startswith("--ranks=") else found
    return found


def _alone(main: cli.Main, asked: str, arguments: Sequence[str] | None) -> int:
    """Run the command line in this process alone."""
    _require(asked, 1)
    return main(arguments)


def _require(asked: str, size: int) -> None:
    """Raise UserError where --ranks is given another word, or another number than there are processes."""
    require_count(options.named("--ranks", Config.__dataclass_fields__["ranks"].metadata["kind"], asked), size)


def require_count(asked: str, size: int) -> None:
    """Raise UserError where --ranks names another number than there are processes."""
    if asked.isdecimal() and int(asked) != size:
        there = f"{size} processes were started" if size > 1 else "this process was started alone"
        raise UserError(f"--ranks: got {asked}, but {there}: start them by mpirun -n {asked} {_command()} ...")


def _command() -> str:
    """Return how this program was started, without its options: "python -m dcgan.train", or "dcgan-train"."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name.removesuffix('.__main__')}" if spec else os.path.basename(sys.argv[0])


def parsed(parser: cli.Parser, arguments: Sequence[str] | None) -> Namespace:
    """Return the options of a command line. Raises UserError, at all ranks, for a bad one, or where ranks differ.

    The path of a file of options may differ: ranks compare the options, once all are known (dcgan/session.py).
    """
    given: Namespace = everywhere(parser.parse_args, arguments)
    if _several():
        from dcgan import together

        names = {action.dest: str((*action.option_strings, action.metavar)[0]) for action in parser._actions}
        together.require_same({names[name]: value for name, value in vars(given).items() if name != "config"})
    return given


def everywhere(function: Callable[..., Any], *args: Any) -> Any:
    """Return function(*args) as `together.everywhere` does, which a process alone need not load."""
    if not _several():
        return function(*args)
    from dcgan import together

    return together.everywhere(function, *args)


def _several() -> bool:
    """Return whether there may be several ranks: a process alone has loaded nothing of them."""
    return "gpunet.distributed" in sys.modules


def _place() -> Place | None:
    from gpunet.distributed import find

    return find()


def _joined(place: Place) -> Ranks:
    """Return the group of the ranks that were started. Raises UserError."""
    if place.launcher == "torchrun":
        raise UserError(
            f"torchrun has started {place.size} processes, which have no MPI to find each other by: start them by "
            f"mpirun -n {place.size} {_command()} ..., or by srun; or give --ranks none, and each works on its own"
        )
    _share_cores(place)
    from gpunet.distributed.mpi import MpiError, join

    try:
        return join(place)
    except MpiError as error:
        raise UserError(str(error)) from error


def _share_cores(place: Place) -> None:
    """Let this rank compute on its part of the machine's cores, unless OMP_NUM_THREADS is set.

    Open MPI and Slurm may have tied each rank to cores of its own; then it takes all of those.
    """
    if "OMP_NUM_THREADS" in os.environ or not hasattr(os, "sched_getaffinity"):
        return
    mine, parts = len(os.sched_getaffinity(0)), place.local_size
    if place.launcher != "mpirun" and mine != os.cpu_count():
        parts = 1
    os.environ["OMP_NUM_THREADS"] = str(max(1, mine // parts))  # NumPy looks at it when it loads, in the next line
    from gpunet.kernels.loader.machine import cores  # knows the quota of a container, too

    os.environ["OMP_NUM_THREADS"] = str(max(1, min(mine, cores()) // parts))


def _run(main: cli.Main, arguments: Sequence[str] | None, group: Ranks, errors: TextIO) -> int:
    """Run the command line as one rank of a group; return the exit status, the same at all ranks."""

    from dcgan.heartbeat import Heartbeat
    from gpunet import distributed

    def tell(line: str) -> None:
        print(f"error: {line}", file=errors, flush=True)
        time.sleep(LAST_WORDS)

    with distributed.among(group), Heartbeat(group, tell) as heartbeat, _quiet(group.rank > 0):
        if not group.threads:
            print(UNWATCHED, file=sys.stderr)
        with signals.noted_interrupt() as interrupted:
            try:
                status = main(arguments)
            except SystemExit as error:  # of --help
                status = int(error.code or 0)
            except BaseException as error:
                if not getattr(error, "agreed", False):
                    heartbeat.hush()
                    _abort(distributed.ranks(), error, bool(interrupted), errors)
                found = cli.verdict(error)
                assert found
                status = found[1]
                if group.rank == 0:
                    tell(streams.shortened(streams.one_line(found[0]), cli.LONGEST))
        last = distributed.ranks()  # perhaps one by NCCL by now
        last.barrier()  # signs of life go on until all are here
    last.finish()
    return status


def _abort(group: Ranks, error: BaseException, interrupted: bool, errors: TextIO) -> NoReturn:
    """Say what has happened to this rank alone, and end all ranks: the others wait in the middle of something."""
    found = None if interrupted else cli.verdict(error)
    if group.rank:
        time.sleep(LATER)
    status = found[1] if found else cli.INTERRUPTED if interrupted else cli.FAILURE
    if found:
        print(f"error: rank {group.rank}: {streams.shortened(streams.one_line(found[0]), cli.LONGEST)}", file=errors)
    elif interrupted:
        print("interrupted", file=errors)
    else:
        text = "".join(traceback.format_exception(error))
        print(f"error: rank {group.rank}:\n{text}", file=errors)
    errors.flush()
    time.sleep(LAST_WORDS)
    group.abort(status)
    os._exit(status)


@contextlib.contextmanager
def _quiet(wanted: bool) -> Iterator[None]:
    """Within the block nothing is printed, if that is wanted."""
    if not wanted:
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield
