// Activations and their backward passes, elementwise over `count` numbers.
//
// Thread -> element: a block owns ELEMENTS_PER_BLOCK neighbouring elements (for_elements in common.cuh). The backward
// passes read the output y instead of the input x. dx may be the same array as dy, which is then overwritten.
// Comparisons are written so that a NaN comes through.

#include "device/simd_math.cuh"

// y = max(x, 0)
extern "C" __global__ void relu(real* y, const real* x, int count) {
    const auto body = [=](int i, real x) { y[i] = x < 0 ? real(0) : x; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}

// dx = dy where y > 0, else 0
extern "C" __global__ void relu_backward(real* dx, const real* dy, const real* y, int count) {
    const auto body = [=](int i, real dy, real y) { dx[i] = y > 0 ? dy : dy * 0; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, dy, y);
}

// y = x where x > 0, else slope * x
extern "C" __global__ void leaky_relu(real* y, const real* x, int count, real slope) {
    const auto body = [=](int i, real x) { y[i] = x > 0 ? x : slope * x; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}

// dx = dy where y > 0, else slope * dy
extern "C" __global__ void leaky_relu_backward(real* dx, const real* dy, const real* y, int count, real slope) {
    const auto body = [=](int i, real dy, real y) { dx[i] = y > 0 ? dy : slope * dy; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, dy, y);
}

// y = tanh(x)
extern "C" __global__ void tanh_forward(real* y, const real* x, int count) {
    const auto body = [=](int i, real x) { y[i] = simd_tanh(x); };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}

// dx = dy (1 - y^2)
extern "C" __global__ void tanh_backward(real* dx, const real* dy, const real* y, int count) {
    const auto body = [=](int i, real dy, real y) { dx[i] = dy * (1 - y * y); };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, dy, y);
}

// y = 1 / (1 + exp(-x)). Where exp overflows to infinity the quotient is 0, as it should be.
extern "C" __global__ void sigmoid(real* y, const real* x, int count) {
    const auto body = [=](int i, real x) { y[i] = 1 / (1 + simd_exp(-x)); };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}

// dx = dy y (1 - y)
extern "C" __global__ void sigmoid_backward(real* dx, const real* dy, const real* y, int count) {
    const auto body = [=](int i, real dy, real y) { dx[i] = dy * y * (1 - y); };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, dy, y);
}
