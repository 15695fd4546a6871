// Convolution on tensor cores (implicit GEMM): the three passes of conv2d/passes.cuh, whose factors were rounded when
// they were written. Here they are floats of which only the first 10 bits of the fraction count (tf32). Sums are float.
//
// The channels C and F are multiples of 8, the arrays begin at multiples of 16 bytes, and a kernel has at most 15 x 15
// taps; conv2d/conv2d.cu takes every other convolution. It needs compute capability 8.0.
//
// A block computes a tile of the result, in a loop over tiles of both factors. For each of these tiles the loop makes
// 16-byte copies from the arrays, whose addresses need one addition each, waits at one barrier, reads whole fragments
// and multiplies them on the tensor cores; it does nothing else. kernels/ladder/matmul_8_taps_by_masks.cu is this loop
// on one page, docs/kernels.md explains it in section 9. Read the files in this order:
//   tiles.cuh      how a tile of a factor lies in shared memory, and which thread copies what
//   walks.cuh      where the numbers of a tile lie in the arrays: rows, taps and channels
//   fragments.cuh  what a warp reads and multiplies
//   splits.cuh     the sum of the parts that several blocks computed
//   loop.cuh       the loop, and the result
//   entries.cuh    the kernels
#include "device/tensor_core.cuh"

using Number = float;

struct Format {
    static constexpr int K = 8;  // k's per instruction
    __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        mma_tf32(d, a, b);
    }
};
#include "entries.cuh"
