// The weight gradient: dweight (KH, KW, C, F) of x (N, H, W, C) and dy (N, OH, OW, F).
//
// Grid: x = tiles of rows, y = tiles of columns, z = splits of k. A block has as many threads as its __launch_bounds__
// say, and STAGES stages of both factors in shared memory. There is a kernel for each shape of tile; the repetition is
// needed, because the loader reads the parameter lists from this text.
//
// parts (tiles, ceil(splits / 2), numbers of a tile): room for partial sums. counters (tiles * splits): zeros, and
// zeros afterwards. Both may be null if splits is 1 (splits.cuh).
#include "shapes.cuh"

template <class Shape>
__device__ void weight_grad(float* dweight, const Number* x, const Number* dy, float* parts, int* counters,
                            const Conv& conv, int splits) {
    const Result result = {dweight, nullptr, nullptr, nullptr, 1};
    convolve<Shape>(WeightGrad<Shape>(conv, x, dy), result, parts, counters, splits, blockIdx.x);
}

extern "C" __global__ void __launch_bounds__(256, 1) conv2d_weight_grad_huge(
    float* dweight, aligned16 const Number* x, aligned16 const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    weight_grad<Huge>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_weight_grad_wide(
    float* dweight, aligned16 const Number* x, aligned16 const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    weight_grad<Wide>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_weight_grad_tall(
    float* dweight, aligned16 const Number* x, aligned16 const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    weight_grad<Tall>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_weight_grad_small(
    float* dweight, aligned16 const Number* x, aligned16 const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    weight_grad<Small>(dweight, x, dy, parts, counters, CONV, splits);
}
