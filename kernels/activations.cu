// Activations and their backward passes, elementwise over `count` numbers.
//
// Thread -> element: a block owns ELEMENTS_PER_BLOCK neighbouring elements (for_elements in common.cuh). The backward
// passes read the output y instead of the input x. dx may be the same array as dy, which is then overwritten.
// Comparisons are written so that a NaN comes through.

#include "device/simd_math.cuh"

// y = max(x, 0)
extern "C" __global__ void relu(real* y, const real* x, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { y[i] = x[i] < 0 ? real(0) : x[i]; });
}

// dx = dy where y > 0, else 0
extern "C" __global__ void relu_backward(real* dx, const real* dy, const real* y, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { dx[i] = y[i] > 0 ? dy[i] : dy[i] * 0; });
}

// y = x where x > 0, else slope * x
extern "C" __global__ void leaky_relu(real* y, const real* x, int count, real slope) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { y[i] = x[i] > 0 ? x[i] : slope * x[i]; });
}

// dx = dy where y > 0, else slope * dy
extern "C" __global__ void leaky_relu_backward(real* dx, const real* dy, const real* y, int count, real slope) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { dx[i] = y[i] > 0 ? dy[i] : slope * dy[i]; });
}

// y = tanh(x)
extern "C" __global__ void tanh_forward(real* y, const real* x, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { y[i] = simd_tanh(x[i]); });
}

// dx = dy (1 - y^2)
extern "C" __global__ void tanh_backward(real* dx, const real* dy, const real* y, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { dx[i] = dy[i] * (1 - y[i] * y[i]); });
}

// y = 1 / (1 + exp(-x)). Where exp overflows to infinity the quotient is 0, as it should be.
extern "C" __global__ void sigmoid(real* y, const real* x, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { y[i] = 1 / (1 + simd_exp(-x[i])); });
}

// dx = dy y (1 - y)
extern "C" __global__ void sigmoid_backward(real* dx, const real* dy, const real* y, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { dx[i] = dy[i] * y[i] * (1 - y[i]); });
}
