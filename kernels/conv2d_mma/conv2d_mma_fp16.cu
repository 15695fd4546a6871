// Convolution on tensor cores with factors of float16: 10 bits of fraction. Its largest number is 65504, its smallest
// 6e-8, so the loss has to be scaled (loss_scale.cu). Sums are float.
// The file differs from conv2d_mma_tf32.cu only in the numbers and in the instruction that multiplies them.
#include "device/tensor_core.cuh"

using Number = half;

struct Format {
    static constexpr int K = 16;  // k's per instruction, two in a register
    __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        mma_half(d, a, b);
    }
};
#include "entries.cuh"
