"""The commands that print presets: dcgan.train --list-presets and dcgan.summary."""

from dcgan import summary
from dcgan.config import Config
from dcgan.presets import find
from dcgan.run.folder import RunDir
from running import run_train
from tests.dcgan.test_presets import COUNTS


def test_list_presets(capsys):
    assert run_train("--list-presets") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == len(COUNTS)
    for line, (name, counts) in zip(lines, COUNTS.items(), strict=True):
        assert line.split()[0] == name and [word.replace(",", "") for word in line.split()[2:4]] == [*map(str, counts)]


def test_summary(capsys):
    """dcgan64's convolutions by hand: 2 k^2 C_in C_out operations per pixel of the smaller map."""
    assert summary.main(["dcgan64", "--width", "32"]) == 0
    printed = capsys.readouterr().out
    assert "(4, 4), stride=(2, 2)" in printed and "64 x 64 x 3" in printed
    G = find("dcgan64").generator(Config(width=32))
    flops = 2 * 16 * (100 * 256 + 16 * 256 * 128 + 64 * 128 * 64 + 256 * 64 * 32 + 1024 * 32 * 3)
    assert sum(row.flops for row in summary.rows(G, (1, 1, 100))) == flops
    assert f"{flops / 1e6:,.2f}" in printed
    assert summary.main(["alexnet"]) == 2


def test_summary_of_a_run(tmp_path, capsys):
    """Its own width and size; options would say something else."""
    run = RunDir(tmp_path)
    run.config.write_text(Config(width=8, image_size=(32, 32), channels=1).to_json())
    assert summary.main([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "32 x 32 x 1" in printed and "ConvTranspose2d(8, 1" in printed
    assert summary.main([str(tmp_path), "--width", "16"]) == 2
    assert "--width: goes with a preset" in capsys.readouterr().err
