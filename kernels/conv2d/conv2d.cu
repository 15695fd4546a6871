// Convolution without a matrix of patches in memory (implicit GEMM), on the CUDA cores: float32 and float64 in full
// precision.
//
//   y[n, i, j, f]    = bias[f] + sum over p, q, c of  x[n, i*SH + p - top, j*SW + q - left, c] * weight[p, q, c, f]
//   dx[n, h, w, c]   = the sum of dy * weight over all outputs that this x contributed to; + bias[c], which makes it a
//                      transposed convolution
//   dweight[p,q,c,f] = sum over n, i, j of  x[n, i*SH + p - top, j*SW + q - left, c] * dy[n, i, j, f]
//
// x (N, H, W, C), weight (KH, KW, C, F), y (N, OH, OW, F). Any size, stride, padding (asymmetric too) and number of
// channels; fewer than 2^31 numbers in an array. Where a number lies is therefore looked up in shared memory, as the sum
// of two Places. The walks of conv2d_mma/ find it in fewer instructions, but take only channels that fill whole chunks of
// 16 bytes and few taps, and hold a mask and an address per row in registers. Here the sums leave no register free.
//
// Counted in the machine code of the largest tile (sm_90): a thread makes 1024 multiplications with the 16 k's of a tile
// in 1225 to 1252 instructions, and walks would save about 75 of these. The 201 to 228 others are 64 reads of factors,
// about 75 for the four copies and their Places, and the control of the loops. The first warp counts the k's besides, in
// 49 to 71 instructions.
//
// Thread -> element: a block computes a tile of the result, a thread TM x TN sums of it. Read the files in this order:
//   passes.cuh     the three passes as matrix products, and where their numbers lie
//   tiles.cuh      how tiles of the factors come into shared memory
//   product.cuh    the loop over k, and the sum of its splits
//   registers.cuh  which thread multiplies which numbers
//   entries.cuh    the kernels

#include "passes.cuh"
#include "tiles.cuh"
#include "product.cuh"
#include "registers.cuh"

constexpr int WIDE_BLOCKS = sizeof(real) == 4 ? 2 : 1;  // blocks per multiprocessor that the registers must allow

// Four shapes of tile: rows and columns of a block's tile, rows and columns of a thread's sums, stages.
template <class Pass> using Wide = RegisterSums<Pass, 128, 128, 8, 8, 2>;   // 256 threads
template <class Pass> using Tall = RegisterSums<Pass, 128, 64, 8, 8, 2>;    // 128 threads
template <class Pass> using Small = RegisterSums<Pass, 64, 64, 8, 4, 3>;    // 128 threads
template <class Pass> using Narrow = RegisterSums<Pass, 128, 8, 4, 2, 3>;   // 128 threads, for up to 8 columns

#include "entries.cuh"
