// Kernels that write factors for the tensor cores, each number rounded once, or that read them. Apart from the rounding
// they compute what the kernels of the same names in activations.cu, batchnorm.cu, im2col.cu and adam.cu compute, and
// their threads own the same elements unless a comment says otherwise.
#include "device/factor.cuh"
#include "adam_at_once.cuh"
#include "batchnorm.cuh"
#include "few_rows.cuh"
#include "im2col_unfold.cuh"
#include "inner_products.cuh"

// y = x; y, x (count)
extern "C" __global__ void round_factors(Number* y, const float* x, int count) {
    const auto body = [=](int i, float x) { y[i] = factor_of<Number>(x); };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}

// y = x where x > 0, else slope * x
extern "C" __global__ void leaky_relu(Number* y, const float* x, int count, float slope) {
    const auto body = [=](int i, float x) { y[i] = factor_of<Number>(x > 0 ? x : slope * x); };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}

// leaky_relu_backward for one thread; a dx of floats is not rounded
template <class Dy>
__device__ void mask_elements(Dy* dx, const Dy* dy, const Number* y, int block, int thread, int count, float slope) {
    const auto body = [=](int i, Dy dy, Number y) {
        if constexpr (sizeof(Dy) == sizeof(float)) dx[i] = to_float(y) > 0 ? dy : slope * dy;
        else dx[i] = to_float(y) > 0 ? dy : factor_of<Dy>(slope * to_float(dy));
    };
    for_elements(false, block, thread, count, body, dy, y);
}

// dx = dy where y > 0, else slope * dy. dy is plain, and so is dx; or both are factors.
extern "C" __global__ void leaky_relu_backward(const Number* y, optional float* dx, optional const float* dy,
                                               optional Number* rounded_dx, optional const Number* rounded_dy,
                                               int count, float slope) {
    if (rounded_dy) mask_elements(rounded_dx, rounded_dy, y, blockIdx.x, threadIdx.x, count, slope);
    else mask_elements(dx, dy, y, blockIdx.x, threadIdx.x, count, slope);
}

// im2col.cu's unfold: columns (N, OH, OW, KH, KW, C) of x (N, H, W, C). A thread writes 4 neighbours of a run, which is
// a multiple of 4; blockDim.x divides a quarter of it.
extern "C" __global__ void unfold(aligned16 Number* columns, const float* x, int height, int line, int channels,
                                  int out_height, int out_width, int kernel_h, int run, int stride_h, int stride_w,
                                  int top, int left) {
    struct alignas(4 * sizeof(Number)) Four { Number numbers[4]; } four;
    const int pieces = run / 4 / blockDim.x, tile = blockIdx.y / pieces;
    const int j = 4 * ((blockIdx.y - tile * pieces) * blockDim.x + threadIdx.x), ow = tile * blockDim.y + threadIdx.y;
    const PatchRow row(x, blockIdx.x, height, line, out_height, out_width, kernel_h, run, stride_h, top);
    const int begin = (ow * stride_w - left) * channels;
#pragma unroll
    for (int e = 0; e < 4; ++e) four.numbers[e] = factor_of<Number>(row.number(begin, run, j + e));
    *reinterpret_cast<Four*>(columns + row.target + (long long) ow * kernel_h * run + j) = four;
}

// adam.cu's adam_update, which also writes the rounded parameters
extern "C" __global__ void adam_update(Number* rounded, float* param, float* m, float* v, const float* grad,
                                       const double* state, int count, float b1, float g1, float b2, float g2,
                                       float eps, float decay) {
    const AdamStep step(state, b1, g1, b2, g2, eps, decay);
    const auto body = [=](int i, float old_param, float old_m, float old_v, float gradient) {
        param[i] = step.update(m + i, v + i, old_param, old_m, old_v, gradient);
        rounded[i] = factor_of<Number>(param[i]);
    };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, param, m, v, grad);
}

// adam.cu's adam_at_once, which also writes the rounded matrices
extern "C" __global__ void __launch_bounds__(256, 4) adam_at_once(
    Number* rounded, double* state, optional const double* scaling, int* arrivals, float* param, float* m, float* v,
    const float* grad, optional float* param_average, int count, optional float* vectors, optional float* vectors_m,
    optional float* vectors_v, optional const float* vectors_grad, optional float* vectors_average, int vectors_count,
    optional float* average, optional const float* buffers, int buffers_count, double b1, double b2, float eps,
    float decay, double most) {
    const auto round = [=](int i, float x) { rounded[i] = factor_of<Number>(x); };
    adam_step(state, scaling, arrivals, {param, m, v, grad, param_average, count},
              {vectors, vectors_m, vectors_v, vectors_grad, vectors_average, vectors_count}, average, buffers,
              buffers_count, b1, b2, eps, decay, most, round, [](int, float) {});
}
