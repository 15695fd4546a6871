// The kernels: three passes, each with four shapes of tile, from which the launch chooses by the sizes. The repetition
// is needed, because the loader reads the parameter lists from this text.
//
// Grid: x = tiles of rows, y = tiles of columns, z = splits of k. For the input gradient x counts the phases, too: block
// x computes tile x / phases of phase x % phases. A block has as many threads as its __launch_bounds__ say, and STAGES
// tiles of both factors in shared memory.
//
// y (N, OH, OW, F), x (N, H, W, C), weight (KH, KW, C, F); bias (F), or (C) for the input gradient.
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
#include "tiles.cuh"
#include "walks.cuh"
#include "fragments.cuh"
#include "splits.cuh"
#include "loop.cuh"

using Huge = Shape<256, 128, 4, 2>;   // 256 threads, 96 KB of shared memory
using Wide = Shape<128, 128, 2, 2>;   // 128 threads, 64 KB
using Tall = Shape<256, 64, 4, 1>;    // 128 threads, 80 KB
using Small = Shape<64, 64, 2, 2>;    // 128 threads, 32 KB

template <class Shape>
__device__ void forward(float* y, const Number* x, const Number* weight, const float* bias, float* parts,
                        int* counters, const Conv& conv, int splits) {
    convolve<Shape>(Forward<Shape>(conv, x, weight), y, bias, parts, counters, splits, blockIdx.x);
}

template <class Shape>
__device__ void input_grad(float* dx, const Number* dy, const Number* weight, const float* bias, float* parts,
                           int* counters, const Conv& conv, int splits) {
    const int phases = min(conv.SH, conv.H) * min(conv.SW, conv.W), phase = blockIdx.x % phases;
    convolve<Shape>(InputGrad<Shape>(conv, dy, weight, phase), dx, bias, parts, counters, splits,
                    blockIdx.x / phases);
}

template <class Shape>
__device__ void weight_grad(float* dweight, const Number* x, const Number* dy, float* parts, int* counters,
                            const Conv& conv, int splits) {
    convolve<Shape>(WeightGrad<Shape>(conv, x, dy), dweight, nullptr, parts, counters, splits, blockIdx.x);
}

#define CONV {N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left}

extern "C" __global__ void __launch_bounds__(256, 1) conv2d_forward_huge(
    float* y, const Number* x, const Number* weight, optional const float* bias, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    forward<Huge>(y, x, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_forward_wide(
    float* y, const Number* x, const Number* weight, optional const float* bias, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    forward<Wide>(y, x, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_forward_tall(
    float* y, const Number* x, const Number* weight, optional const float* bias, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    forward<Tall>(y, x, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_forward_small(
    float* y, const Number* x, const Number* weight, optional const float* bias, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    forward<Small>(y, x, weight, bias, parts, counters, CONV, splits);
}

extern "C" __global__ void __launch_bounds__(256, 1) conv2d_input_grad_huge(
    float* dx, const Number* dy, const Number* weight, optional const float* bias, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    input_grad<Huge>(dx, dy, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_input_grad_wide(
    float* dx, const Number* dy, const Number* weight, optional const float* bias, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    input_grad<Wide>(dx, dy, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_input_grad_tall(
    float* dx, const Number* dy, const Number* weight, optional const float* bias, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    input_grad<Tall>(dx, dy, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_input_grad_small(
    float* dx, const Number* dy, const Number* weight, optional const float* bias, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    input_grad<Small>(dx, dy, weight, bias, parts, counters, CONV, splits);
}

extern "C" __global__ void __launch_bounds__(256, 1) conv2d_weight_grad_huge(
    float* dweight, const Number* x, const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    weight_grad<Huge>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_weight_grad_wide(
    float* dweight, const Number* x, const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    weight_grad<Wide>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_weight_grad_tall(
    float* dweight, const Number* x, const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    weight_grad<Tall>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_weight_grad_small(
    float* dweight, const Number* x, const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    weight_grad<Small>(dweight, x, dy, parts, counters, CONV, splits);
}
