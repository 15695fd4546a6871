"""The words that pages and judges share: a case, a classic mistake, and the comparison of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np

Trying = Callable[[str], AbstractContextManager]  # within the block the reader's code runs, and its time counts
SMALL = 16  # an array of up to so many numbers is shown whole
NEARLY = 5e-5  # a result is nearly right that is off by less of its size, as one in float32 is
DIGITS = 17  # tell any two numbers of float64 apart


class Stopped(Exception):
    """The reader's code cannot be judged; the text says why, with the reader's line."""


class Case(NamedTuple):
    """Arguments to call the reader's function with, and words for them."""

    said: str
    args: tuple[Any, ...]


class Mistake(NamedTuple):
    """A classic mistake: what it does, and the values that one gets by it."""

    said: str  # goes on after the name of the result: "forgets the sum over the rows"
    value: Callable[..., Any]  # of the case's arguments


def both_sides(padding: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) as gpunet.loops takes it, for as many zeros at all four sides."""
    return (padding, padding), (padding, padding)


def wrapped(x: np.ndarray, padding: int, axes: tuple[int, ...]) -> np.ndarray:
    """Return x with its last `padding` places in front of the first, and zeros behind, along each of these axes.

    That is what x[k] gives to whoever forgets that k may be below 0: Python then counts from the end.
    """
    for axis in axes:
        x = np.pad(x, [(0, padding) if a == axis else (0, 0) for a in range(x.ndim)])
        front = np.take(x, range(x.shape[axis] - 2 * padding, x.shape[axis] - padding), axis)
        x = np.concatenate([front, x], axis)
    return x


NEGATIVE = (
    "at the edge: where an index is below 0, Python counts from the end. There is no such place, so leave it out."
)
EMPTY_SLICE = "is empty where the padding is 0: -0 is 0, so the slice [0:-0] is empty. Use len - padding as its end."
PLUS = "is shifted the wrong way: the place is k = i stride + p - padding, and not + padding."


def close(found: Any, expected: Any, tolerance: float) -> bool:
    """Return whether two arrays have one shape and nearly the same numbers; NaN equals NaN."""
    if np.shape(found) != np.shape(expected):
        return False
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    finite = expected[np.isfinite(expected)]
    largest = max(1.0, float(np.abs(finite).max()) if finite.size else 0.0)
    return np.allclose(found, expected, 0, tolerance * largest, equal_nan=True)


def judge_result(
    name: str, cases: Sequence[Case], found: Sequence[Any], right: Sequence[Any], mistakes: Sequence[Mistake],
    tolerance: float,
) -> tuple[bool, str]:  # fmt: skip
    """Return whether a result is right in all cases, and a sentence about it."""
    wrong = [i for i in range(len(cases)) if not close(found[i], right[i], tolerance)]
    if not wrong:
        return True, f"{name} is right."
    for mistake in mistakes:
        if _explains(mistake, cases, found, tolerance):
            return False, f"{name} {mistake.said}{_shown(cases[wrong[0]], found[wrong[0]], right[wrong[0]])}"
    first = wrong[0]
    given, wanted = np.asarray(found[first]), np.asarray(right[first])
    if words := _in_another_way(found, right, tolerance):
        return False, f"{name} {words}{_shown(cases[first], given, wanted)}"
    if given.shape != wanted.shape:
        words = f"has shape {given.shape}, expected {wanted.shape}"
    elif not np.isfinite(given.astype("float64")).all() and np.isfinite(wanted).all():
        words = "is not a finite number everywhere"
    else:
        words = f"is wrong in {_count(given, wanted, tolerance)} of {given.size} places"
        words += f" (right in {len(cases) - len(wrong)} of {len(cases)} cases)" if len(wrong) < len(cases) else ""
    return False, f"{name} {words}{_shown(cases[first], given, wanted)}"


def _explains(mistake: Mistake, cases: Sequence[Case], found: Sequence[Any], tolerance: float) -> bool:
    with np.errstate(all="ignore"):
        return all(close(f, mistake.value(*case.args), tolerance) for f, case in zip(found, cases, strict=True))


def _in_another_way(found: Sequence[Any], right: Sequence[Any], tolerance: float) -> str:
    """Return words for results that are nearly right, or but for sign, factor or the order of axes; "" for none."""
    pairs = [(np.asarray(f, "float64"), np.asarray(r, "float64")) for f, r in zip(found, right, strict=True)]
    if all(f.size == r.size and close(f.reshape(r.shape), r, tolerance) for f, r in pairs):
        return f"has the right numbers in another shape: {pairs[0][0].shape}, expected {pairs[0][1].shape}."
    if all(close(f.T, r, tolerance) for f, r in pairs):
        return "is right but for the order of its axes: they are the wrong way round (transpose)."
    if any(f.shape != r.shape or not np.isfinite(f).all() for f, r in pairs):
        return ""
    if (off := max(_off(f, r) for f, r in pairs)) < NEARLY:
        advice = ": compute in float64, without rounding." if tolerance < np.finfo("float32").eps else "."
        return f"is nearly right, off by {off:.0e} of its size{advice}"
    factors = [float((f * r).sum() / (r * r).sum()) if r.any() else 1.0 for f, r in pairs]
    if not all(close(f, factor * r, tolerance) for factor, (f, r) in zip(factors, pairs, strict=True)):
        return ""
    if not np.allclose(factors, factors[0]):
        if min(f.size for f, _ in pairs) == 1:  # a single number always is a factor times another one
            return ""
        return f"is right but for a factor in each case: {', '.join(f'{factor:.4g}' for factor in factors)}."
    return "has the wrong sign." if np.isclose(factors[0], -1) else f"is {factors[0]:.4g} times what it should be."


def _off(given: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest error in units of the largest number."""
    largest, error = float(np.abs(wanted).max()), float(np.abs(given - wanted).max())
    return error / largest if largest else (np.inf if error else 0.0)


def _count(given: np.ndarray, wanted: np.ndarray, tolerance: float) -> int:
    return int((~np.isclose(given, wanted, 0, tolerance * max(1.0, float(np.abs(wanted).max())))).sum())


def _shown(case: Case, given: Any, wanted: Any) -> str:
    """Return lines with both arrays where they are small, with the first place that differs where they are not."""
    given, wanted = np.asarray(given), np.asarray(wanted)
    if given.size <= SMALL and wanted.size <= SMALL:
        yours, expected = _told_apart(_numbers, given, wanted)
        return f"\n    {case.said}\n    yours:    {yours}\n    expected: {expected}"
    if given.shape != wanted.shape:
        return f"\n    {case.said}"
    off = np.abs(given - wanted) > 1e-5 * max(1.0, float(np.abs(wanted).max()))
    off |= np.isnan(given)
    place = tuple(int(i) for i in np.argwhere(off)[0]) if off.any() else (0,) * given.ndim
    at = f"[{', '.join(map(str, place))}]"
    yours, expected = _told_apart(lambda number, digits: f"{number:.{digits + 1}g}", given[place], wanted[place])
    return f"\n    {case.said}\n    yours at {at}: {yours}, expected: {expected}"


def _told_apart(text: Callable[[Any, int], str], given: Any, wanted: Any) -> tuple[str, str]:
    """Return the texts of both, with five digits, or with as many as make them differ: not [0.9] and [0.9]."""
    return next(
        (texts for digits in range(5, DIGITS) if len(set(texts := (text(given, digits), text(wanted, digits)))) == 2),
        (text(given, DIGITS), text(wanted, DIGITS)),
    )


def _numbers(array: np.ndarray, digits: int) -> str:
    shown = np.array2string(array, precision=digits, suppress_small=True, max_line_width=10_000, separator=", ")
    return shown.replace("\n", "")
