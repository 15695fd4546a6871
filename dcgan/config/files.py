"""Options of the files that a run leaves in its folder; none of them changes its pictures."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.options import option


@dataclass(frozen=True)
class Files:
    """The options that --help shows as "files of the run"."""

    out: str = option("runs", options.text, "folder in which run folders are made", "DIR")
    samples: int = option(64, options.integer(1), "pictures in a sample grid")
    real_grids: bool = option(False, options.flag, "save a grid of the step's real pictures beside every sample grid")
    tensorboard: bool = option(False, options.flag, "write event files for TensorBoard: numbers, histograms, grids")
    sample_every: int | str = option(200, options.cadence, "steps or epochs (as in 5ep) between sample grids", "N|Nep")
    report_every: int | str | None = option(
        None,
        options.cadence,
        "steps or epochs between reports: RUN/report.html is written anew, a page that loads itself again",
        "N|Nep",
    )
    checkpoint_every: int | str = option(500, options.cadence, "steps or epochs between checkpoints", "N|Nep")
    measure_every: int | str | None = option(
        None,
        options.cadence,
        "steps or epochs between measurements (Frechet distance and more, docs/measure.md); the best stays as best.h5",
        "N|Nep",
    )
    measure_count: int = option(2000, options.integer(6), "pictures of either side in such a measurement")
    measure_features: str = option(
        "classifier",
        options.text,
        "features that it takes: classifier, a small one trained on the data first, or an .onnx file",
        "NAME",
    )
    keep: int = option(3, options.integer(1), "number of checkpoints that stay, the newest ones")
    checkpoint_minutes: float = option(
        1.0,
        options.number("[0, inf)"),
        "a checkpoint so many minutes after the start, if none was due by then; it goes with the next one; 0: none",
        "X",
    )
