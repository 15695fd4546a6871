"""The puzzles in NumPy: solutions pass, stubs fail with their sentence, and each classic mistake gets its own."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest

from gpunet import backend, layers, optim
from puzzles import arrays, child
from puzzles.answer import Stopped
from puzzles.table import PUZZLES, named

NUMPY = [puzzle for puzzle in PUZZLES if puzzle.kind == "numpy"]
PAGES = [puzzle for puzzle in NUMPY if puzzle.name != "frozen"]  # which judges in a way of its own
NAMES = [puzzle.name for puzzle in NUMPY]
ROWS = [  # puzzle, result, number of the mistake
    (puzzle, name, i)
    for puzzle in PAGES
    for name in puzzle.page().RESULTS
    for i, _ in enumerate(puzzle.page().MISTAKES[name])
]


def judged(puzzle, text, tmp_path):
    """Return whether a file with this text solves the puzzle, and what is said, in one text."""
    path = tmp_path / puzzle.file_name
    path.write_text(text)
    try:
        solved, lines = arrays.judge(puzzle.page(), child.Code(path, contextlib.nullcontext), contextlib.nullcontext)
    except Stopped as stopped:
        return False, str(stopped)
    return solved, "\n".join(lines)


@pytest.mark.parametrize("puzzle", NUMPY, ids=NAMES)
def test_the_solution_is_right(puzzle, tmp_path):
    solved, said = judged(puzzle, puzzle.solution.read_text(), tmp_path)
    assert solved and " wrong" not in said, said
    if hasattr(puzzle.page(), "layer"):
        first = "dlogits" if puzzle.name == "loss" else "dx"
        assert f"Against central differences: {first} " in said


@pytest.mark.parametrize("puzzle", NUMPY, ids=NAMES)
def test_the_stub_says_what_is_to_be_written(puzzle, tmp_path):
    solved, said = judged(puzzle, puzzle.stub, tmp_path)
    assert not solved and said.count(" is None: ") == len(puzzle.page().RESULTS) and "still to be written" in said


@pytest.mark.parametrize(("puzzle", "name", "i"), ROWS, ids=lambda value: getattr(value, "name", str(value)))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # some mistakes are overflows
def test_each_mistake_has_its_sentence(puzzle, name, i):
    """A wrong result beside right ones: they are called right, and the wrong one by its mistake."""
    page = puzzle.page()
    mistake, cases = page.MISTAKES[name][i], page.cases()
    right = [arrays._as_tuple(page.right(*case.args))[page.RESULTS.index(name)] for case in cases]
    wrong = [mistake.value(*case.args) for case in cases]
    solved, said = arrays.judge_one(name, cases, wrong, right, page.MISTAKES[name])
    assert not solved and said.startswith(f"{name} {mistake.said}")
    assert sum(said.startswith(f"{name} {other.said}") for other in page.MISTAKES[name]) == 1


CHANGED = [  # puzzle, a piece of its solution, what stands there instead, a part of what is said
    ("chain", "dh = dy * (h + x) + dy * h", "dh = dy * (h + x)", "dx takes h for used once: its second way"),
    ("chain", ".sum(axis=0)", "", "dw is not summed over the rows"),
    ("linear", "dy.sum(axis=0)", "dy", "dx is right.\ndweight is right.\ndbias forgets the sum over the rows"),
    ("linear", "dy.sum(axis=0)", "dy.sum()", "dbias has shape (), expected (2,)"),
    ("linear", "x.T @ dy", "x.T @ dy / len(x)", "dweight is divided by the number of rows"),
    ("leaky_relu", "x > 0", "dy > 0", "dx asks for the sign of dy"),
    ("loss", "np.exp(-np.abs(logits))", "np.exp(-np.abs(logits)) * 1.1", "loss is wrong in"),
    ("loss", "(p - t) / logits.size", "p - t", "loss is right.\ndlogits is not divided by the number of answers"),
    (
        "loss",
        "np.mean(np.maximum(logits, 0) - t * logits + np.log1p(small))",
        "np.mean(-t * np.log(P := np.clip(1 / (1 + np.exp(-logits)), 1e-7, 1 - 1e-7)) - (1 - t) * np.log(1 - P))",
        "loss does not grow where logits are large: p or the logits are clipped",
    ),
    ("loss", "np.mean(np.maximum(logits, 0)", "np.mean(np.maximum(logits := np.clip(logits, -500, 500), 0)",
     "loss does not grow where logits are large: p or the logits are clipped"),
    ("loss", "return loss, (p", "return None, (p", "loss is None"),
    ("loss", "return loss, (p - t) / logits.size", "return (p - t) / logits.size, loss",
     "loss is the other result, dlogits: are they returned in the order loss, dlogits?\ndlogits is the other"),
    ("im2col", "p : p + OH * stride : stride", "p : p + OH", "columns is wrong in"),
    ("im2col", "padding, padding), (padding, padding)", "0, 0), (0, 0)", "ValueError"),
    ("convolution", "columns] += dy", "columns] = dy", "dx overwrites: windows overlap"),
    ("convolution", "padding : padding + H, padding : padding + W", "padding:-padding, padding:-padding",
     "dx is empty where the padding is 0: -0 is 0"),
    ("convolution", "axis=(0, 1, 2)", "axis=0", "dbias is summed over the pictures alone"),
    ("paint", "+=", "=", "y covers paint that is there already"),
    ("paint", "strip[padding : len(strip) - padding]", "strip", "y is not cut"),
    ("paint", "padding : len(strip) - padding", "padding:-padding", "y is empty where the padding is 0: -0 is 0"),
    ("paint", "w @ x[i]", "w[::-1] @ x[i]", "y has the kernel turned round"),
    ("paint_backward", "painted @ w", "painted @ w[::-1]", "dx has the kernel turned round"),
    ("paint_backward", "return dx, dw", "return dw, dx",
     "dx is the other result, dw: are they returned in the order dx, dw?\ndw is the other result, dx"),
    ("paint_backward", "dw +=", "dw =", "dx is right.\ndw is that of the last x alone"),
    ("conv_transpose", "dx += seen", "dx = seen", "dx is that of the last tap alone"),
    ("conv_transpose", "axis=(0, 1, 2)", "axis=(1, 2)", "dbias is summed over the pixels alone"),
    ("batchnorm", " - dshift / len(x) - x_hat * dscale / len(x)", "", "dx takes mean and variance for constants"),
    ("batchnorm", "dx, dscale, dshift", "dx, dshift, dscale",
     "dx is right.\ndscale is the other result, dshift: are they returned in the order dx, dscale, dshift?"),
    ("batchnorm", "(dy * x_hat)", "(dy * x)", "dscale multiplies dy by x"),
    ("adam", "1 - b1**t", "1", "param corrects v alone"),
    ("adam", "g**2", "g", "v averages g"),
    ("adam", "(np.sqrt(v_hat) + eps)", "(np.sqrt(new_v) + eps) * np.sqrt(1 - b2**t)",
     "param adds eps before v is corrected: correct v, take the root, then add eps."),
    ("frozen", "optimizer.zero_grad()", "pass", "G moves by old gradients, too"),
    ("frozen", "with D.frozen():", "if True:", "D keeps gradients of this step"),
    ("frozen", "1.0)", "0.0)", "The loss has the target 0"),
    ("frozen", "    optimizer.step()\n", "", "G has not moved"),
    ("frozen", "    return loss", "    D.parameters()[0].trainable = False\n    return loss", "D stays frozen"),
    ("frozen", "    return loss", "    D.parameters()[0].data += 1\n    return loss", "D's weights have moved"),
    ("frozen", "    return loss", "    D.parameters()[0].grad = None\n    return loss", "D's own gradients are gone"),
    ("linear", "def linear_backward", "def backward", "linear.py has no function linear_backward"),
    ("linear", "return dx, dweight, dbias", "return dx, dweight", "linear_backward returns 2 values, expected 3"),
    ("linear", "dx = dy @", "dy *= 2; dx = dy @", "linear_backward changes its argument dy: work on a copy"),
    ("linear", "dbias = dy.sum(axis=0)", "dbias = 'sum'", "dbias is not an array of numbers but a str"),
    ("linear", "dbias = dy.sum(axis=0)", "dbias = dy.sum(axis=0) * float('nan')",
     "dbias is not a finite number everywhere"),
    ("linear", "return dx, dweight, dbias", "return dx", "linear_backward returns 1 value, expected 3"),
    ("linear", "return dx, dweight, dbias", "return [dx, dweight]", "linear_backward returns 2 values, expected 3"),
    ("linear", "dx = dy @", "dy = dy.astype('float32'); dx = dy @", "dbias is nearly right, off by "),
    ("linear", "x.T @ dy", "x.T @ dy * (1 + 3e-6)", "dweight is nearly right, off by 3e-06 of its size: compute in"),
    ("linear", "dx = dy @", "dx = -dy @", "dx has the wrong sign."),
    ("linear", "dx = dy @", "dx = 3 * dy @", "dx is 3 times what it should be."),
    ("linear", "x.T @ dy", "x.T @ dy / dy.shape[1]", "right but for a factor in each case: 0.5, 0.3333, 0.5."),
    ("linear", "weight.T", "weight.T; dx = dx.T", "dx is right but for the order of its axes"),
    ("linear", "dy.sum(axis=0)", "dy.sum(axis=0)[None, None]",
     "dbias has the right numbers in another shape: (1, 1, 2)"),
    ("linear", "dbias = dy.sum(axis=0)", "dbias = dy.sum(axis=0).repeat(7)[:7]", "dbias has shape (7,), expected (2,)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "sentence"), CHANGED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_changed_solution_is_told_what_is_wrong(name, old, new, sentence, tmp_path):
    text = named(name).solution.read_text()
    assert old in text
    solved, said = judged(named(name), text.replace(old, new), tmp_path)
    assert not solved and sentence in said, said
    shown = re.findall(r"yours[^:]*:(.*)(?:\n   |,) expected:(.*)", said)
    assert shown or "yours" not in said
    assert all(yours.strip() != expected.strip() for yours, expected in shown), said


def test_a_list_of_all_results_is_taken(tmp_path):
    text = named("linear").solution.read_text()
    assert judged(named("linear"), text.replace("dx, dweight, dbias", "[dx, dweight, dbias]"), tmp_path)[0]


LOOPS = {  # as one writes them from the pages, without the test that an index is not below 0
    "paint": """
def paint(x, w, stride, padding):
    (n, C), (K, F, _) = x.shape, w.shape
    y = np.zeros(((n - 1) * stride + K - 2 * padding, F))
    for i in range(n):
        for p in range(K):
            k = i * stride + p - padding
            if k < len(y):
                y[k] += w[p] @ x[i]
    return y
""",
    "paint_backward": """
def paint_backward(dy, x, w, stride, padding):
    dx, dw = np.zeros(len(x)), np.zeros(len(w))
    for i in range(len(x)):
        for p in range(len(w)):
            k = i * stride + p - padding
            if k < len(dy):
                dx[i] += dy[k] * w[p]
                dw[p] += dy[k] * x[i]
    return dx, dw
""",
    "conv_transpose": """
def conv_transpose2d_backward(dy, x, weight, stride, padding):
    dx, dweight = np.zeros(x.shape), np.zeros(weight.shape)
    for n, k, m in np.ndindex(x.shape[:3]):
        for p, q in np.ndindex(weight.shape[:2]):
            i, j = k * stride + p - padding, m * stride + q - padding
            if i < dy.shape[1] and j < dy.shape[2]:
                dx[n, k, m] += dy[n, i, j] @ weight[p, q]
                dweight[p, q] += np.outer(dy[n, i, j], x[n, k, m])
    return dx, dweight, dy.sum((0, 1, 2))
""",
    "convolution": """
def conv2d_backward(dy, x, weight, stride, padding):
    dx, dweight = np.zeros(x.shape), np.zeros(weight.shape)
    for n, k, m in np.ndindex(dy.shape[:3]):
        for p, q in np.ndindex(weight.shape[:2]):
            i, j = k * stride + p - padding, m * stride + q - padding
            if i < x.shape[1] and j < x.shape[2]:
                dx[n, i, j] += weight[p, q] @ dy[n, k, m]
                dweight[p, q] += np.outer(x[n, i, j], dy[n, k, m])
    return dx, dweight, dy.sum((0, 1, 2))
""",
}


@pytest.mark.parametrize("name", LOOPS)
def test_plain_loops_solve_it_and_their_edge_has_its_sentence(name, tmp_path):
    text = "import numpy as np\n" + LOOPS[name]
    solved, said = judged(named(name), text, tmp_path)
    edges = len(named(name).page().RESULTS) - ("dbias" in said)
    assert not solved and said.count("is wrong at the edge: where an index is below 0") == edges, said
    assert judged(named(name), "import numpy as np\n" + MENDED[name], tmp_path)[0]


MENDED = {name: LOOPS[name].replace("if k <", "if 0 <= k <").replace("if i <", "if 0 <= i <") for name in LOOPS}
MENDED = {name: text.replace("and j <", "and 0 <= j <") for name, text in MENDED.items()}
CHANGED_LOOPS = [  # puzzle, a piece of its right loops, what stands there instead, the result and what is said of it
    ("paint", "p - padding", "p + padding", "y is shifted the wrong way: the place is k = i stride + p - padding"),
    ("paint", "y[k] +=", "y[k] =", "y covers paint that is there already"),
    ("paint_backward", "p - padding", "p + padding", "dx is shifted the wrong way"),
    ("paint_backward", "p - padding", "p + padding", "dw is shifted the wrong way"),
    ("paint_backward", "dx[i] +=", "dx[i] =", "dx keeps the last tap alone"),
    ("paint_backward", "dw[p] +=", "dw[p] =", "dx is right.\ndw keeps the last x alone"),
    ("conv_transpose", "dx[n, k, m] +=", "dx[n, k, m] =", "dx keeps the last tap alone"),
    ("conv_transpose", "dweight[p, q] +=", "dweight[p, q] =", "dx is right.\ndweight keeps the last pixel alone"),
]


@pytest.mark.parametrize(("name", "old", "new", "sentence"), CHANGED_LOOPS)
def test_changed_loops_are_told_what_is_wrong(name, old, new, sentence, tmp_path):
    assert old in MENDED[name]
    solved, said = judged(named(name), "import numpy as np\n" + MENDED[name].replace(old, new), tmp_path)
    assert not solved and sentence in said, said


def test_an_overflow_on_the_way_is_called_harmless_where_the_results_are_right(tmp_path):
    text = named("loss").solution.read_text()
    plain = text.replace("np.where(logits > 0, 1, small) / (1 + small)", "1 / (1 + np.exp(-logits))")
    solved, said = judged(named("loss"), plain, tmp_path)
    overflow = "Warning in line 9: overflow encountered in exp."
    assert solved and f"{overflow} It is harmless here: where exp gives inf" in said, said
    solved, said = judged(named("loss"), plain.replace("/ logits.size", ""), tmp_path)
    assert not solved and overflow in said and "harmless" not in said


def test_a_wrong_backward_pass_fails_the_gradient_check_alone(tmp_path):
    """A page whose expected values had the reader's mistake would still not call it solved."""
    puzzle = named("leaky_relu")
    layer, x = puzzle.page().layer(lambda dy, x, slope: np.where(x > 0, dy, 2 * slope * dy))
    assert arrays.check_layer(layer, x, np.random.default_rng(0))["dx"] > arrays.LIMIT


def test_expected_values_come_from_definitions():
    """Where a page has no gradient check, its values are compared with the library's."""
    with backend.use("reference"):
        for case in named("im2col").page().cases():
            x, kh, kw, stride, padding = case.args
            conv = layers.Conv2d(x.shape[3], 1, (kh, kw), stride=stride, padding=padding, bias=False)
            weight = np.random.default_rng(0).standard_normal(conv.weight.data.shape)
            conv.weight.data = weight
            product = named("im2col").page().right(*case.args) @ weight.reshape(-1, 1)
            np.testing.assert_allclose(product.ravel(), conv.forward(x).ravel(), rtol=1e-12, atol=1e-12)
        for case in named("paint").page().cases():
            x, w, stride, padding = case.args
            conv = layers.ConvTranspose2d(x.shape[1], w.shape[1], (1, len(w)), (1, stride), (0, padding), bias=False)
            conv.weight.data = w[None]
            y = named("paint").page().right(*case.args)
            np.testing.assert_allclose(y, conv.forward(x[None, None])[0, 0], rtol=1e-12, atol=1e-12)


def test_the_steps_of_adam_are_those_of_the_optimiser():
    for case in named("adam").page().cases()[:2]:  # first steps
        param, g, m, v, t, lr, b1, b2, eps = case.args
        parameter = layers.parameter.Parameter(param.copy())
        adam = optim.Adam([parameter], lr=lr, betas=(b1, b2), eps=eps)
        parameter.add_grad(lambda g=g, out=None: np.add(g, 0, out=out))
        with backend.use("reference"):
            adam.step()
        np.testing.assert_allclose(named("adam").page().right(*case.args)[0], parameter.data, rtol=1e-12)
