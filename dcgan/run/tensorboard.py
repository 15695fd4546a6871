"""Event files for TensorBoard, written by tensorboardX into the run folder: tensorboard --logdir runs shows them.

scalars: every number of log.jsonl, and the speed; at every sample grid histograms of the step's z, of D(x) for its real
pictures and of D(G(z)) for the pictures of the grid, and images: the grid, and one of the real pictures. Writing them
only reads: the run is bit for bit the one without them.
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
def opened(wanted: bool, run: RunDir, step: int) -> Iterator[Board | None]:
    """Give the board of a run at a step for the block, None if there shall be none."""
    if not wanted:
        yield None
        return
    board = Board(run.path, step, log.read(run.log) if run.log.exists() else [])
    try:
        yield board
    finally:
        board.close()


class Board:
    """One event file more in a folder, which goes on at a step: what others there hold behind it, it takes back.

    records: the log up to that step, for a folder that has no event file yet.
    """

    def __init__(self, folder: Path, step: int, records: Sequence[Mapping[str, Any]] = ()) -> None:
        require()
        from tensorboardX import summary
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2

        self.summary, self.proto = summary, event_pb2
        number = len(list(folder.glob("events.out.tfevents.*")))
        self.file = EventsWriter(str(folder / "events"), f".{number:03d}")  # also in the same second another name
        if number:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self.file.write_event(event_pb2.Event(wall_time=time.time(), step=step + 1, session_log=start))
        else:
            self.scalars(records)

    def scalars(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write the numbers of records of the log, each at its step."""
        for record in records:
            for name, value in record.items():
                if name != "step":
                    self._write(record["step"], self.summary.scalar(name, value))
        self.file.flush()

    def pictures(self, step: int, samples: np.ndarray, real: np.ndarray) -> None:
        """Write G's pictures and real ones, uint8 (N, H, W, C), as a grid each."""
        for name, some in (("samples", samples), ("real", real)):
            self._write(step, self.summary.image(name, images.grid(some), dataformats="HWC"))
        self.file.flush()

    def histograms(self, step: int, gan: GAN, z: np.ndarray, real: Labelled, fake: Labelled) -> None:
        """Write how z, D(x) of real and D(G(z)) of G's pictures are distributed."""
        low = lowest(gan.G)
        found = {"z": z}
        for name, (some, labels) in {"d_real": real, "d_fake": fake}.items():
            found[name] = judge(gan.D, some, low, labels)
        for name, values in found.items():
            finite = values[np.isfinite(values)]  # what diverges, the log says
            if finite.size:
                self._write(step, self.summary.histogram(f"histogram/{name}", finite, BINS))
        self.file.flush()

    def close(self) -> None:
        """Write the rest and close the file."""
        self.file.flush()
        self.file.close()

    def _write(self, step: int, summary: Any) -> None:
        self.file.write_event(self.proto.Event(wall_time=time.time(), step=step, summary=summary))
