"""The files of dcgan.generate: none of another model stays unseen, each says where it is from; sizes, seeds, labels.

Over 300 lines: every test takes a tiny run, draws from it, and looks at the files or at the refusal.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcgan import generate_options, images, picture_files, trained
from gpunet import checkpoint
from running import PLACE, TINY, run_generate, run_train, write_pictures


@pytest.fixture
def own(tiny, runs):
    """A run of one step that a test may change."""
    run_train(*tiny, "--steps 1")
    return runs / "0001-dcgan64"


@pytest.fixture
def labelled(tmp_path, runs):
    """A run of one step that knows the names of its two classes."""
    for name in ("cat", "dog"):
        (tmp_path / "pets").mkdir(exist_ok=True)
        write_pictures(tmp_path / "pets" / name, 8)
    given = ["--preset carpedm20-mnist --steps 1 --data", tmp_path / "pets", "--out", runs]
    assert run_train(*TINY, *given) == 0
    run = runs / "0001-carpedm20-mnist"
    return run


def made(run, *arguments):
    assert run_generate(run, *arguments, *PLACE) == 0


def refused(run, capsys, *arguments):
    """The one line that says why nothing was drawn."""
    capsys.readouterr()
    assert run_generate(run, *arguments, *PLACE) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def pixels(path):
    with Image.open(path) as image:
        return np.atleast_3d(image)


def texts(path):
    with Image.open(path) as image:
        return image.text


def test_other_pictures_are_not_mixed_with_new_ones(own, tmp_path, capsys):
    out = tmp_path / "made"
    made(own, "--count 4 --out", out)
    (out / "photo.jpg").write_bytes(b"")
    error = refused(own, capsys, "--count 2 --out", out)
    first, second = (f"0001-dcgan64_1_0_{i:06d}.png" for i in (1, 2))
    assert f"already holds 5 pictures, such as {first}: choose another folder, or replace them" in error
    made(own, "--count 2 --overwrite --out", out)
    assert sorted(path.name for path in out.iterdir()) == [first, second, "photo.jpg"]
    assert "1 other pictures stay" in capsys.readouterr().err
    made(own, "--mode gif --dimensions 1 --overwrite --out", out)
    made(own, "--mode sweep --dimensions 2 --overwrite --out", out)
    assert sorted(path.name for path in out.iterdir()) == ["photo.jpg", "z002.png"]


def test_a_file_is_not_replaced_unasked(own, tmp_path, capsys):
    for name in ("x.png", "x.gif"):
        mode = "--mode interpolation --rows 1" if name == "x.gif" else "--count 2"
        (tmp_path / name).write_bytes(b"precious")
        assert "x.gif is there already" in refused(own, capsys, mode, "--out", tmp_path / name).replace(".png", ".gif")
        assert (tmp_path / name).read_bytes() == b"precious"
        made(own, mode, "--overwrite --out", tmp_path / name)
        assert picture_files.is_own(tmp_path / name)


@pytest.mark.parametrize("scale", [1, 3])
def test_one_picture_has_no_frame(own, tmp_path, scale):
    made(own, f"--count 1 --scale {scale} --out", tmp_path / "one.png")
    made(own, "--count 1 --out", tmp_path / "folder")
    one, plain = pixels(tmp_path / "one.png"), pixels(tmp_path / "folder/0001-dcgan64_1_0_000001.png")
    assert plain.shape == (16, 16, 3) and one.shape == (16 * scale, 16 * scale, 3)
    assert (one[::scale, ::scale] == plain).all() and (one[scale - 1 :: scale, scale - 1 :: scale] == plain).all()


def test_scale_in_every_mode(own, tmp_path):
    sizes = {}
    for mode, out in ("sweep", ""), ("gif", ""), ("merged-gif", "m.gif"), ("interpolation", "i.png"), ("grid", "g.png"):
        more = "" if mode == "grid" else " --rows 2" if mode == "interpolation" else " --dimensions 1,2"
        made(own, f"--mode {mode} --count 4 --scale 3{more} --out", tmp_path / mode / out)
        path = next((tmp_path / mode).iterdir())
        with Image.open(path) as image:
            sizes[path.name] = image.size
    assert sizes["m.gif"] == (2 + 2 * 50, 2 + 50 + images.LETTERS + 3) and sizes["z001.gif"] == (48, 48)
    assert sizes["g.png"] == (102, 102) and sizes["i.png"] == (202, 102)
    assert sizes["z001.png"] == (2 + 2 * 50, 2 + 2 * (50 + images.LETTERS + 3))


def test_every_png_says_where_it_is_from(own, tmp_path):
    made(own, "--count 3 --seed 5 --out", tmp_path / "a")
    said = {"Software": "dcgan.generate", "run": "0001-dcgan64", "step": "1", "weights": "ema", "seed": "5"}
    where = "0001-dcgan64_1_5_3"
    assert texts(tmp_path / "a/0001-dcgan64_1_5_000003.png") == {**said, "index": "3", "address": where}
    made(own / "checkpoints/000001.h5", "--count 3 --seed 5 --out", tmp_path / "a.png")
    assert texts(tmp_path / "a.png") == {**said, "index": "1-3"}
    made(own, "--mode sweep --dimensions 2 --seed 5 --out", tmp_path / "b")
    assert texts(tmp_path / "b/z002.png") == {**said, "index": "1", "dimension": "2"}
    made(own, "--mode interpolation --rows 2 --count 3 --seed 5 --out", tmp_path / "c.png")
    assert texts(tmp_path / "c.png") == {**said, "index": "1-3"}
    made(own, "--seeds 7,9 --out", tmp_path / "d")
    said |= {"seed": "9", "index": "1", "address": "0001-dcgan64_1_9_1"}
    assert texts(tmp_path / "d/0001-dcgan64_1_9_000001.png") == said


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_a_picture_per_seed(tiny, runs, tmp_path, statistics):
    run_train(*tiny, "--steps 1 --preset tf-nw --sampling-statistics", statistics)
    run = runs / "0001-tf-nw"
    made(run, "--seeds 4,0-1 --out", tmp_path / "each")
    names = sorted(path.name for path in (tmp_path / "each").iterdir())
    assert names == [f"0001-tf-nw_1_{i}_000001.png" for i in (0, 1, 4)]
    for seed in (0, 4):
        made(run, f"--count 2 --seed {seed} --out", tmp_path / f"{seed}")
        name = f"0001-tf-nw_1_{seed}_000001.png"
        assert (pixels(tmp_path / f"{seed}" / name) == pixels(tmp_path / "each" / name)).all()
    made(run, "--seeds 4 --out", tmp_path / "four.png")
    assert (pixels(tmp_path / "four.png") == pixels(tmp_path / "4/0001-tf-nw_1_4_000001.png")).all()
    made(run, "--seeds 4,0-1 --out", tmp_path / "grid.png")
    assert pixels(tmp_path / "grid.png").shape == (38, 38, 3)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ("--seeds 3-1", "--seeds: got '3-1', expected at most 1,000,000 seeds, such as 1,5-9"),
        ("--seeds 0-999999999", "--seeds: got '0-999999999'"),
        ("--seeds 1 --seed 2", "so --seed has no use"),
        ("--seeds 1 --count 2", "so --count has no use"),
        ("--address 1_2_3", "--address: got '1_2_3', expected such as 0001-dcgan64_500_7_12"),
        ("--address a_1_2_0", "--address: got 'a_1_2_0', expected"),
        ("--address a_1_2_3 --seed 2", "--address: names one picture, so --seed has no use"),
        ("--address a_1_2_3 --mode sweep", "--address: goes with --mode grid, not with sweep"),
        ("--address a_1_2_3", "no such run folder or checkpoint"),
        ("--seeds 1 --mode sweep", "--seeds: goes with --mode grid, not with sweep"),
        ("--weights average", "--weights: got 'average', expected one of ema, raw"),
        ("--scale 0", "--scale: got '0', expected a whole number from 1 to 64"),
    ],
)
def test_mistakes(tmp_path, capsys, wrong, message):
    assert message in refused(tmp_path / "no-run", capsys, wrong, "--out", tmp_path / "out")


@pytest.mark.parametrize("statistics", ["running", "batch"])
@pytest.mark.parametrize("more", ["", "--weights raw"])
def test_an_address_draws_the_same_picture_again(tiny, runs, tmp_path, monkeypatch, capsys, statistics, more):
    """From another folder, too, of a copy of the run; a picture beyond the first batch of 128, after a later step."""
    run_train(*tiny, "--steps 1 --preset tf-nw --ema 0.9 --sampling-statistics", statistics)
    run = runs / "0001-tf-nw"
    made(run, "--count 130 --seed 7 --out", tmp_path / "all", *([more] if more else []))
    run_train("--resume", run, "--steps 2 --no-progress")
    raw = "raw" if more else ""
    for index in (3, 129):
        first = tmp_path / f"all/0001-tf-nw_1{raw}_7_{index:06d}.png"
        made(run, f"--address {texts(first)['address']} --out", tmp_path / f"{index}.png")
        assert (tmp_path / f"{index}.png").read_bytes() == first.read_bytes()
    error = refused(run, capsys, "--address a_9_2_3 --out", tmp_path / "none.png")
    assert "has no checkpoint of step 9; there are: 1, 2" in error
    shutil.copytree(run, tmp_path / "elsewhere/runs/0001-tf-nw")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run_generate("--out again", "--address", first.name, *PLACE) == 0
    assert (Path("again") / first.name).read_bytes() == first.read_bytes()


def test_an_address_holds_a_class(labelled, tmp_path):
    made(labelled, "--count 2 --label dog --out", tmp_path / "dogs")
    second = tmp_path / "dogs/0001-carpedm20-mnist_1_0_000002_c1.png"
    made(labelled, "--address 0001-carpedm20-mnist_1_0_2_c1 --out", tmp_path / "one")
    assert (tmp_path / "one" / second.name).read_bytes() == second.read_bytes()


def test_lists_of_numbers():
    assert generate_options.number_list("0,5,10-12", 12) == [0, 5, 10, 11, 12]
    for wrong in ("13", "-1", "2-1", "", "a", "1,,2", "1.5", "9" * 5000):
        assert generate_options.number_list(wrong, 12) is None


@pytest.mark.parametrize("part", ["G", "average_G"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_draw_nothing(own, tmp_path, capsys, part, value):
    path = own / "checkpoints/000001.h5"
    state = checkpoint.load(path)
    next(iter(state["gan"][part].values())).flat[0] = value
    checkpoint.save(path, state)
    error = refused(own, capsys, "--count 2 --out", tmp_path / "x.png")
    assert "not finite (NaN or infinite)" in error and part in error and not (tmp_path / "x.png").exists()


def test_the_moving_average_draws_as_it_draws_the_samples(own, tmp_path, capsys):
    """Unless --weights raw asks for G's own weights, or the checkpoint has no average."""
    path = own / "checkpoints/000001.h5"
    state = checkpoint.load(path)
    made(own, "--count 2 --out", tmp_path / "average")
    made(own, "--count 2 --weights raw --out", tmp_path / "before")
    for value in state["gan"]["G"].values():
        value[...] *= 2
    checkpoint.save(path, state)
    made(own, "--count 2 --out", tmp_path / "same")
    made(own, "--count 2 --weights ema --out", tmp_path / "asked")
    made(own, "--count 2 --weights raw --out", tmp_path / "raw")
    del state["gan"]["average_G"]
    checkpoint.save(path, state)
    made(own, "--count 2 --out", tmp_path / "G")
    average, same, asked, before, raw, G = (
        next((tmp_path / name).glob("*_000001.png")) for name in ("average", "same", "asked", "before", "raw", "G")
    )
    assert average.read_bytes() == same.read_bytes() == asked.read_bytes() and raw.read_bytes() == G.read_bytes()
    assert (pixels(average) != pixels(G)).any() and (pixels(before) != pixels(raw)).any()
    assert [texts(each)["weights"] for each in (average, before, raw, G)] == ["ema", "raw", "raw", "raw"]
    error = refused(own, capsys, "--weights ema --out", tmp_path / "none")
    assert f"--weights ema: {own} has no moving average of G's weights: draw with --weights raw" in error


def test_the_weights_of_a_run_without_an_average(tiny, runs, tmp_path):
    """After one step the average is still near the first weights; without it the trained weights draw."""
    for ema in ("0.999", "0"):
        assert run_train(*tiny, "--steps 1 --ema", ema) == 0
    made(runs / "0001-dcgan64", "--weights raw --out", tmp_path / "a.png")
    made(runs / "0002-dcgan64", "--out", tmp_path / "b.png")
    assert (pixels(tmp_path / "a.png") == pixels(tmp_path / "b.png")).all()
    made(runs / "0001-dcgan64", "--mode interpolation --rows 1 --weights raw --out", tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert b"weights raw" in gif.info["comment"]


def test_a_class_by_its_name(labelled, tmp_path, capsys):
    for label in ("dog", "1", "0"):
        made(labelled, "--count 2 --out", tmp_path / label, f"--label {label}")
    dog, one, zero = (
        pixels(tmp_path / label / f"0001-carpedm20-mnist_1_0_000002_c{number}.png")
        for label, number in (("dog", 1), ("1", 1), ("0", 0))
    )
    assert (dog == one).all() and (dog != zero).any()
    assert texts(tmp_path / "1/0001-carpedm20-mnist_1_0_000001_c1.png")["label"] == "dog"
    error = refused(labelled, capsys, "--label cow --out", tmp_path / "x")
    assert "--label: got 'cow', expected cat, dog, or 0 to 1" in error
    assert "say which, cat, dog, or 0 to 1" in refused(labelled, capsys, "--mode sweep --out", tmp_path / "x")
    as_older_versions_wrote(labelled)
    assert "expected cat, dog, or 0 to 1" in refused(labelled, capsys, "--label cow --out", tmp_path / "x")
    (labelled / "run.json").write_text('{"classes": ["0", "1"]}')  # names that are the labels themselves
    assert "--label: got 'cat', expected a whole number" in refused(
        labelled, capsys, "--label cat --out", tmp_path / "x"
    )
    for text in ("{", "[]", '{"classes": 3}', '{"classes": ["cat"]}'):
        (labelled / "run.json").write_text(text)
        made(labelled, "--label 1 --count 1 --overwrite --out", tmp_path / "y.png")


def as_older_versions_wrote(run):
    """Take the names of the classes, which run.json has, too, from a checkpoint."""
    path = run / "checkpoints/000001.h5"
    state = checkpoint.load(path)
    assert state.pop("classes") == ["cat", "dog"]
    checkpoint.save(path, state)


def test_a_checkpoint_outside_of_its_run(labelled, tmp_path):
    """Its own name is the run's, not that of a folder around it; it knows the classes by their names."""
    (tmp_path / "deep/er").mkdir(parents=True)
    alone = Path(shutil.copy(labelled / "checkpoints/000001.h5", tmp_path / "deep/er/lone.h5"))
    assert trained.folder_of(alone) == tmp_path / "deep/er"  # measure.json is kept there
    made(alone, "--count 1 --label dog --out", tmp_path / "one.png")
    made(labelled, "--count 1 --label dog --out", tmp_path / "other.png")
    assert texts(tmp_path / "one.png")["address"] == "lone_1_0_1_c1" and texts(tmp_path / "one.png")["label"] == "dog"
    assert (pixels(tmp_path / "one.png") == pixels(tmp_path / "other.png")).all()
    made(alone, "--address lone_1_0_1_c1 --out", tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "one.png").read_bytes()


def test_an_address_of_another_step_is_refused(own, tmp_path, capsys):
    """Whatever was given as the run; a folder or a checkpoint may have been renamed, which is said."""
    alone = shutil.copy(own / "checkpoints/000001.h5", tmp_path / "lone.h5")
    renamed = shutil.copytree(own, tmp_path / "elsewhere")
    made(own, "--count 3 --out", tmp_path / "all")
    for run, name in ((alone, "lone"), (renamed, "elsewhere")):
        capsys.readouterr()
        made(run, "--address 0001-dcgan64_1_0_3 --out", tmp_path / f"{name}.png")
        assert f"the address names 0001-dcgan64: drawn by {run}" in capsys.readouterr().err
        assert (pixels(tmp_path / f"{name}.png") == pixels(tmp_path / "all/0001-dcgan64_1_0_000003.png")).all()
    assert "expected one of lone, step 1" in refused(
        alone, capsys, "--address 0001-dcgan64_99_0_3 --out", tmp_path / "none"
    )
    assert "has no checkpoint of step 2" in refused(renamed, capsys, "--address a_2_0_3 --out", tmp_path / "none")
    shutil.copy(alone, renamed / "checkpoints/000002.h5")  # a checkpoint under the name of another step
    assert "expected one of elsewhere, step 1" in refused(
        renamed, capsys, "--address elsewhere_2_0_3 --out", tmp_path / "none"
    )
    assert not (tmp_path / "none").exists()


def test_captions_stand_below_pictures_of_any_width():
    for width in (4, 90):
        pictures = np.full((2, 6, width, 3), 7, "uint8")
        cells = images.captioned(pictures, ["-1.73", "0"])
        assert cells.shape[:2] == (2, 6 + images.LETTERS + 3) and cells.shape[2] >= width
        assert ((cells[:, :6] == 7).any(axis=3).sum(axis=(1, 2)) == 6 * width).all()
        assert (cells[:, 6:].min(axis=(1, 2, 3)) < 100).all()  # dark letters on white
        assert (cells[0, 6:] != cells[1, 6:]).any()


def test_a_gif_of_many_colours_is_small_and_near():
    rows = np.arange(128)
    picture = np.stack(np.broadcast_arrays(rows[:, None], rows[None], 128 + (rows[:, None] + rows) // 4), -1)
    frames = images._with_palette(np.stack([picture, picture[::-1]]).astype("uint8"))
    assert len({tuple(frame.getpalette()) for frame in frames}) == 1 and frames[0].mode == "P"
    difference = np.asarray(frames[0].convert("RGB")).astype(int) - picture
    assert np.abs(difference).mean() < 6
    assert (np.asarray(frames[1]) == np.asarray(frames[0])[::-1]).all()
