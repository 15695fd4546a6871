"""Judge an answer in NumPy: against the loops, against classic mistakes, and by our gradient check.

A page has a function FUNCTION of the reader's that returns RESULTS for each of its cases; right(*args) returns what is
expected, from gpunet.loops; MISTAKES holds by result what wrong answers look like. layer(solve), where a page has it,
makes a layer whose forward pass is the definition and whose backward pass is the reader's: `gpunet.gradcheck` checks
it. A page that judges in another way has a function `judge(code, trying)` of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from gpunet.gradcheck import LIMIT, check_layer
from gpunet.layers import Layer
from gpunet.layers.parameter import Parameter
from puzzles.answer import Case, Stopped, Trying, judge_result

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
    for case in cases:
        with trying(case.said):
            found.append(_call(function, page, case))
    right = [_as_tuple(page.right(*case.args)) for case in cases]
    lines, solved = [], True
    for i, name in enumerate(page.RESULTS):
        ok, said = judge_one(name, cases, [f[i] for f in found], [r[i] for r in right], page.MISTAKES.get(name, []))
        solved &= ok
        lines.append(said)
    if solved and hasattr(page, "layer"):
        with trying("the gradient check"):
            return _gradient_check(page, function, lines)
    return solved, lines


def _as_tuple(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def _call(function: Callable, page: ModuleType, case: Case) -> tuple:
    """Call the reader's function with copies. Raises Stopped: it changes them, or returns something else."""
    copies = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in case.args]
    try:
        found = _as_tuple(function(*copies))
    except Stopped as stopped:
        shapes = [f"{name} {arg.shape}" for name, arg in zip(_names(page), case.args, strict=True) if np.ndim(arg)]
        raise Stopped(f"{stopped}\n    called with {', '.join(shapes)}") from None
    wanted = ", ".join(page.RESULTS)
    if len(found) != len(page.RESULTS):
        raise Stopped(f"{page.FUNCTION} returns {len(found)} values, expected {len(page.RESULTS)}: {wanted}")
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
        try:
            np.asarray(value, "float64")
        except (TypeError, ValueError):
            return False, f"{name} is not an array of numbers but a {type(value).__name__}."
    return judge_result(name, cases, found, right, mistakes, TOLERANCE)


def _gradient_check(page: ModuleType, function: Callable, lines: list[str]) -> tuple[bool, list[str]]:
    layer, x = page.layer(function)
    errors = check_layer(layer, x, np.random.default_rng(0))
    worst = max(errors.values())
    shown = ", ".join(f"{name if name == 'dx' else f'd{name}'} {error:.0e}" for name, error in errors.items())
    lines.append(f"Against central differences: {shown} off, limit {LIMIT:.0e}.")
    return worst < LIMIT, lines
