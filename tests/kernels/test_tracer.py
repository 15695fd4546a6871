"""Counted memory requests: those of hand-made kernels, and those that the ladders' headers promise."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from conv_shapes import CUTS, MMA_TILES, PASSES, Shape, arrays, computed, multiplied, on, rounded
from gpunet import kernels
from gpunet.backend import tensor_cores
from gpunet.kernels import ladder, tracer


def drawn(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


OWN = """
extern "C" __global__ void strided(real* y, const real* x, int stride) {
    extern __shared__ real part[];
    part[threadIdx.x * stride] = x[threadIdx.x];
    y[threadIdx.x * stride] = part[threadIdx.x * stride];
}
"""


STRIDED = [(1, 4, 0), (2, 8, 1), (3, 12, 0), (8, 32, 7), (32, 32, 31)]  # stride, sectors, conflicts of one request


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("kernels") / "own.cu"
    path.write_text(OWN)
    return str(path.with_suffix(""))


@pytest.mark.parametrize(("stride", "sectors", "conflicts"), STRIDED)
def test_strided_accesses(own, stride, sectors, conflicts):
    """A stride of s words touches s times the sectors, 32 at most; each factor 2 in it halves the banks in use."""
    x, y = drawn(64), drawn(64 * stride)  # two warps
    found = tracer.count(lambda launch: launch(f"{own}.strided", 1, 64, (y, x, stride), 64 * 4 * stride))
    assert found["global load"] == (2, 256, 8, 8)
    assert found["global store"] == (2, 256, 2 * sectors, 8)
    assert found["shared store"] == found["shared load"] == (2, 256, 2 * (1 + conflicts), 2)
    assert np.array_equal(y[::stride], x)


@functools.cache
def counts(name: str, step: str) -> dict[str, tracer.Count]:
    run = {"channel_sum": lambda launch: ladder.channel_sum(step, drawn(512, 64), launch)}
    run["matmul"] = lambda launch: ladder.matmul(step, drawn(128, 32), drawn(32, 128), launch)
    return tracer.count(run[name])


# The headers promise these counts: (sectors per load, sectors per store, bank conflicts).
PROMISED = {
    ("channel_sum", "atomics"): (4, 0, 0),
    ("channel_sum", "thread_per_channel"): (4, 4, 0),
    ("channel_sum", "shared_tree"): (32, 1, 64 * 105),
    ("channel_sum", "coalesced_tree"): (4, 4, 0),
    ("channel_sum", "warp_shuffle"): (4, 1, 0),
    ("channel_sum", "tree_without_barriers"): (4, 4, 0),
    ("matmul", "naive"): (16.5, 32, 0),  # 32 for a, 1 for b
    ("matmul", "coalesced"): (2.5, 4, 0),  # 1 for a, 4 for b
    ("matmul", "shared_tiles"): (4, 4, 0),
    ("matmul", "register_tiles"): (4, 4, 0),
    ("matmul", "double_buffered"): (16, 16, 0),
    ("matmul", "tensor_cores"): (16, 8, 0),
    ("matmul", "ldmatrix"): (16, 8, 0),
    ("matmul", "taps_by_masks"): (16, 8, 0),
    # The result in 64 stores of 16 sectors; parts, statistics and counters in 20 of 4. 32 copies; 12 loads of parts.
    ("matmul", "epilogue"): ((32 * 16 + 12 * 4) / 44, (64 * 16 + 20 * 4) / 84, 0),
}


@pytest.mark.parametrize(("name", "step"), PROMISED, ids=str)
def test_memory_requests_are_what_the_header_says(name, step):
    found = counts(name, step)
    conflicts = sum(found[kind].needed - found[kind].least for kind in ("shared load", "shared store"))
    assert (found["global load"].per_request, found["global store"].per_request, conflicts) == PROMISED[name, step]


def test_shared_tiles_divide_the_global_loads_by_their_side():
    before, after = (counts("matmul", step)["global load"].bytes for step in ("coalesced", "shared_tiles"))
    assert before == 2 * 128 * 32 * 128 * 4
    assert after == before // ladder.constants("ladder/matmul_3_shared_tiles")["TILE"]


def test_one_ldmatrix_reads_512_bytes_in_4_wavefronts():
    found = counts("matmul", "ldmatrix")["shared load"]
    # 4 warps, each for 2 x 16 k's: 4 of a and 4 of b
    assert found == (4 * 2 * 8, 4 * 2 * 8 * 512, 4 * 2 * 8 * 4, 4 * 2 * 8 * 4)


def test_atomics_are_counted_as_such():
    found = counts("channel_sum", "atomics")
    assert found["global atomic"].requests == found["global load"].requests == 512 * 64 // 32


TILES = [  # the large ones take long: usual runs count them in one precision
    pytest.param(tile, precision, marks=[pytest.mark.slow] * (tile != "small" and precision != "bf16"))
    for tile in ("small", "huge", "wide", "tall")
    for precision in ("tf32", "bf16")
]


@pytest.mark.parametrize("tile, precision", TILES)
@pytest.mark.parametrize("which", PASSES)
@pytest.mark.parametrize("n, size", [(5, 8), (2, 16), (1, 32)])  # results with 4, 8 and 16 columns
def test_convolutions_on_tensor_cores_meet_no_bank_twice(n, size, which, tile, precision, monkeypatch):
    """Neither where copies are written nor where fragments are read, which mostly takes 16 bytes of a lane at once."""
    shape = Shape(n, size, size, 64, 64, (4, 4), (2, 2), ((1, 1), (1, 1)))
    there = rounded(on("cpu", arrays(shape)), precision)
    cut = tensor_cores.Plan(next(t for t in MMA_TILES if t.name == tile), 1)

    def run(launch):
        monkeypatch.setattr(kernels, "launch", launch)
        multiplied(which, shape, there, precision, cut)

    found = tracer.count(run)
    store, load = found["shared store"], found["shared load"]
    assert load.needed == load.least > 0
    assert store.needed == store.least > 0
    by_words = precision == "tf32" and which != "input_grad"  # nothing turns matrices of 32 bits
    assert (load.bytes < load.requests * 32 * 16) == by_words


@pytest.mark.parametrize("tile", ["small", *(pytest.param(name, marks=pytest.mark.slow) for name in ("wide", "tall"))])
@pytest.mark.parametrize("which", PASSES)
def test_convolutions_on_cuda_cores_read_no_bank_twice(which, tile, monkeypatch):
    """Neither factors, 16 bytes of a lane at once, nor Places."""
    shape = Shape(2, 16, 16, 64, 64, (4, 4), (2, 2), ((1, 1), (1, 1)))
    there, cut = on("cpu", arrays(shape)), next(cut for cut in CUTS if cut.tile.name == tile and cut.splits == 1)

    def run(launch):
        monkeypatch.setattr(kernels, "launch", launch)
        computed(which, shape, there, cut)

    found = tracer.count(run)
    assert found["shared load"].needed == found["shared load"].least > 0
    store = found["shared store"]
    assert store.least <= store.needed < 1.1 * store.least  # Places are written in the order in which they are read


# ---- faults: races, and accesses beyond the ends of arrays

FAULTY = """
extern "C" __global__ void turn(real* y, const real* x, int barrier) {
    __shared__ real part[64];
    part[threadIdx.x] = x[threadIdx.x];
    if (barrier == 1) __syncthreads();
    if (barrier == 2) __syncwarp();
    y[threadIdx.x] = part[threadIdx.x ^ 1];
}
extern "C" __global__ void beyond(real* y, const real* x, int first) {
    y[threadIdx.x] = x[first + (int) threadIdx.x];
}
extern "C" __global__ void add_up(real* y, const real* x, int atomic) {
    if (atomic) atomicAdd(y, x[blockIdx.x]);
    else y[0] += x[blockIdx.x];
}
extern "C" __global__ void rows(real* y, const real* x, int row) {
    __shared__ alignas(16) real first[2][32];
    __shared__ real second[32];
    first[row][threadIdx.x] = x[threadIdx.x];
    second[threadIdx.x] = 0;
    __syncthreads();
    y[threadIdx.x] = first[row][threadIdx.x] + second[threadIdx.x];
}
extern "C" __global__ void bytes(real* y, const real* x, int apart) {
    __shared__ unsigned char part[256];
    part[apart * threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = x[threadIdx.x] + part[0];
}
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    path = tmp_path_factory.mktemp("kernels") / "faulty.cu"
    path.write_text(FAULTY)
    return str(path.with_suffix(""))


def watched(faulty, kernel, grid, block, number, size):
    x, y = drawn(size), np.zeros(size, "float32")
    seen = tracer.watch(lambda launch: launch(f"{faulty}.{kernel}", grid, block, (y, x, number)))
    return x, y, seen.faults


def test_a_race_is_found_with_its_lines(faulty):
    _, _, (fault,) = watched(faulty, "turn", 1, 32, 0, 32)
    assert fault.kind == "shared race" and fault.shared and fault.array == "part" and fault.number == 32
    assert (fault.block, fault.thread, fault.writes, fault.line) == (0, 1, True, 4)
    assert (fault.other_block, fault.other_thread, fault.other_writes, fault.other_line) == (0, 0, False, 7)


@pytest.mark.parametrize(("barrier", "threads"), [(1, 64), (2, 32)])  # of the block, of the warp
def test_a_barrier_ends_a_race(faulty, barrier, threads):
    x, y, faults = watched(faulty, "turn", 1, threads, barrier, threads)
    assert not faults and np.array_equal(y, x.reshape(-1, 2)[:, ::-1].ravel())


@pytest.mark.parametrize(("first", "element"), [(-3, -3), (61, 64), (1000, 1000)])
def test_an_access_beyond_an_array_is_named_and_harms_nothing(faulty, first, element):
    x, y, (fault,) = watched(faulty, "beyond", 1, 32, first, 64)
    assert (fault.kind, fault.array, fault.element, fault.writes, fault.line) == ("outside", "x", element, False, 10)
    assert fault.number == {-3: 3, 61: 29, 1000: 32}[first]
    inside = [i for i in range(32) if 0 <= first + i < 64]
    assert np.array_equal(y[inside], x[[first + i for i in inside]]) and np.isnan(np.delete(y[:32], inside)).all()


def test_blocks_that_add_up_without_atomics_race(faulty):
    x, y, (fault,) = watched(faulty, "add_up", 3, 1, 0, 3)
    assert (fault.kind, fault.array, fault.element) == ("global race", "y", 0)
    assert (fault.block, fault.other_block, fault.number) == (1, 0, 4)  # two reads and two writes
    np.testing.assert_allclose(y[0], x.sum(), rtol=1e-6)
    assert not watched(faulty, "add_up", 3, 1, 1, 3)[2]


@pytest.mark.parametrize(("apart", "kinds"), [(1, []), (0, ["shared race"])])
def test_neighbouring_bytes_of_a_word_are_no_race(faulty, apart, kinds):
    assert [fault.kind for fault in watched(faulty, "bytes", 1, 32, apart, 32)[2]] == kinds


@pytest.mark.parametrize("row", [-1, 0, 1, 2])
def test_an_access_beyond_an_array_in_shared_memory_is_named(faulty, row):
    """Words 64 to 95 or -32 to -1 of `first`, which has 64: they are written and read, by 32 threads."""
    x, y, faults = watched(faulty, "rows", 1, 32, row, 32)
    outside = [(fault.kind, fault.shared, fault.array, fault.element, fault.writes, fault.number) for fault in faults]
    assert outside == ([] if row in (0, 1) else [("outside", True, "first", 32 * row, True, 64)])
    assert row not in (0, 1) or np.array_equal(x, y)


def test_the_worst_request_is_kept(own):
    x, y = drawn(64), drawn(64 * 8)
    seen = tracer.watch(lambda launch: launch(f"{own}.strided", 1, 64, (y, x, 8), 64 * 4 * 8))
    assert seen.worst["global store"] == (32, "y", tuple(range(0, 256, 8)))
    assert seen.worst["shared load"].needed == 8 and len(set(seen.worst["shared load"].elements)) == 4


@pytest.mark.parametrize("step", [step for step in ladder.CHANNEL_SUM])
def test_the_ladder_of_sums_has_no_faults(step):
    assert not tracer.watch(lambda launch: ladder.channel_sum(step, drawn(300, 40), launch)).faults


@pytest.mark.parametrize("step", [step for step in ladder.MATMUL])
def test_the_ladder_of_products_has_no_faults(step):
    seen = tracer.watch(lambda launch: ladder.matmul(step, drawn(65, 33), drawn(33, 40), launch))
    assert [fault for fault in seen.faults if step != "epilogue" or fault.kind != "global race"] == []
