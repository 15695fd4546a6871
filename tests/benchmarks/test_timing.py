"""Timing: sides take turns, and the medians are over all rounds."""

from __future__ import annotations

from benchmarks.measure import timing


def test_sides_take_turns_and_medians_are_of_all_rounds():
    order, values = [], iter([1, 10, 20, 2, 3, 30])
    sides = {name: lambda name=name: order.append(name) or next(values) for name in ("a", "b")}
    found = timing.alternate(sides, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert found["a"] == timing.Timed(2000, 1000, 3000) and found["b"] == timing.Timed(20000, 10000, 30000)
