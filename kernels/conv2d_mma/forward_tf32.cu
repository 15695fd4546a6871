// Convolution on tensor cores (implicit GEMM): the three passes of conv2d/passes.cuh, whose factors were rounded when
// they were written. Sums are float.
//
// The channels C and F are multiples of 8, the arrays begin at multiples of 16 bytes, and a kernel has at most 15 x 15
// taps; of_cells.cuh takes pictures, and conv2d/conv2d.cu every other convolution. It needs compute capability 8.0.
//
// A block computes a tile of the result, in a loop over tiles of both factors. For each of these tiles the loop makes
// 16-byte copies from the arrays, whose addresses need one addition each, waits at one barrier, reads whole fragments
// and multiplies them on the tensor cores; it does nothing else. kernels/ladder/matmul_8_taps_by_masks.cu is this loop
// on one page, docs/kernels.md explains it in section 9. Read the files in this order:
//   tiles.cuh      how a tile of a factor lies in shared memory, and which thread copies what
//   walks.cuh      where the numbers of a tile lie in the arrays: rows, taps and channels
//   fragments.cuh  what a warp reads and multiplies
//   splits.cuh     the sum of the parts that several blocks computed
//   norm.cuh       what a batch norm before or behind the convolution needs of the result
//   loop.cuh       the loop, and the result
//   shapes.cuh     the four shapes of a block's tile
//   forward.cuh, input_grad.cuh, weight_grad.cuh   the kernels
//   of_cells.cuh   the same three passes over pictures, which have few channels
// One more header says which numbers are multiplied, and how: tf32.cuh, bf16.cuh, fp16.cuh or tf32x3.cuh. Each pass and
// format is a file of its own, so that they can be compiled at the same time.
#include "tf32.cuh"
#include "forward.cuh"
