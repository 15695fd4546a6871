// Convolution without a matrix of patches (implicit GEMM), on the CUDA cores: float32 and float64 in full precision.
//
//   y[n, i, j, f]    = bias[f] + sum over p, q, c of  x[n, i*SH + p - top, j*SW + q - left, c] * weight[p, q, c, f]
//   dx               = the same sum read backwards: what each x contributed to (+ bias: a transposed convolution)
//   dweight[p,q,c,f] = sum over n, i, j of  x[n, i*SH + p - top, j*SW + q - left, c] * dy[n, i, j, f]
//
// A block computes a tile of the result, a thread TM x TN sums of it. To be read in this order:
//   passes.cuh     what is multiplied with what: each pass as a matrix product, and where its numbers lie
//   tiles.cuh      how tiles of the factors come into shared memory
//   product.cuh    the loop over k, and the sum of its splits
//   registers.cuh  which thread multiplies what
//   entries.cuh    the kernels
//
// Any size, stride, padding (asymmetric too) and number of channels; fewer than 2^31 numbers in an array.

constexpr int ROW_SHIFT = 0;  // see Tile
#include "passes.cuh"
#include "tiles.cuh"
#include "product.cuh"
#include "registers.cuh"

constexpr int WIDE_BLOCKS = sizeof(real) == 4 ? 2 : 1;  // per multiprocessor, as far as the registers go
template <class Pass> using Wide = RegisterSums<Pass, 128, 128, 8, 8, 2>;   // 256 threads
template <class Pass> using Tall = RegisterSums<Pass, 128, 64, 8, 8, 2>;    // 128 threads
template <class Pass> using Small = RegisterSums<Pass, 64, 64, 8, 4, 3>;    // 128 threads
template <class Pass> using Narrow = RegisterSums<Pass, 128, 8, 4, 2, 3>;   // 128 threads, for up to 8 columns

#include "entries.cuh"
