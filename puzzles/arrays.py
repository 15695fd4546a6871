"""Judge an answer in NumPy: against the loops, against classic mistakes, and by our gradient check.

A page has a function FUNCTION of the reader's that returns RESULTS for each of its cases; right(*args) returns what is
expected, from gpunet.loops; MISTAKES holds by result what wrong answers look like. layer(solve), where a page has it,
makes a layer whose forward pass is the definition and whose backward pass is the reader's: `gpunet.gradcheck` checks
it. explain(name, cases, found, right), where a page has it, returns words for a mistake that no single formula gives,
and HARMLESS says why a right answer's warnings need no care. A page that judges in another way has a function
`judge(code, trying)` of its own.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from gpunet.gradcheck import LIMIT, check_layer
from gpunet.layers import Layer
from gpunet.layers.parameter import Parameter
from puzzles.answer import Case, Stopped, Trying, close, judge_result

TOLERANCE = 1e-7  # relative to the largest number: all is float64, in whatever order it is added


class Asked(Layer):
    """The reader's backward pass as a layer: forward(x, *arrays) is the definition, backward(dy, x, *arrays) theirs."""

    def __init__(self, forward: Callable, backward: Callable, **arrays: np.ndarray) -> None:
        super().__init__()
        self._functions = forward, backward
        for name, array in arrays.items():
            setattr(self, name, Parameter(array))

    def forward(self, x: Any) -> Any:
        self.save(x)
        return self._functions[0](x, *(parameter.data for parameter in self.parameters()))

    def backward(self, dy: Any, input_grad: bool = True) -> Any:
        (x,) = self.take()
        dx, *rest = self._functions[1](dy, x, *(parameter.data for parameter in self.parameters()))
        for parameter, grad in zip(self.parameters(), rest, strict=True):
            parameter.grad = grad
        return dx


def judge(page: ModuleType, code: Any, trying: Trying) -> tuple[bool, list[str]]:
    """Return whether a puzzle is solved, and the lines to say."""
    if hasattr(page, "judge"):
        return page.judge(code, trying)
    function, cases = code.function(page.FUNCTION), page.cases()
    found = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for case in cases:
            with trying(case.said):
                found.append(_call(function, page, case))
    solved, lines = _judge_results(page, cases, found)
    if warned:
        harmless = f" {page.HARMLESS}" if solved and hasattr(page, "HARMLESS") else ""
        lines.append(f"Warning in line {warned[0].lineno}: {warned[0].message}.{harmless}")
    if solved and hasattr(page, "layer"):
        with trying("the gradient check"), contextlib.redirect_stdout(io.StringIO()):  # it calls hundreds of times
            return _gradient_check(page, function, lines)
    return solved, lines


def _judge_results(page: ModuleType, cases: list[Case], found: list[tuple]) -> tuple[bool, list[str]]:
    """Return whether all results are right, with a sentence about each."""
    right = [_as_tuple(page.right(*case.args)) for case in cases]
    lines, solved = [], True
    for i, name in enumerate(page.RESULTS):
        own, wanted, mistakes = [f[i] for f in found], [r[i] for r in right], page.MISTAKES.get(name, [])
        ok, said = judge_one(name, cases, own, wanted, mistakes)
        if not ok and not said.startswith(tuple(f"{name} {known.said}" for known in mistakes)):
            said = _other_result(page.RESULTS, i, own, right) or _explained(page, name, cases, own, wanted) or said
        solved &= ok
        lines.append(said)
    return solved, lines


def _other_result(names: Sequence[str], i: int, own: list[Any], right: list[tuple]) -> str:
    """Return a sentence where result i is what another one should be in all cases; "" where it is not."""
    for j, other in enumerate(names):
        if j != i and all(_alike(value, values[j]) for value, values in zip(own, right, strict=True)):
            order = ", ".join(names)
            return f"{names[i]} is the other result, {other}: are they returned in the order {order}?"
    return ""


def _alike(value: Any, wanted: Any) -> bool:
    return _is_numeric(value) and close(value, wanted, TOLERANCE)


def _is_numeric(value: Any) -> bool:
    try:
        np.asarray(value, "float64")
    except (TypeError, ValueError):
        return False
    return value is not None


def _explained(page: ModuleType, name: str, cases: list[Case], own: list[Any], wanted: list[Any]) -> str:
    if not hasattr(page, "explain") or not all(_is_numeric(value) for value in own):
        return ""
    words = page.explain(name, cases, own, wanted)
    return f"{name} {words}" if words else ""


def _as_tuple(value: Any, results: int = 1) -> tuple:
    """Return results as a tuple; a list is an array where one result is expected, else it holds the results."""
    if isinstance(value, list) and results > 1:
        return tuple(value)
    return value if isinstance(value, tuple) else (value,)


def _call(function: Callable, page: ModuleType, case: Case) -> tuple:
    """Call the reader's function with copies. Raises Stopped: it changes them, or returns something else."""
    copies = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in case.args]
    try:
        found = _as_tuple(function(*copies), len(page.RESULTS))
    except Stopped as stopped:
        shapes = [f"{name} {arg.shape}" for name, arg in zip(_names(page), case.args, strict=True) if np.ndim(arg)]
        raise Stopped(f"{stopped}\n    called with {', '.join(shapes)}") from None
    wanted = ", ".join(page.RESULTS)
    if len(found) != len(page.RESULTS):
        values = "1 value" if len(found) == 1 else f"{len(found)} values"
        raise Stopped(f"{page.FUNCTION} returns {values}, expected {len(page.RESULTS)}: {wanted}")
    for name, before, after in zip(_names(page), case.args, copies, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
            raise Stopped(f"{page.FUNCTION} changes its argument {name}: work on a copy, the caller still needs it")
    return found


def _names(page: ModuleType) -> list[str]:
    """Return the names of the function's arguments, from the head in the stub."""
    head = page.STUB.partition(f"def {page.FUNCTION}(")[2].partition(")")[0]
    return [name.strip() for name in head.split(",")]


def judge_one(name: str, cases: list[Case], found: list[Any], right: list[Any], mistakes: list) -> tuple[bool, str]:
    if all(value is None for value in found):
        return False, f"{name} is None: it is still to be written."
    for value in found:
        if not _is_numeric(value):
            return False, f"{name} is not an array of numbers but a {type(value).__name__}."
    return judge_result(name, cases, found, right, mistakes, TOLERANCE)


def _gradient_check(page: ModuleType, function: Callable, lines: list[str]) -> tuple[bool, list[str]]:
    layer, x = page.layer(function)
    errors = check_layer(layer, x, np.random.default_rng(0))
    worst = max(errors.values())
    first = next(name for name in page.RESULTS if name.startswith("d"))  # dx, or dlogits
    shown = ", ".join(f"{first if name == 'dx' else f'd{name}'} {error:.0e}" for name, error in errors.items())
    lines.append(f"Against central differences: {shown} off, limit {LIMIT:.0e}.")
    return worst < LIMIT, lines
