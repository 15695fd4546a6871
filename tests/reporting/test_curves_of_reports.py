"""What the curves of a report are made of: reading a log on, thinning, ticks, labels that lie apart, chosen grids."""

import json

import numpy as np
import pytest

from dcgan.reporting.axes import interval, number_text, step_texts, tick_texts, ticks
from dcgan.reporting.charts import apart
from dcgan.reporting.page import labels_of
from dcgan.reporting.pictures import chosen, room_for
from dcgan.reporting.series import Series, rising
from dcgan.reporting.thinning import Curve, thinned


@pytest.mark.parametrize("count, most", [(1, 5), (4, 5), (5, 5), (7, 3), (1000, 360), (100_003, 360), (12, 1)])
def test_thinning_keeps_the_least_and_the_greatest_of_every_group(count, most):
    rng = np.random.default_rng(count)
    steps, values = np.cumsum(rng.integers(1, 4, count)), rng.standard_normal(count)
    curve = thinned(steps, values, most)
    assert len(curve.last) == min(count, most)
    assert curve.first[0] == steps[0] and curve.last[-1] == steps[-1]
    sizes = []
    for first, last, low, high in zip(curve.first, curve.last, curve.low, curve.high, strict=True):
        there = values[(steps >= first) & (steps <= last)]
        assert (low, high) == (min(there), max(there))
        sizes.append(len(there))
    assert sum(sizes) == count and max(sizes) - min(sizes) <= 1


def test_the_mean_is_that_over_a_fortieth_of_the_curve():
    values = np.random.default_rng(0).standard_normal(4000)
    curve = thinned(np.arange(1, 4001), values, 40)
    for last, mean in zip(curve.last[1:-1], curve.mean[1:-1], strict=True):
        assert np.isclose(mean, values[last - 1 - 50 : last + 50].mean(), atol=0.01)


@pytest.mark.parametrize(
    "steps, kept",
    [
        ([1, 2, 3], [True, True, True]),
        ([1, 2, 3, 2, 3, 4], [True, False, False, True, True, True]),
        ([5, 5], [False, True]),
        ([9, 1], [False, True]),
        ([], []),
    ],
)
def test_steps_that_go_back(steps, kept):
    assert rising(np.array(steps, "int64")).tolist() == kept


def test_a_log_is_read_on_where_the_last_look_ended(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "a": 1}\n{"step": 2, "a": 2')
    series = Series(tmp_path, path)
    seen = []
    for more in ("", ".5}\n", '{"step": 3, "b": 3}\nno line\n'):
        with open(path, "a") as file:
            file.write(more)
        series.read()
        seen.append({name: [*map(tuple, np.transpose(points))] for name, points in series.points().items()})
    assert seen == [{"a": [(1, 1)]}, {"a": [(1, 1), (2, 2.5)]}, {"a": [(1, 1), (2, 2.5)], "b": [(3, 3)]}]
    assert series.damaged == 1
    path.write_text('{"step": 1, "a": 7}\n')  # cut, as a resume does
    series.read()
    assert [points.tolist() for points in series.points()["a"]] == [[1], [7]] and series.damaged == 0


def test_reading_on_reads_no_line_twice(tmp_path):
    path, lines = tmp_path / "log.jsonl", [json.dumps({"step": i, "a": i}) + "\n" for i in range(1, 200)]
    series = Series(tmp_path, path)
    for i in range(0, 199, 37):
        with open(path, "a") as file:
            file.writelines(lines[i : i + 37])
        series.read()
    assert series.points()["a"][0].tolist() == list(range(1, 200)) == series.points()["a"][1].tolist()


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0, 1.7, ["0.0", "0.5", "1.0", "1.5"]),
        (-1, 1, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (0, 1, ["0.0", "0.5", "1.0"]),
        (0, 0.0123, ["0.000", "0.005", "0.010"]),
        (0, 3000, ["0", "1,000", "2,000", "3,000"]),
        (0, 4e9, ["0", "1e+09", "2e+09", "3e+09", "4e+09"]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert tick_texts(ticks(low, high)) == expected


@pytest.mark.parametrize("seed", range(50))
def test_ticks_lie_in_any_interval(seed):
    rng = np.random.default_rng(seed)
    low = rng.standard_normal() * 10.0 ** rng.integers(-30, 30)
    high = low + abs(low) * 10.0 ** rng.uniform(-6, 3)
    found = ticks(low, high)
    reach = (high - low) * 1e-6
    assert 1 <= len(found) <= 9 and low - reach <= min(found) and max(found) <= high + reach
    assert len(tick_texts(found)) == len(found)


def test_numbers_are_short():
    numbers = [0, 0.123456, -1234.5, 12_345_678, 1e-7, 99.96, 0.5]
    assert [number_text(each) for each in numbers] == ["0", "0.123", "-1,234", "1.2e+07", "1e-07", "100", "0.5"]
    assert step_texts([0, 50_000, 100_000]) == ["0", "50k", "100k"] and step_texts([0, 500, 1500]) == [
        "0",
        "500",
        "1,500",
    ]


def test_a_peak_does_not_flatten_a_curve():
    values = np.ones(1000)
    values[500] = 1e6
    steps = np.arange(1000)
    curve = Curve(steps, steps, values, values, np.ones(1000))
    low, high = interval([curve], None, [0.5])
    assert low == 0 and 1 < high < 2
    assert interval([curve], (0, 1), []) != (0, 1)  # values beyond what they may be are shown
    assert interval([Curve(steps, steps, *[np.full(1000, 0.4)] * 3)], (0, 1), []) == (0, 1)


@pytest.mark.parametrize(
    "places, expected",
    [([10, 11, 50], [10, 24, 50]), ([98, 99], [86, 100]), ([], []), ([-5], [0]), ([99, 99, 99], [72, 86, 100])],
)
def test_labels_lie_apart(places, expected):
    assert apart(places, 14, 0, 100) == expected


def test_grids_are_chosen_evenly_on_a_logarithmic_scale():
    steps = [1, *range(200, 25_800, 200)]
    assert chosen(steps, 9) == [1, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600]
    for most in range(2, 130):
        found = chosen(steps, most)
        assert len(found) == min(most, len(steps)) and found == sorted({*found}) and {1, 25_600} <= {*found}
    assert chosen([1, 200, 400, 600, 800], 3) == [1, 200, 800]
    assert chosen(steps, 10_000) == steps and chosen([], 5) == [] and chosen(steps, 1) == [25_600]


def test_room_for_grids_is_shared_by_the_runs():
    size = 2**20
    assert room_for([size], 1) == 12 and room_for([size], 3) == 4 and room_for([size], 12) == 2
    assert room_for([1], 1) == 40 and room_for([], 1) == 0 and room_for([0], 1) == 40


@pytest.mark.parametrize(
    "names, labels",
    [
        (["0001-dcgan64", "0002-dcgan64"], ["0001", "0002"]),
        (["0001-a", "0001-b"], ["0001-a", "0001-b"]),
        (["first", "a-very-long-name"], ["first", "a-very-long…"]),
        (["the-same-name-1", "the-same-name-2"], ["1 the-same-", "2 the-same-"]),
        (["same", "same"], ["1 same", "2 same"]),
    ],
)
def test_labels_tell_runs_apart(names, labels):
    assert labels_of(names) == labels
