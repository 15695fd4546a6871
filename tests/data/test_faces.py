"""The built-in drawn faces: the same for ever by seed, all different, and faces."""

import numpy as np
import pytest

from dcgan.data import open_source
from dcgan.data.faces.source import FacesSource, draw_face

SIZE = (64, 64)


@pytest.fixture(scope="module")
def faces():
    return np.stack([draw_face(0, number, SIZE) for number in range(150)])


def test_a_face_depends_on_seed_number_and_size_alone(faces):
    order = [7, 3, 149, 7]
    again = FacesSource(SIZE, seed=0).batch(order)
    assert (again == faces[order]).all()
    assert not (draw_face(1, 7, SIZE) == faces[7]).all()


def test_no_two_are_alike(faces):
    flat = faces.reshape(len(faces), -1).astype(np.float32)
    squares = (flat**2).sum(1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * flat @ flat.T, 0) / flat.shape[1])
    nearest = (distance + 1e9 * np.eye(len(faces))).min(1)
    assert nearest.min() > 8  # grey levels, root mean square over all pixels
    assert faces.std(axis=0).mean() > 40


def test_the_mean_face_has_eyes_cheeks_and_a_mouth(faces):
    brightness = faces.mean(axis=(0, 3))

    def around(y, x, reach=2):
        return brightness[y - reach : y + reach + 1, x - reach : x + reach + 1].mean()

    eyes = (around(31, 25) + around(31, 39)) / 2
    cheeks = (around(38, 23) + around(38, 41)) / 2
    assert eyes < cheeks - 15
    change = abs(np.diff(faces.astype(int), axis=1)).mean(axis=(0, 3))  # from row to row
    assert change[41:47, 28:36].mean() > 2 * change[36:40, 20:25].mean()  # lips, against the smooth cheek


def test_both_lights_both_turns_and_every_hair_occur():
    from dcgan.data.faces.traits import HAIR_STYLES, draw_traits

    traits = [draw_traits(0, number) for number in range(400)]
    assert {t.hair_style for t in traits} == set(HAIR_STYLES)
    for name, kinds in (("glasses", 4), ("beard", 5), ("collar", 4), ("mouth", 5), ("hat", 3)):
        assert len({getattr(t, name) for t in traits}) == kinds, name
    for name in ("yaw", "light", "tilt", "gaze"):
        values = np.array([getattr(t, name) for t in traits])
        assert abs(values.mean()) < 0.2 * abs(values).max(), name
    assert len({t.skin for t in traits}) > 300


@pytest.mark.parametrize(
    "size", [(28, 28), (32, 32), (96, 96), (128, 128), (48, 80), (80, 48), (5, 3), (1, 1), (16, 200)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size(size, channels):
    images = open_source(None, size, channels=channels, seed=3).batch(np.arange(3))
    assert images.shape == (3, *size, channels) and images.dtype == np.uint8
    if min(size) > 20:
        assert images.std() > 25


def test_grey_faces_are_the_colour_faces_brightness(faces):
    grey = draw_face(0, 4, SIZE, channels=1)[..., 0]
    assert abs(grey - faces[4] @ [0.299, 0.587, 0.114]).max() <= 1


def test_faces_are_drawn_when_asked_for_and_kept(monkeypatch):
    from dcgan.data.faces import source as module

    drawn = []
    draw = module.draw_face
    monkeypatch.setattr(
        module, "draw_face", lambda seed, number, *rest: (drawn.append(number), draw(seed, number, *rest))[1]
    )
    source = FacesSource((16, 16))
    assert len(source) == 8192 and drawn == []
    first = source.batch([5, 6])
    first[:] = 0
    assert source.batch([6, 5]).any() and drawn == [5, 6]
    tight = FacesSource((16, 16), memory_limit=1000)
    assert (tight.batch([5, 6]) == source.batch([5, 6])).all()
    assert tight.description == source.description == "8,192 images 16x16x3 from built-in drawn faces, seed 0"
