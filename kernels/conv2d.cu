// Convolution without a matrix of patches (implicit GEMM), on the CUDA cores: float32 and float64 in full precision.
//
//   y[n, i, j, f]    = bias[f] + sum over p, q, c of  x[n, i*SH + p - top, j*SW + q - left, c] * weight[p, q, c, f]
//   dx               = the same sum read backwards: what each x contributed to (+ bias: a transposed convolution)
//   dweight[p,q,c,f] = sum over n, i, j of  x[n, i*SH + p - top, j*SW + q - left, c] * dy[n, i, j, f]
//
// conv_passes.cuh makes a matrix product out of each, conv_tiles.cuh brings its tiles into shared memory, conv_product.cuh
// loops over k. Here is what is special to this file: each thread keeps TM x TN sums in registers.
//
// Thread -> element: the block's ROWS x COLUMNS sums are dealt out to (ROWS / TM) x (COLUMNS / TN) threads.
//
//              columns of thread tx            VEC k's at a time: TM + TN packs of 16 bytes are read
//            +------------------------+        for TM * TN * VEC multiplications
//   rows  ty |  TM x TN sums of one   |
//            |  thread, in registers  |        rows of a thread: ty, ty + LANES, ...  where k's are neighbours in memory,
//            +------------------------+        else VEC neighbours, then VEC further on, ...
//
// Any size, stride, padding (asymmetric too) and number of channels; fewer than 2^31 numbers in any array.

constexpr int ROW_SHIFT = 0;
#include "conv_passes.cuh"
#include "conv_tiles.cuh"
#include "conv_product.cuh"
#include "conv_registers.cuh"

constexpr int WIDE_BLOCKS = sizeof(real) == 4 ? 2 : 1;  // per multiprocessor, as far as the registers go
template <class Pass> using Wide = RegisterSums<Pass, 128, 128, 8, 8, 2>;   // 256 threads
template <class Pass> using Tall = RegisterSums<Pass, 128, 64, 8, 8, 2>;    // 128 threads
template <class Pass> using Small = RegisterSums<Pass, 64, 64, 8, 4, 3>;    // 128 threads
template <class Pass> using Narrow = RegisterSums<Pass, 128, 8, 4, 2, 3>;   // 128 threads, for up to 8 columns

#include "conv_entries.cuh"
