// The forward pass: y (N, OH, OW, F) of x (N, H, W, C) and weight (KH, KW, C, F); bias (F).
//
// Grid: x = tiles of rows, y = tiles of columns, z = splits of k. A block has as many threads as its __launch_bounds__
// say, and STAGES stages of both factors in shared memory. There is a kernel for each shape of tile; the repetition is
// needed, because the loader reads the parameter lists from this text.
//
// y is null where `rounded` takes the result, and the other way round; bias, mask and slope: Result in loop.cuh.
// parts (tiles, ceil(splits / 2), numbers of a tile): room for partial sums. counters (tiles * splits): zeros, and
// zeros afterwards. Both may be null if splits is 1 (splits.cuh). NORM_PARAMETERS: norm.cuh.
#include "shapes.cuh"

template <class Shape>
__device__ void forward(const Result& y, const Number* x, const Number* weight, float* parts, int* counters,
                        const Conv& conv, int splits, const Norm& norm) {
    const Forward<Shape> pass(conv, x, weight);
    // Tall tiles leave no registers for batch norm's sums (tensor_cores.conv2d asks for none).
    if constexpr (Shape::ROWS > 2 * Shape::COLUMNS) convolve<Shape>(pass, y, parts, counters, splits, blockIdx.x);
    else convolve<Shape>(pass, y, parts, counters, splits, blockIdx.x, SumForNorm<Shape>{norm});
}

extern "C" __global__ void __launch_bounds__(256, 1) conv2d_forward_huge(
    optional float* y, optional Number* rounded, aligned16 const Number* x, aligned16 const Number* weight,
    optional const float* bias, optional const Number* mask, float slope, optional float* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits,
    NORM_PARAMETERS) {
    forward<Huge>(RESULT(y), x, weight, parts, counters, CONV, splits, NORM);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_forward_wide(
    optional float* y, optional Number* rounded, aligned16 const Number* x, aligned16 const Number* weight,
    optional const float* bias, optional const Number* mask, float slope, optional float* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits,
    NORM_PARAMETERS) {
    forward<Wide>(RESULT(y), x, weight, parts, counters, CONV, splits, NORM);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_forward_tall(
    optional float* y, optional Number* rounded, aligned16 const Number* x, aligned16 const Number* weight,
    optional const float* bias, optional const Number* mask, float slope, optional float* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits,
    NORM_PARAMETERS) {
    forward<Tall>(RESULT(y), x, weight, parts, counters, CONV, splits, NORM);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_forward_small(
    optional float* y, optional Number* rounded, aligned16 const Number* x, aligned16 const Number* weight,
    optional const float* bias, optional const Number* mask, float slope, optional float* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits,
    NORM_PARAMETERS) {
    forward<Small>(RESULT(y), x, weight, parts, counters, CONV, splits, NORM);
}
