"""Pictures shared out among ranks: the same files and numbers as one process, whatever the number of ranks."""

from __future__ import annotations

import json
import uuid

import numpy as np
import pytest
from PIL import Image

from dcgan import measure, sampling_ranks
from dcgan.data.storage.cache import cache_folder
from dcgan.sampling import BATCH
from gpunet.distributed import ALONE, Ranks
from mpirun import mpirun, needs_mpi
from running import PLACE, TINY, run_generate, run_train, words, write_pictures

QUICK = {"DCGAN_QUICK": "1"}  # four steps of the classifier


class One(Ranks):
    """A rank of a group that is only counted."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 1, 10 * BATCH - 1])
def test_every_picture_has_one_rank_and_shares_begin_with_a_batch(count, size):
    parts = [sampling_ranks.share(count, One(rank, size)) for rank in range(size)]
    assert [i for part in parts for i in part] == list(range(count))
    assert all(part.start % BATCH == 0 or not part for part in parts)
    batches = [-(-len(part) // BATCH) for part in parts]
    assert max(batches) - min(batches) <= 1 and len(parts[0]) >= min(count, 1)


def test_the_example_of_the_page():
    parts = [sampling_ranks.share(1000, One(rank, 3)) for rank in range(3)]
    assert parts == [range(0, 384), range(384, 768), range(768, 1000)]


def test_alone_rows_are_what_they_were():
    rows = np.ones((3, 2))
    assert sampling_ranks.put_together(rows, 3, ALONE) is rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one step on 20 pictures; the commands that draw and measure change nothing in it but measure.json."""
    place = tmp_path_factory.mktemp("shares")
    given = [*TINY, "--steps 1 --data", write_pictures(place / "data"), "--out", place / "runs"]
    assert run_train(*given) == 0
    return place / "runs" / "0001-dcgan64"


@needs_mpi
def test_the_files_of_three_ranks_are_those_of_one_process(trained, tmp_path):
    count = 2 * BATCH + 5
    assert run_generate(trained, f"--count {count} --seed 3 --out", tmp_path / "one", *PLACE) == 0
    given = words((trained, f"--count {count} --seed 3 --out", tmp_path / "three", *PLACE))
    done = mpirun(3, "-m", "dcgan.generate", *given)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{count} pictures by {trained}: {tmp_path / 'three'}\n"
    one, three = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "three"))
    assert len(one) == count and one == three


@needs_mpi
@pytest.mark.parametrize("asked", ["--count 140", "--mode interpolation --rows 2 --count 3"])
def test_a_grid_of_two_ranks_is_that_of_one_process(trained, tmp_path, asked):
    assert run_generate(trained, f"{asked} --out", tmp_path / "one.png", *PLACE) == 0
    given = words((trained, f"{asked} --out", tmp_path / "two.png", *PLACE))
    done = mpirun(2, "-m", "dcgan.generate", *given)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@needs_mpi
def test_two_ranks_measure_the_numbers_of_one_process(trained, tmp_path):
    """The 300 made pictures lie in two shares, the 20 real ones in one: the second rank has no real pictures."""
    given = words((trained, "--count 300 --seeds 2", *PLACE))
    assert measure.main(given) == 0
    done = mpirun(2, "-m", "dcgan.measure", *given)
    assert done.returncode == 0, done.stderr
    one, two = json.loads((trained / "measure.json").read_text())
    assert one == two and one["result"]["frechet"]["mean"] > 0
    assert done.stdout.count("Frechet distance") == 1


@needs_mpi
def test_ranks_train_one_classifier_and_measure_by_it(trained, tmp_path):
    data = write_pictures(tmp_path / "new", 12)
    Image.fromarray(np.frombuffer(uuid.uuid4().bytes * 48, "uint8").reshape(16, 16, 3)).save(data / "new.png")
    before = set(cache_folder().glob("classifier-*.h5"))
    done = mpirun(2, "-m", "dcgan.measure", *words((trained, "--features classifier", *PLACE)), "--data", data, **QUICK)
    (kept,) = set(cache_folder().glob("classifier-*.h5")) - before
    kept.unlink()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("training a classifier") == 1
    found = json.loads((trained / "measure.json").read_text())[-1]
    assert found["features"]["name"] == "classifier" and found["count"] == 16


@needs_mpi
def test_a_folder_that_cannot_be_is_one_line(trained, tmp_path):
    (tmp_path / "file").write_text("no folder")
    done = mpirun(3, "-m", "dcgan.generate", *words((trained, "--count 300 --out", tmp_path / "file/made", *PLACE)))
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(errors) == 1 and str(tmp_path / "file") in errors[0]
