"""The order of loads and stores in the machine code of the GPU: a load behind a store waits for memory once more.

Results are the same in any order: only the machine code tells. It is compiled and disassembled; nothing runs.
"""

from __future__ import annotations

import itertools
import re

import pytest

from benchmarks.static import instructions, machine_code

ARCHITECTURES = ["sm_80", "sm_90"]
# kernel: arrays that it loads per element, stores per element, elements of a thread, other loads
ELEMENTWISE = {
    "activations.relu": (1, 1, 4, 0),
    "activations.relu_backward": (2, 1, 4, 0),
    "activations.leaky_relu": (1, 1, 4, 0),
    "activations.leaky_relu_backward": (2, 1, 4, 0),
    "activations.tanh_forward": (1, 1, 4, 0),
    "activations.tanh_backward": (2, 1, 4, 0),
    "activations.sigmoid": (1, 1, 4, 0),
    "activations.sigmoid_backward": (2, 1, 4, 0),
    "adam.adam_update": (4, 3, 4, 2),  # step size and rescale
    "adam.clip_weights": (1, 1, 4, 0),
    "arrays.fill": (0, 1, 4, 0),
    "arrays.join": (1, 1, 4, 0),
    "average.average_update": (2, 1, 4, 1),  # the step
    "batchnorm.normalise": (1, 1, 8, 4),  # mean, rstd, scale, shift
    "batchnorm.backward_apply": (2, 1, 8, 6),  # these and two sums
    "columns.add_bias": (1, 1, 8, 1),
    "images.images_to_real": (1, 1, 4, 0),
    "images.real_to_images": (1, 1, 4, 0),
    "labels.join_labels_backward": (1, 1, 8, 0),
    "layer_norm.backward_apply": (2, 1, 8, 5),  # mean, rstd, scale, two sums
    "loss_scale.scale": (1, 1, 4, 1),
    "norm_tangent.apply": (3, 1, 8, 5),  # four coefficients and the mean
    "norm_tangent.scale_channels": (1, 1, 8, 1),
    "penalty.between": (3, 1, 8, 0),
    "penalty.scale_samples": (2, 1, 8, 0),
    "residual.add": (2, 1, 4, 0),
    "resize.scaled": (1, 1, 4, 0),
    "spectral.normalised": (1, 1, 4, 1),  # the square of the length
    "spectral.divided": (1, 1, 4, 1),  # sigma
    "spectral.backward": (2, 1, 8, 3),  # the inner product, sigma, u
}
# kernel: the loads of 16 bytes that a thread has under way at a time, where rows are aligned
SUMS = {"batchnorm.statistics_at_once": 8, "batchnorm.backward_reduce_at_once": 8, "columns.column_sum_at_once": 8}


@pytest.fixture(scope="module")
def memory_order():
    """Return a function (kernel, architecture) -> its loads, stores and barriers in the order of the program."""
    pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="no CuPy", exc_type=ImportError)
    if not instructions.disassembler():
        pytest.skip("no nvdisasm")
    compiled = {}

    def order(kernel, architecture):
        stem, _, entry = kernel.rpartition(".")
        if (stem, architecture) not in compiled:
            compiled[stem, architecture] = machine_code.compile_file(stem, "float32", architecture)
        names = instructions.machine_instructions(compiled[stem, architecture].cubin, entry)
        return [name for name in names if re.match(r"LDG\b|STG\b|BAR\b", name)]

    return order


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", ELEMENTWISE)
def test_elementwise_kernels_load_everything_before_they_store(kernel, architecture, memory_order):
    arrays, stores, elements, others = ELEMENTWISE[kernel]
    order = [name[:3] for name in memory_order(kernel, architecture)]
    first = order.index("STG")
    assert order[:first] == ["LDG"] * (arrays * elements + others)
    assert set(order[first:]) == {"STG"} and len(order[first:]) >= stores * elements  # a branch may double a store


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", ["adam.adam_at_once", "factors/factors_bf16.adam_at_once"])
def test_a_whole_step_loads_all_numbers_of_an_array_before_it_stores(kernel, architecture, memory_order):
    """Four numbers each of param, m, v, grad, and of an average if there is one: for matrices, then for vectors.

    Before these come the loads of the constants, and those of four buffers and their averages.
    """
    order = itertools.groupby(name[:3] for name in memory_order(kernel, architecture))
    runs = [len(list(names)) for kind, names in order if kind == "LDG"]
    assert sorted(runs[-4:]) == [16, 16, 20, 20] and runs[:-4] == [6 + 8]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", SUMS)
def test_sums_have_loads_of_16_bytes_under_way(kernel, architecture, memory_order):
    order = memory_order(kernel, architecture)
    wide = [i for i, name in enumerate(order) if name.startswith("LDG") and ".128" in name]
    assert len(wide) >= SUMS[kernel] and wide == list(range(wide[0], wide[-1] + 1))  # nothing comes between them
