"""The loader refuses wrong arguments before a launch, in words that name the argument and the remedy."""

from __future__ import annotations

import numpy as np
import pytest

from gpunet import kernels
from gpunet.kernels.loader.signature import entries

X, Y = np.ones(8, "float32"), np.zeros(8, "float32")
READ_ONLY = np.zeros(8, "float32")
READ_ONLY.flags.writeable = False
ODD = np.zeros(4 * 8 + 1, "uint8")[1:].view("float32")  # an address that is no multiple of 4

REFUSED = [
    ((Y, X, 8), TypeError, r"got 3 arguments, expected 4 \(y, x, count, slope\)"),
    ((Y, X, 8, 0.2, 1), TypeError, "got 5 arguments, expected 4"),
    ((Y, None, 8, 0.2), TypeError, "`x`: got None, expected a NumPy array"),
    ((Y, [1.0], 8, 0.2), TypeError, "`x`: got a builtins list, expected a NumPy array"),
    ((Y, X.astype("float64"), 8, 0.2), TypeError, "`x`: got dtype float64, expected float32: convert it by .astype"),
    ((Y, X[::2], 8, 0.2), ValueError, "`x`: got a view with gaps or another order, expected C-contiguous"),
    ((Y, np.asfortranarray(np.ones((2, 4), "float32")), 8, 0.2), ValueError, "`x`: got a view with gaps"),
    ((READ_ONLY, X, 8, 0.2), ValueError, "`y`: got a read-only array"),
    ((Y, ODD, 8, 0.2), ValueError, "`x`: got address 0x.*, expected a multiple of 4"),
    ((Y, X, 8.0, 0.2), TypeError, "`count`: got a builtins float, expected an integer"),
    ((Y, X, 2**31, 0.2), ValueError, "`count`: got 2147483648, expected -2147483648 to 2147483647"),
    ((Y, X, 8, "0.2"), TypeError, "`slope`: got a builtins str, expected a number"),
    ((Y, X, 8, None), TypeError, "`slope`: got None, expected a number"),
]


@pytest.mark.parametrize("args, error, message", REFUSED)
def test_refused(args, error, message):
    before = Y.copy()
    with pytest.raises(error, match=message) as raised:
        kernels.launch("activations.leaky_relu", 1, 32, args)
    assert "kernel activations.leaky_relu" in str(raised.value)
    assert np.array_equal(Y, before)


@pytest.mark.parametrize("dtype", ["float16", "int32"])
def test_real_is_float_or_double(dtype):
    with pytest.raises(TypeError, match=f"got dtype {dtype}, expected float32 or float64"):
        kernels.launch("activations.relu", 1, 32, (np.ones(8, dtype), np.ones(8, dtype), 8))


@pytest.mark.parametrize(
    "grid, block, shared, message",
    [
        (0, 32, 0, "got grid 0, expected one to three numbers, 1 to"),
        ((1, 65536), 32, 0, "got grid"),
        (1, 1025, 0, "got block 1025"),
        (1, (64, 32), 0, "expected at most 1024 threads in all"),
        (1, (1, 1, 65), 0, "got block"),
        ((1, 1, 1, 1), 32, 0, "got grid"),
        (1, 32, -1, "got -1 bytes of shared memory"),
        (1, 32, 228 * 1024, "bytes of shared memory, expected 0 to"),
    ],
)
def test_cudas_limits_hold_on_the_cpu_too(grid, block, shared, message):
    with pytest.raises(ValueError, match=message):
        kernels.launch("activations.relu", grid, block, (Y, X, 8), shared=shared)


def test_an_unknown_file_or_kernel_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="got kernel file 'activation', expected one of activations, adam"):
        kernels.launch("activation.relu", 1, 1, ())
    with pytest.raises(ValueError, match="got kernel 'elu', expected one of relu, relu_backward"):
        kernels.launch("activations.elu", 1, 1, ())


def test_numpy_numbers_are_numbers():
    kernels.launch("activations.leaky_relu", 1, 1024, (Y, -X, np.int64(8), np.float32(0.5)))
    assert np.array_equal(Y, np.full(8, -0.5, "float32"))


def test_none_is_for_optional_arrays_only():
    mean = np.zeros(1, "float32")
    args = [Y, X, mean, mean + 1, None, None, 8, 1, 1.0]
    kernels.launch("batchnorm.normalise", 1, (1, 8), args)
    assert np.array_equal(Y, X)
    with pytest.raises(TypeError, match="`mean`: got None"):
        kernels.launch("batchnorm.normalise", 1, (1, 8), [*args[:2], None, *args[3:]])


def test_signatures():
    text = """
    // extern "C" __global__ void commented(int x) {}
    extern "C" __global__ void __launch_bounds__(256, 2) first(
        real* __restrict__ y, const real *x,  /* why */ aligned16 const real* z, optional const unsigned char* bytes) {
        if (1) { }
    }
    extern "C" __global__ void second() { }
    extern "C" __global__ void third(float4* v, long long n, bool b, double d, const bfloat16* h) {}
    """
    first, second, third = entries(text, np.dtype("float64"))
    assert [p.name for p in first.parameters] == ["y", "x", "z", "bytes"]
    assert [p.writes for p in first.parameters] == [True, False, False, False]
    assert [p.optional for p in first.parameters] == [False, False, False, True]
    assert [p.alignment for p in first.parameters] == [8, 8, 16, 1]
    assert [str(p.dtype) for p in first.parameters] == ["float64", "float64", "float64", "uint8"]
    assert second.parameters == ()
    assert [(str(p.dtype), p.alignment) for p in third.parameters if p.pointer] == [("float32", 16), ("uint16", 2)]
    assert [str(p.dtype) for p in third.parameters if not p.pointer] == ["int64", "bool", "float64"]
    assert text[slice(*first.body)].startswith("{\n        if") and text[slice(*first.body)].endswith("}\n    }")


def test_a_part_of_a_list_may_have_a_name():
    text = """
#define SIZES int rows, \\
    optional const Number *x  // why
#define rows wrong
using Number = half;
extern "C" __global__ void f(real* y, SIZES, int rest) {}
"""
    (f,) = entries(text, np.dtype("float32"))
    assert [p.name for p in f.parameters] == ["y", "rows", "x", "rest"]
    assert [str(p.dtype) for p in f.parameters] == ["float32", "int32", "float16", "int32"] and f.parameters[2].optional


def test_a_type_that_the_loader_does_not_know():
    with pytest.raises(ValueError, match=r"kernel f: got parameter `size_t n`, expected a type out of real, float"):
        entries('extern "C" __global__ void f(size_t n) {}', np.dtype("float32"))


@pytest.mark.cuda
def test_refused_on_cuda():
    import cupy

    x, y = cupy.ones(8, "float32"), cupy.zeros(8, "float32")
    for args, error, message in [
        ((y, X, 8, 0.2), TypeError, "`x`: got a numpy ndarray, expected a CuPy array"),
        ((y, x.astype("float64"), 8, 0.2), TypeError, "`x`: got dtype float64"),
        ((y, x[::2], 8, 0.2), ValueError, "`x`: got a view with gaps"),
        ((y, x, 8.5, 0.2), TypeError, "`count`: got a builtins float"),
        ((y, x, 2**40, 0.2), ValueError, "`count`: got 1099511627776"),
    ]:
        with pytest.raises(error, match=message):
            kernels.launch("activations.leaky_relu", 1, 32, args)
    with pytest.raises(TypeError, match="`x`: got a cupy ndarray, expected a NumPy array"):
        kernels.launch("activations.leaky_relu", 1, 32, (Y, x, 8, 0.2))
    assert not y.get().any()
