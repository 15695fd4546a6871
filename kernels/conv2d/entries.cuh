// The kernels: three passes, each with four shapes of tile, from which the launch chooses by the sizes. The repetition
// is needed, because the loader reads the parameter lists from this text.
//
// Grid: x = tiles of rows (times phases for the input gradient, which count faster), y = tiles of columns, z = splits
// of k. A block has as many threads as its __launch_bounds__ say.
//
// y (N, OH, OW, F), x (N, H, W, C), weight (KH, KW, C, F); bias (F), or (C) for the input gradient.
// parts (tiles, splits, numbers of a tile): room for partial sums. counters (levels * tiles * splits): zeros, and zeros
// afterwards. Both may be null if splits is 1 (product.cuh).

template <template <class> class Sums>
__device__ void forward(real* y, const real* x, const real* weight, const real* bias, real* parts, int* counters,
                        const Conv& conv, int splits) {
    __shared__ Forward pass;
    if (threadIdx.x == 0) pass.set(conv, x, weight);
    __syncthreads();
    convolve<Sums<Forward>>(pass, y, bias, parts, counters, splits, blockIdx.x);
}

template <template <class> class Sums>
__device__ void input_grad(real* dx, const real* dy, const real* weight, const real* bias, real* parts, int* counters,
                           const Conv& conv, int splits) {
    __shared__ InputGrad pass;
    const int phases = min(conv.SH, conv.H) * min(conv.SW, conv.W);
    if (threadIdx.x == 0) pass.set(conv, dy, weight, blockIdx.x % phases);
    __syncthreads();
    convolve<Sums<InputGrad>>(pass, dx, bias, parts, counters, splits, blockIdx.x / phases);
}

template <template <class> class Sums>
__device__ void weight_grad(real* dweight, const real* x, const real* dy, real* parts, int* counters, const Conv& conv,
                            int splits) {
    __shared__ WeightGrad pass;
    if (threadIdx.x == 0) pass.set(conv, x, dy);
    __syncthreads();
    convolve<Sums<WeightGrad>>(pass, dweight, nullptr, parts, counters, splits, blockIdx.x);
}

#define CONV {N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left}

extern "C" __global__ void __launch_bounds__(256, WIDE_BLOCKS) conv2d_forward_wide(
    real* y, const real* x, const real* weight, optional const real* bias, optional real* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    forward<Wide>(y, x, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128) conv2d_forward_tall(
    real* y, const real* x, const real* weight, optional const real* bias, optional real* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    forward<Tall>(y, x, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128) conv2d_forward_small(
    real* y, const real* x, const real* weight, optional const real* bias, optional real* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    forward<Small>(y, x, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128) conv2d_forward_narrow(
    real* y, const real* x, const real* weight, optional const real* bias, optional real* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    forward<Narrow>(y, x, weight, bias, parts, counters, CONV, splits);
}

extern "C" __global__ void __launch_bounds__(256, WIDE_BLOCKS) conv2d_input_grad_wide(
    real* dx, const real* dy, const real* weight, optional const real* bias, optional real* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    input_grad<Wide>(dx, dy, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128) conv2d_input_grad_tall(
    real* dx, const real* dy, const real* weight, optional const real* bias, optional real* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    input_grad<Tall>(dx, dy, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128) conv2d_input_grad_small(
    real* dx, const real* dy, const real* weight, optional const real* bias, optional real* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    input_grad<Small>(dx, dy, weight, bias, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128) conv2d_input_grad_narrow(
    real* dx, const real* dy, const real* weight, optional const real* bias, optional real* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    input_grad<Narrow>(dx, dy, weight, bias, parts, counters, CONV, splits);
}

extern "C" __global__ void __launch_bounds__(256, WIDE_BLOCKS) conv2d_weight_grad_wide(
    real* dweight, const real* x, const real* dy, optional real* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    weight_grad<Wide>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128) conv2d_weight_grad_tall(
    real* dweight, const real* x, const real* dy, optional real* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    weight_grad<Tall>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128) conv2d_weight_grad_small(
    real* dweight, const real* x, const real* dy, optional real* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    weight_grad<Small>(dweight, x, dy, parts, counters, CONV, splits);
}
extern "C" __global__ void __launch_bounds__(128) conv2d_weight_grad_narrow(
    real* dweight, const real* x, const real* dy, optional real* parts, optional int* counters,
    int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits) {
    weight_grad<Narrow>(dweight, x, dy, parts, counters, CONV, splits);
}
