"""A fused kernel: bias, leaky ReLU and the sum of the result in one pass

Behind a convolution come three small operations: z = x + bias, y = z where z > 0, else slope * z, and, for the
batch norm behind it, sums[c] = sum of y over all rows. As three kernels they would read and write the matrix again
each time. Here one kernel does all, and reads x once.

x has `rows` rows of `channels` numbers, bias and sums have one for each channel. A block has 32 x 8 threads and
takes 32 channels, c = 32 blockIdx.x + threadIdx.x, of all rows: thread (c, t) takes the rows t, t + 8, t + 16 ...,
where t is threadIdx.y. channels is a multiple of 32. Each thread adds up its own y; then the 8 threads of a channel
put their sums together in shared memory, and one of them writes sums[c], which holds anything at first. atomicAdd
would do it, too, if sums were set to 0 before the launch. But then the order of the additions changes from run to
run, and with it the last digits: so the target is none.
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import Mistake
from puzzles.kernels import NO_CONFLICTS, SECTORS, Launched, Target

KERNEL, RESULTS = "bias_activation_sum", ("y", "sums")
ROWS, CHANNELS = 128, 64  # of the case that is counted
TARGETS = [
    Target(
        "numbers loaded per number of x",
        lambda counts: counts["global load"].bytes / 4 / (ROWS * CHANNELS),
        1.1,
        "load bias[c] once, before the loop over the rows, and add up y while it is in a register.",
    ),
    *SECTORS,
    NO_CONFLICTS,
    Target("atomics", lambda counts: counts["global atomic"].requests + counts["shared atomic"].requests, 0,
           "add up in shared memory instead."),
]  # fmt: skip
STUB = """
extern "C" __global__ void bias_activation_sum(real* y, real* sums, const real* x, const real* bias, int rows,
                                               int channels, real slope) {
    __shared__ real partial[8][32];
    const int c = 32 * blockIdx.x + threadIdx.x;
    // your lines
}
"""
HINT = """
const real own = bias[c]; and real sum = 0; stand before the loop

    for (int row = threadIdx.y; row < rows; row += 8)

which computes z and y of its row, writes y and adds it to sum. Then partial[threadIdx.y][threadIdx.x] = sum; a barrier;
and the threads with threadIdx.y == 0 add the 8 numbers of their column and write sums[c].
"""


def right(
    y: np.ndarray, sums: np.ndarray, x: np.ndarray, bias: np.ndarray, rows: int, channels: int, slope: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return y and sums."""
    z = x + bias
    y = np.where(z > 0, z, np.float32(slope) * z)
    return y, y.astype("float64").sum(0)


def cases() -> list[Launched]:
    """Return few rows, and the matrix that is counted."""
    rng, found = np.random.default_rng(1), []
    for rows, channels in ((3, 32), (ROWS, CHANNELS)):
        x, bias = (rng.integers(-9, 10, shape).astype("float32") for shape in ((rows, channels), channels))
        args = np.full_like(x, np.nan), np.full_like(bias, np.nan), x, bias, rows, channels, 0.5
        words = f"{rows} rows of {channels} channels, slope 0.5, {channels // 32} blocks of 32 x 8 threads"
        found.append(Launched(words, channels // 32, (32, 8), args))
    return found


MISTAKES = {
    "y": [
        Mistake("lacks the bias.",
                lambda y, sums, x, bias, rows, channels, slope: np.where(x > 0, x, np.float32(slope) * x)),
        Mistake("lacks the activation.", lambda y, sums, x, bias, rows, channels, slope: x + bias),
        Mistake("asks for the sign of x; the activation comes behind the bias: z > 0.",
                lambda y, sums, x, bias, rows, channels, slope: np.where(x > 0, 1, np.float32(slope)) * (x + bias)),
    ],
    "sums": [
        Mistake("is the sum of x + bias, before the activation.",
                lambda y, sums, x, bias, rows, channels, slope: (x + bias).sum(0)),
        Mistake("is the sum of x.", lambda y, sums, x, bias, rows, channels, slope: x.sum(0)),
        Mistake("is the sum of the rows 0, 8, 16 ... alone: add what the other 7 threads of the channel have.",
                lambda y, sums, x, bias, *rest: right(y, sums, x, bias, *rest)[0][::8].sum(0)),
        Mistake("is the sum of the rows 7, 15, 23 ... alone: the threads overwrite each other.",
                lambda y, sums, x, bias, *rest: right(y, sums, x, bias, *rest)[0][7::8].sum(0)),
        Mistake("is the mean over the rows.",
                lambda y, sums, x, bias, rows, *rest: right(y, sums, x, bias, rows, *rest)[1] / rows),
    ],
}  # fmt: skip
