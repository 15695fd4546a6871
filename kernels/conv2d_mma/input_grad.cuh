// The input gradient: dx (N, H, W, C) of dy (N, OH, OW, F) and weight (KH, KW, C, F); bias (C), which makes it a
// transposed convolution.
//
// Grid: x = tiles of rows and phases: block x computes tile x / phases of phase x % phases; y = tiles of columns, z =
// splits of k. A block has as many threads as its __launch_bounds__ say, and STAGES stages of both factors in shared
// memory. There is a kernel for each shape of tile; the repetition is needed, because the loader reads the parameter
// lists from this text.
//
// dx is null where `rounded` takes the result, and the other way round; bias, mask and slope: Result in loop.cuh.
// parts (tiles, ceil(splits / 2), numbers of a tile): room for partial sums. counters (tiles * splits): zeros, and
// zeros afterwards. Both may be null if splits is 1 (splits.cuh). NORM_PARAMETERS: norm.cuh.
#include "shapes.cuh"

template <class Shape>
__device__ void input_grad(const Result& dx, const Number* dy, const Number* weight, float* parts, int* counters,
                           const Conv& conv, int splits, const Norm& norm) {
    const int phases = min(conv.SH, conv.H) * min(conv.SW, conv.W), phase = blockIdx.x % phases;
    convolve<Shape>(InputGrad<Shape>(conv, dy, weight, phase), dx, parts, counters, splits, blockIdx.x / phases,
                    SumForNorm<Shape>{norm});
}

extern "C" __global__ void __launch_bounds__(256, 1) conv2d_input_grad_huge(
    optional float* dx, optional Number* rounded, aligned16 const Number* dy, aligned16 const Number* weight,
    optional const float* bias, optional const Number* mask, float slope, optional float* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits,
    NORM_PARAMETERS) {
    input_grad<Huge>(RESULT(dx), dy, weight, parts, counters, CONV, splits, NORM);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_input_grad_wide(
    optional float* dx, optional Number* rounded, aligned16 const Number* dy, aligned16 const Number* weight,
    optional const float* bias, optional const Number* mask, float slope, optional float* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits,
    NORM_PARAMETERS) {
    input_grad<Wide>(RESULT(dx), dy, weight, parts, counters, CONV, splits, NORM);
}
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_input_grad_tall(
    optional float* dx, optional Number* rounded, aligned16 const Number* dy, aligned16 const Number* weight,
    optional const float* bias, optional const Number* mask, float slope, optional float* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits,
    NORM_PARAMETERS) {
    input_grad<Tall>(RESULT(dx), dy, weight, parts, counters, CONV, splits, NORM);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_input_grad_small(
    optional float* dx, optional Number* rounded, aligned16 const Number* dy, aligned16 const Number* weight,
    optional const float* bias, optional const Number* mask, float slope, optional float* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits,
    NORM_PARAMETERS) {
    input_grad<Small>(RESULT(dx), dy, weight, parts, counters, CONV, splits, NORM);
}
