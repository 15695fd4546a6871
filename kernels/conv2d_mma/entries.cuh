// The kernels: three passes, each with four shapes of tile, from which the launch chooses by the sizes. The repetition
// is needed, because the loader reads the parameter lists from this text.
//
// Grid: x = tiles of rows, y = tiles of columns, z = splits of k. For the input gradient, x counts the phases, too:
// block x computes tile x / phases of phase x % phases. A block has as many threads as its __launch_bounds__ say, and
// STAGES tiles of both factors in shared memory.
//
// y (N, OH, OW, F), x (N, H, W, C), weight (KH, KW, C, F); bias (F), or (C) for the input gradient. y or dx is null where
// `rounded` takes the result, and the other way round; mask and slope: see Result in loop.cuh.
// parts (tiles, splits, numbers of a tile): room for partial sums. counters (tiles * splits): zeros, and zeros
// afterwards. Both may be null if splits is 1 (splits.cuh).

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
#include "walks.cuh"
#include "fragments.cuh"
#include "splits.cuh"
#include "loop.cuh"

using Huge = Shape<256, 128, 4, 2>;   // 256 threads, 96 KB of shared memory
using Wide = Shape<128, 128, 2, 2>;   // 128 threads, 64 KB
using Tall = Shape<256, 64, 4, 1>;    // 128 threads, 80 KB
using Small = Shape<64, 64, 2, 2>;    // 128 threads, 32 KB

#define CONV {N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left}
#define RESULT(out) {out, rounded, bias, mask, slope}

template <class Shape>
__device__ void forward(const Result& y, const Number* x, const Number* weight, float* parts, int* counters,
                        const Conv& conv, int splits) {
    convolve<Shape>(Forward<Shape>(conv, x, weight), y, parts, counters, splits, blockIdx.x);
}

template <class Shape>
__device__ void input_grad(const Result& dx, const Number* dy, const Number* weight, float* parts, int* counters,
                           const Conv& conv, int splits) {
    const int phases = min(conv.SH, conv.H) * min(conv.SW, conv.W), phase = blockIdx.x % phases;
    convolve<Shape>(InputGrad<Shape>(conv, dy, weight, phase), dx, parts, counters, splits, blockIdx.x / phases);
}

template <class Shape>
__device__ void weight_grad(float* dweight, const Number* x, const Number* dy, float* parts, int* counters,
                            const Conv& conv, int splits) {
    const Result result = {dweight, nullptr, nullptr, nullptr, 1};
    convolve<Shape>(WeightGrad<Shape>(conv, x, dy), result, parts, counters, splits, blockIdx.x);
}

extern "C" __global__ void __launch_bounds__(256, 1) conv2d_forward_huge(
    optional float* y, optional Number* rounded, const Number* x, const Number* weight, optional const float* bias,
    optional const Number* mask, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    forward<Huge>(RESULT(y), x, weight, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_forward_wide(
    optional float* y, optional Number* rounded, const Number* x, const Number* weight, optional const float* bias,
    optional const Number* mask, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    forward<Wide>(RESULT(y), x, weight, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_forward_tall(
    optional float* y, optional Number* rounded, const Number* x, const Number* weight, optional const float* bias,
    optional const Number* mask, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    forward<Tall>(RESULT(y), x, weight, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_forward_small(
    optional float* y, optional Number* rounded, const Number* x, const Number* weight, optional const float* bias,
    optional const Number* mask, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    forward<Small>(RESULT(y), x, weight, parts, counters, CONV, splits);
}

extern "C" __global__ void __launch_bounds__(256, 1) conv2d_input_grad_huge(
    optional float* dx, optional Number* rounded, const Number* dy, const Number* weight, optional const float* bias,
    optional const Number* mask, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    input_grad<Huge>(RESULT(dx), dy, weight, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_input_grad_wide(
    optional float* dx, optional Number* rounded, const Number* dy, const Number* weight, optional const float* bias,
    optional const Number* mask, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    input_grad<Wide>(RESULT(dx), dy, weight, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_input_grad_tall(
    optional float* dx, optional Number* rounded, const Number* dy, const Number* weight, optional const float* bias,
    optional const Number* mask, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    input_grad<Tall>(RESULT(dx), dy, weight, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_input_grad_small(
    optional float* dx, optional Number* rounded, const Number* dy, const Number* weight, optional const float* bias,
    optional const Number* mask, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    input_grad<Small>(RESULT(dx), dy, weight, parts, counters, CONV, splits);
}

extern "C" __global__ void __launch_bounds__(256, 1) conv2d_weight_grad_huge(
    float* dweight, const Number* x, const Number* dy, optional float* parts, optional int* counters, int N, int H,
    int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    weight_grad<Huge>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_weight_grad_wide(
    float* dweight, const Number* x, const Number* dy, optional float* parts, optional int* counters, int N, int H,
    int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    weight_grad<Wide>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_weight_grad_tall(
    float* dweight, const Number* x, const Number* dy, optional float* parts, optional int* counters, int N, int H,
    int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    weight_grad<Tall>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_weight_grad_small(
    float* dweight, const Number* x, const Number* dy, optional float* parts, optional int* counters, int N, int H,
    int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    weight_grad<Small>(dweight, x, dy, parts, counters, CONV, splits);
}
