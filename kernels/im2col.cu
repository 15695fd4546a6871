// The patches of a convolution as the rows of a matrix (im2col), and the adjoint of that (fold).
//
//     unfold   columns[n, oh, ow, kh, kw, c] = x[n, oh SH + kh - top, ow SW + kw - left, c], 0 outside
//     fold     x[n, h, w, c] = sum of the columns that hold that pixel
//
// x (N, H, W, C), columns (N, OH, OW, KH, KW, C). The channels come last, so KW neighbouring pixels are one run of
// KW * C numbers, in x and in the columns. `line` is W * C, `run` is KW * C.
//
// The fold gathers: a thread owns one number of x and looks up the columns that hold it. So no two threads write to one
// place, and no atomics are needed.

// Block: tap row kh of output line oh of image n (blockIdx.x = (n OH + oh) KH + kh), some outputs ow (threadIdx.y).
// Thread: number j of the run of one output. blockDim.x divides the run and blockDim.y divides OW; blockIdx.y counts
// pieces of the run (fast) and of the OW outputs.
#include "im2col_unfold.cuh"

extern "C" __global__ void unfold(real* columns, const real* x, int height, int line, int channels, int out_height,
                                  int out_width, int kernel_h, int run, int stride_h, int stride_w, int top, int left) {
    const int pieces = run / blockDim.x, tile = blockIdx.y / pieces;
    const int j = (blockIdx.y - tile * pieces) * blockDim.x + threadIdx.x, ow = tile * blockDim.y + threadIdx.y;
    const PatchRow row(x, blockIdx.x, height, line, out_height, out_width, kernel_h, run, stride_h, top);
    columns[row.target + (long long) ow * kernel_h * run + j] = row.number((ow * stride_w - left) * channels, run, j);
}

// Add up the columns that hold pixel (h, w), where h and w count from the padded image's edge.
//
// Let h = SH a + p with 0 <= p < SH. Line h is tap kh = p of output oh = a, tap p + SH of output a - 1, tap p + 2 SH of
// output a - 2, and so on: at most ceil(KH / SH) taps. Columns work alike. Example: KH = 4, SH = 2: line 5 is tap 1 of
// output 2 and tap 3 of output 1. Where the number of taps is a constant, TAPS, the loops unroll and the loop over
// threads becomes SIMD; TAPS = 0 takes any number.
template <int TAPS>
__device__ real sum_of_taps(const real* columns, int image, int h, int w, int c, int channels, int out_height,
                            int out_width, int kernel_h, int kernel_w, int stride_h, int stride_w) {
    const int oh = h / stride_h, kh = h - oh * stride_h, ow = w / stride_w, kw = w - ow * stride_w;
    const int down = TAPS ? TAPS : (kernel_h - 1) / stride_h + 1, across = TAPS ? TAPS : (kernel_w - 1) / stride_w + 1;
    real sum = 0;
#pragma unroll
    for (int a = 0; a < down; ++a)
#pragma unroll
        for (int b = 0; b < across; ++b) {
            const int p = kh + a * stride_h, q = kw + b * stride_w, i = oh - a, j = ow - b;
            const int mask = mask_of_range(p, kernel_h) & mask_of_range(q, kernel_w) &  //
                             mask_of_range(i, out_height) & mask_of_range(j, out_width);
            const long long patch = ((long long) image * out_height + i) * out_width + j;
            const long long at = mask & (((patch * kernel_h + p) * kernel_w + q) * channels);
            sum += masked(columns[at + c], mask);
        }
    return sum;
}

// Block: some pixels w (threadIdx.y) of line h of image n (blockIdx.x = n H + h). Thread: one channel of one pixel.
// blockDim.x divides the channels and blockDim.y the width; blockIdx.y counts pieces of the channels (fast) and of w.
// fold_1 to fold_4 are for 1 to 4 taps, fold_any for more.
#define FOLD(TAPS) \
    const int pieces = channels / blockDim.x, tile = blockIdx.y / pieces; \
    const int c = (blockIdx.y - tile * pieces) * blockDim.x + threadIdx.x, w = tile * blockDim.y + threadIdx.y; \
    const int image = blockIdx.x / height, h = blockIdx.x - image * height; \
    x[((long long) blockIdx.x * width + w) * channels + c] = \
        sum_of_taps<TAPS>(columns, image, h + top, w + left, c, channels, out_height, out_width, kernel_h, kernel_w, \
                          stride_h, stride_w);

extern "C" __global__ void fold_1(
    real* x, const real* columns, int height, int width, int channels, int out_height, int out_width, int kernel_h,
    int kernel_w, int stride_h, int stride_w, int top, int left) {
    FOLD(1)
}
extern "C" __global__ void fold_2(
    real* x, const real* columns, int height, int width, int channels, int out_height, int out_width, int kernel_h,
    int kernel_w, int stride_h, int stride_w, int top, int left) {
    FOLD(2)
}
extern "C" __global__ void fold_3(
    real* x, const real* columns, int height, int width, int channels, int out_height, int out_width, int kernel_h,
    int kernel_w, int stride_h, int stride_w, int top, int left) {
    FOLD(3)
}
extern "C" __global__ void fold_4(
    real* x, const real* columns, int height, int width, int channels, int out_height, int out_width, int kernel_h,
    int kernel_w, int stride_h, int stride_w, int top, int left) {
    FOLD(4)
}
extern "C" __global__ void fold_any(
    real* x, const real* columns, int height, int width, int channels, int out_height, int out_width, int kernel_h,
    int kernel_w, int stride_h, int stride_w, int top, int left) {
    FOLD(0)
}
