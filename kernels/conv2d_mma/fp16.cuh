// Factors of float16: 10 bits of fraction. The largest number is 65504 and the smallest is 6e-8, so the loss has to be
// scaled (loss_scale.cu). Sums are float.
#include "device/tensor_core.cuh"

using Number = half;

struct Format {
    static constexpr int K = 16;  // k's per instruction, two in a register
    __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        mma_half(d, a, b);
    }
};
