"""dcgan.config: options from the command line and from JSON, checked in one place."""

import json

import pytest

from dcgan.config import Config, machine, networks, pictures
from dcgan.data.recipe import RECIPES
from dcgan.errors import UserError
from dcgan.presets import PRESETS, config_of, parts
from gpunet.backend import choices
from running import run_train


def test_help_lists_every_option(capsys):
    with pytest.raises(SystemExit) as ended:
        run_train("--help")
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(f"--{name.replace('_', '-')}" in text for name in Config.__dataclass_fields__)
    assert all(f"--{name}" in text for name in ("resume", "dry-run", "no-progress"))


def test_the_words_of_options_are_those_that_the_modules_know():
    """They stand in the pages of dcgan.config so that --help loads none of these modules."""
    assert set(machine.IMPLEMENTATIONS) == set(choices.IMPLEMENTATIONS)
    assert machine.PRECISIONS == choices.PRECISIONS
    assert set(machine.CONVOLUTIONS) == {*choices.FORMS, "wgmma"} and "wgmma" in choices.PRODUCTS
    assert tuple(parts.INITS) == networks.INITS
    assert tuple(RECIPES) == pictures.RECIPES
    for name in pictures.RECIPES:
        assert Config(recipe=name).recipe == name


def test_the_help_names_every_word_of_an_option(capsys):
    with pytest.raises(SystemExit):
        run_train("--help")
    text = capsys.readouterr().out
    for option, known in {
        "recipe": pictures.RECIPES,
        "labels": pictures.LABELS,
        "implementation": machine.IMPLEMENTATIONS,
        "precision": machine.PRECISIONS,
        "conv": machine.CONVOLUTIONS,
        "init": networks.INITS,
    }.items():
        help = Config.__dataclass_fields__[option].metadata["help"]
        assert all(word in help for word in known), option
        assert " ".join(help.split()[:2]) in " ".join(text.split())


def test_config_survives_its_json():
    config = config_of({"image_size": "64x32", "ratio": "5:1", "lr": "1e-3", "data": "ä ö", "steps": 7})
    assert Config.from_json(config.to_json()) == config
    assert config.image_size == (64, 32) and config.ratio == (5, 1)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "x.json is no JSON"),
        ("[1]", "x.json: got a list, expected an object of options"),
        ('{"colour": 1}', "x.json: unknown option colour"),
        ('{"lr": "fast"}', "x.json: --lr: got 'fast', expected a number"),
        ('{"flip": 1}', "x.json: --flip: got '1', expected true or false"),
        ('{"lr": null}', "x.json: --lr: got 'None', expected a number"),
    ],
)
def test_config_refuses_other_json(text, message):
    with pytest.raises(UserError, match=message):
        Config.from_json(text, "x.json")


def test_presets_set_only_options_there_are():
    for name, preset in PRESETS.items():
        config = config_of({"preset": name})
        assert preset.settings.keys() <= Config.__dataclass_fields__.keys()
        assert config.preset == name and preset.summary


def test_dry_run_prints_the_options_and_trains_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_train("--dry-run --image-size 64x32 --lr 1e-3 --seed 5 --flip") == 0
    printed = json.loads(capsys.readouterr().out)
    expected = {"image_size": [64, 32], "lr": 1e-3, "seed": 5, "flip": True, "preset": "dcgan64", "batch_size": 64}
    assert expected.items() <= printed.items()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(json.dumps(printed | {"steps": 7}))
    assert run_train("--dry-run --resume run --epochs 99") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["epochs"], printed["steps"], printed["seed"]) == (99, None, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
