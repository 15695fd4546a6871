"""Event files for TensorBoard, written by tensorboardX into the run folder: tensorboard --logdir runs shows them.

Scalars are every number of log.jsonl, and the speed. At every sample grid come histograms of the step's z, of D(x) for
its real pictures and of D(G(z)) for the pictures of the grid, and as images the grid and one of the real pictures.
Writing events changes nothing: the run is bit for bit the one without them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dcgan import images
from dcgan.errors import UserError
from dcgan.losses import LOSSES, PROBABILITIES
from dcgan.run import log
from dcgan.sampling import judge, lowest

if TYPE_CHECKING:
    from dcgan.gan import GAN
    from dcgan.run.folder import RunDir

BINS = 50
Labelled = tuple[np.ndarray, np.ndarray | None]  # uint8 pictures (N, H, W, C) and their labels (N,), int32, if any


def require() -> Any:
    """Return the package that writes event files. Raises UserError where it is missing."""
    try:
        import tensorboardX
    except ImportError as error:
        raise UserError(
            f"--tensorboard needs tensorboardX ({error}): pip install 'gpunet[tensorboard]', or give --no-tensorboard"
        ) from error
    return tensorboardX


@contextlib.contextmanager
def opened(wanted: bool, run: RunDir | None, step: int) -> Iterator[Board | None]:
    """Open the event file of a run at a step for the block; give None if none is wanted, or there is no run."""
    if not wanted or run is None:
        yield None
        return
    board = Board(run.path, step, log.read(run.log) if run.log.exists() else [])
    try:
        yield board
    finally:
        board.close()


class Board:
    """An event file in a run folder. Of earlier files there, TensorBoard discards what they hold after `step`.

    records: the log up to that step, for a folder that has no event file yet.

    Each method ends when its events are on the disk. So a run that is killed loses at most the event that was just
    being written, which TensorBoard leaves out. (tensorboardX.SummaryWriter hands events to a thread instead; a kill
    would lose those that wait for it, the last second or two.)
    """

    def __init__(self, folder: Path, step: int, records: Sequence[Mapping[str, Any]] = ()) -> None:
        require()
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        number = len(list(folder.glob("events.out.tfevents.*")))
        # Files that begin in the same second need names of their own, which the number gives them.
        self.file = EventsWriter(str(folder / "events"), f".{number:03d}")
        if number:  # the start of a session takes back all from its step on
            self._write(step + 1, session_log=SessionLog(status=SessionLog.START))
        else:
            self.scalars(records)
        self.file.flush()

    def scalars(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write the numbers of records of the log, each at its step."""
        from tensorboardX.summary import scalar

        for record in records:
            for name, value in record.items():
                if name != "step":
                    self._write(record["step"], summary=scalar(name, value))
        self.file.flush()

    def pictures(self, step: int, samples: np.ndarray, real: np.ndarray) -> None:
        """Write G's pictures and real ones, uint8 (N, H, W, C), as a grid each."""
        from tensorboardX.summary import image

        for name, some in (("samples", samples), ("real", real)):
            self._write(step, summary=image(name, images.grid(some), dataformats="HWC"))
        self.file.flush()

    def histograms(self, step: int, gan: GAN, z: np.ndarray, real: Labelled, fake: Labelled) -> None:
        """Write how z, D(x) of real and D(G(z)) of G's pictures are distributed."""
        from tensorboardX.summary import histogram

        low, names = lowest(gan.G), LOSSES[gan.config.loss].names
        found = {"z": z}
        for name, (some, labels) in zip(names, (real, fake), strict=True):
            found[name] = judge(gan.D, some, low, labels, probabilities=names == PROBABILITIES)
        for name, values in found.items():
            finite = values[np.isfinite(values)]  # that a run diverges is said by the log
            if finite.size:
                self._write(step, summary=histogram(f"histogram/{name}", finite, BINS))
        self.file.flush()

    def _write(self, step: int, **content: Any) -> None:
        """Append an event: a summary (numbers or a picture) or the start of a session."""
        from tensorboardX.proto.event_pb2 import Event

        self.file.write_event(Event(wall_time=time.time(), step=step, **content))

    def close(self) -> None:
        """Close the file."""
        self.file.close()
