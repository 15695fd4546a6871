// The kernels of all passes share this: their files, in the right order, and the four shapes of a block's tile, from
// which the launch chooses by the sizes.

// Loops over registers must be unrolled on the GPU, whose registers have no addresses. On the CPU these kernels run
// only in tests, slowly in any case; there, unrolling and more optimisation would only cost time in the compiler.
#ifdef ON_CPU
#pragma GCC optimize("O1")
#define UNROLL_ALL
#else
#define UNROLL_ALL _Pragma("unroll")
#endif

#include "device/copy_async.cuh"
#include "device/factor.cuh"
#include "tiles.cuh"
#include "strips.cuh"
#include "walks.cuh"
#include "pixel_walk.cuh"
#include "fragments.cuh"
#include "splits.cuh"
#include "norm.cuh"
#include "loop.cuh"

using Huge = Shape<256, 128, 4, 2>;   // 256 threads, 96 KB of shared memory
using Wide = Shape<128, 128, 2, 2>;   // 128 threads, 64 KB
using Tall = Shape<256, 64, 4, 1>;    // 128 threads, 80 KB
using Small = Shape<64, 64, 2, 2>;    // 128 threads, 32 KB

#define CONV {N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left}
#define RESULT(out) {out, rounded, bias, mask, slope}
