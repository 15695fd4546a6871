"""benchmarks.options: a table of what options cost, of sides whose first steps are checked before they are timed."""

import pytest

from benchmarks import options
from dcgan.errors import UserError


def test_a_row_is_compared_with_the_default(capsys, monkeypatch):
    monkeypatch.setenv("DCGAN_QUICK", "1")
    monkeypatch.setattr(options, "STEPS", 2)
    monkeypatch.setattr(options, "ROWS", ("--loss hinge", "--norm-d none --loss wgan-gp --r1 1 --r1-every 2"))
    assert options.main(["--rounds", "1", "--only", "r1"]) == 0
    *_, head, default, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["options", "ms", "per", "step", "spread", "ratio"]
    assert default.startswith(options.DEFAULT) and default.endswith("1.00")
    assert row.startswith("--norm-d none --loss wgan-gp --r1 1 --r1-every 2") and float(row.split()[-1]) > 0


def test_sides_that_compute_something_else_are_not_timed(monkeypatch):
    config, numbers = options.config_with("--loss ls", 2, 4), iter([{"loss_d": 1.0}, {"loss_d": 1.1}])
    monkeypatch.setattr(options.Side, "step", lambda self: next(numbers))
    with pytest.raises(RuntimeError, match="loss_d: the kernels' first step gives 1.1, the reference's 1.0"):
        options.require_alike(config)


def test_every_row_is_a_training_that_is_accepted():
    for row in options.ROWS:
        options.config_with(row, 4, 4)
    with pytest.raises(UserError, match="has BatchNorm"):
        options.config_with("--r1 1", 4, 4)
