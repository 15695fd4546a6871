"""--real-grids, a setting of mydcgan: beside every sample grid one of the real pictures of that step."""

import itertools

import numpy as np
import pytest
from PIL import Image

from dcgan import images
from dcgan.data import ArraySource
from dcgan.data.loader import batches
from dcgan.presets import PRESETS, config_of
from dcgan.run.folder import RunDir
from dcgan.trainer import Trainer

SMALL = {"width": 2, "image_size": 16, "channels": 3, "z_dim": 3, "batch_size": 4, "implementation": "reference"}


def trained(tmp_path, **options):
    """The files in samples/, in order, and the source, of a run of five steps on eleven pictures."""
    config = config_of({**SMALL, "steps": 5, "sample_every": 2, "checkpoint_every": 99, **options})
    source = ArraySource(np.random.default_rng(0).integers(0, 256, (11, 16, 16, 3), dtype="uint8"), "", "")
    Trainer(config, source, "cpu").train(run := RunDir.create(tmp_path, "x"), progress=False)
    return sorted(run.samples.iterdir()), source


@pytest.mark.parametrize("samples", [3, 64], ids=["fewer than a batch", "more than a batch"])
def test_mydcgan_shows_the_pictures_of_the_step(tmp_path, samples):
    files, source = trained(tmp_path, preset="mydcgan", samples=samples)
    steps = (1, 2, 4, 5)
    assert [path.name for path in files] == [
        *(f"{step:06d}{end}.png" for step in steps for end in ("-real", "")), "real.png"
    ]  # fmt: skip
    each = list(itertools.islice(batches(source, 4, 0, (0, 0)), 5))
    for step, path in zip(steps, files[::2], strict=False):
        with Image.open(path) as image:
            assert (np.asarray(image) == images.grid(each[step - 1].images[:samples])).all()


def test_the_other_presets_show_them_when_asked(tmp_path):
    assert [name for name in PRESETS if config_of({"preset": name}).real_grids] == ["mydcgan"]
    assert len(trained(tmp_path)[0]) == 5
    assert len(trained(tmp_path, real_grids=True)[0]) == 9
    assert len(trained(tmp_path, preset="mydcgan", real_grids=False)[0]) == 5
