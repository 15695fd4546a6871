"""The ways through z, by value, and the files that they are written to."""

import numpy as np
import pytest
from PIL import Image

from dcgan import images, latent_walks
from dcgan.errors import UserError


@pytest.mark.parametrize("z_dist, low, high", [("normal", -2, 2), ("uniform", -1, 1), ("unsigned", 0, 1)])
def test_a_sweep_moves_one_number_over_its_range(z_dist, low, high):
    z = np.array([0.1, 0.2, 0.3], "float32").reshape(1, 1, 3)
    zs = latent_walks.sweep(z, 1, 5, z_dist)
    assert zs.shape == (5, 1, 1, 3) and zs.dtype == np.float32
    np.testing.assert_array_equal(zs[:, 0, 0, 1], np.linspace(low, high, 5, dtype="float32"))
    assert (zs[..., [0, 2]] == z[..., [0, 2]]).all() and z[0, 0, 1] == np.float32(0.2)


def test_uniform_z_are_joined_by_a_line():
    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 1, 1, 7)).astype("float32")
    zs = latent_walks.interpolate(a, b, 5, "uniform")
    assert zs.dtype == np.float32 and (zs[0] == a).all() and (zs[4] == b).all()
    np.testing.assert_allclose(zs[1], 0.75 * a + 0.25 * b, atol=1e-6)


def test_normal_z_are_joined_along_a_sphere():
    """On the unit sphere: equal angles. The ends are as they were."""
    a, b = np.zeros((2, 1, 1, 3), "float32")
    a[..., 0], b[..., 1] = 1, 1
    zs = latent_walks.interpolate(a, b, 4, "normal")
    angle = np.pi / 6
    np.testing.assert_allclose(zs[1].ravel(), [np.cos(angle), np.sin(angle), 0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(zs, axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(zs[[0, 3]], [a, b], atol=1e-7)


@pytest.mark.parametrize("factor", [1, -1, 0, 2.5])
def test_z_in_one_line_are_joined_by_it(factor):
    a = np.random.default_rng(0).standard_normal((1, 1, 4)).astype("float32")
    zs = latent_walks.interpolate(a, a * np.float32(factor), 3, "normal")
    np.testing.assert_allclose(zs[1], a * (1 + factor) / 2, atol=1e-6)


def test_a_walk_goes_from_each_z_to_the_next():
    zs = np.random.default_rng(0).uniform(-1, 1, (4, 1, 1, 2)).astype("float32")
    way = latent_walks.walk(zs, 3, "uniform")
    assert way.shape == (9, 1, 1, 2)
    assert (way[[0, 3, 6]] == zs[:3]).all() and (way[[2, 5, 8]] == zs[1:]).all()


@pytest.mark.parametrize(
    "text, expected",
    [(None, [0, 1, 2, 3, 4]), ("0", [0]), ("3,1", [3, 1]), ("1-3", [1, 2, 3]), ("4, 0-1,0", [4, 0, 1]), ("2-2", [2])],
)
def test_dimensions(text, expected):
    assert latent_walks.dimensions(text, 5) == expected


@pytest.mark.parametrize("text", ["5", "-1", "3-1", "a", "", "1,", "1-", "0-5", "1.5", "0-" + "9" * 5000, "1-2-3"])
def test_dimensions_that_are_none(text):
    with pytest.raises(UserError, match="--dimensions: got .* expected numbers from 0 to 4, such as 0,5 or 0-9"):
        latent_walks.dimensions(text, 5)


def test_sweeps_share_forward_passes():
    """Each gets its own pictures, in order, whether several share a pass or one needs many."""
    z = np.zeros((1, 1, 6), "float32")
    for count, passes in (5, 1), (latent_walks.BATCH // 2, 2), (latent_walks.BATCH + 8, 3):
        calls = []

        def draw(zs, calls=calls):
            calls.append(len(zs))
            return zs.reshape(len(zs), 1, 2, 3)

        each = list(latent_walks.sweeps(draw, z, [4, 0, 2], count, "uniform"))
        for dimension, pictures in zip([4, 0, 2], each, strict=True):
            assert (pictures == latent_walks.sweep(z, dimension, count, "uniform").reshape(-1, 1, 2, 3)).all()
        assert sum(calls) == 3 * count and len(calls) == passes


def test_there_and_back():
    assert latent_walks.there_and_back([1, 2, 3, 4]) == [1, 2, 3, 4, 3, 2]
    assert latent_walks.there_and_back([1, 2]) == [1, 2]


def frames(path):
    with Image.open(path) as gif:
        for i in range(gif.n_frames):
            gif.seek(i)
            yield np.asarray(gif.convert("RGB")), gif.info["duration"], gif.info.get("loop")


@pytest.mark.parametrize("fps, duration", [(1, 1000), (10, 100), (30, 30), (50, 20)])
def test_a_grey_gif_is_exact(tmp_path, fps, duration):
    pictures = np.random.default_rng(0).integers(0, 256, (4, 9, 7, 1), dtype="uint8")
    images.save_gif(tmp_path / "a.gif", pictures, fps)
    found = list(frames(tmp_path / "a.gif"))
    assert len(found) == 4
    for picture, (pixels, shown, loop) in zip(pictures, found, strict=True):
        assert (pixels == picture).all() and shown == duration and loop == 0


def test_a_colour_gif_has_256_colours_a_picture(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype="uint8")  # 64 colours each
    images.save_gif(tmp_path / "a.gif", pictures, 10)
    for picture, (pixels, *_) in zip(pictures, frames(tmp_path / "a.gif"), strict=True):
        np.testing.assert_array_equal(pixels, picture)
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]  # nothing temporary is left


def test_a_grid_of_so_many_columns():
    pictures = np.arange(6, dtype="uint8").reshape(6, 1, 1, 1).repeat(2, 1).repeat(2, 2)
    sheet = images.grid(pictures, columns=3)
    assert sheet.shape == (2 + 2 * 4, 2 + 3 * 4, 1)
    assert sheet[6, 10, 0] == 5 and sheet[2, 10, 0] == 2


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 3)), np.zeros((4, 4, 2), "uint8"), np.zeros((4, 4), "uint8")])
def test_what_is_no_picture(tmp_path, wrong):
    with pytest.raises(ValueError, match="expected uint8"):
        images.save_gif(tmp_path / "a.gif", [wrong], 10)
    assert not (tmp_path / "a.gif").exists()
