// Factors for the tensor cores: floats rounded to a format that they multiply (device/tensor_core.cuh). A number is
// rounded once, when it is written, and not again each time that it is multiplied. One thread per element (see
// for_elements).
#include "device/factor.cuh"

// y, x (count); y's numbers are floats whose last 13 bits are 0
extern "C" __global__ void round_tf32(float* y, const float* x, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { y[i] = factor_of<float>(x[i]); });
}
extern "C" __global__ void round_bf16(bfloat16* y, const float* x, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { y[i] = factor_of<bfloat16>(x[i]); });
}
extern "C" __global__ void round_fp16(half* y, const float* x, int count) {
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { y[i] = factor_of<half>(x[i]); });
}
