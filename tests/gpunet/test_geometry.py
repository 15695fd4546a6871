"""Sizes and paddings of convolutions: literal examples, and that output_size accepts exactly what convolves back."""

import itertools
import math

import pytest

from gpunet.layers.geometry import conv_pads, transposed_output


@pytest.mark.parametrize(
    "size, kernel, stride, before, after",
    [  # as TensorFlow pads for padding="SAME"
        (64, 4, 2, 1, 1),
        (64, 5, 2, 1, 2),
        (28, 5, 2, 1, 2),
        (7, 5, 2, 2, 2),
        (7, 3, 1, 1, 1),
        (7, 2, 1, 0, 1),
        (8, 2, 3, 0, 0),
        (5, 1, 2, 0, 0),
    ],
)
def test_same_padding(size, kernel, stride, before, after):
    assert conv_pads((size, 9), (kernel, 1), (stride, 1), "same") == ((before, after), (0, 0))


def test_transposed_output_convolves_back():
    """Every size that output_size accepts leads back to the input's size, and every other is refused."""
    for size, kernel, stride, padding in itertools.product((1, 3, 4), (2, 4, 5), (1, 2, 3), (0, 1, "same", "valid")):
        pair = padding if isinstance(padding, str) else (padding, padding)
        accepted = []
        for wanted in range(1, 24):
            try:
                transposed_output((size, size), (kernel,) * 2, (stride,) * 2, pair, (wanted, wanted))
                accepted.append(wanted)
            except ValueError:
                continue
        pad = {"same": None, "valid": 0}.get(padding, padding)
        back = [math.ceil(w / stride) if pad is None else (w + 2 * pad - kernel) // stride + 1 for w in range(1, 24)]
        assert accepted == [w for w in range(1, 24) if back[w - 1] == size], (size, kernel, stride, padding)
