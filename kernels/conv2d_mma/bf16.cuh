// Factors of bfloat16: float's range, 7 bits of fraction. Sums are float.
#include "device/tensor_core.cuh"

using Number = bfloat16;

struct Format {
    static constexpr int K = 16;  // k's per instruction, two in a register
    __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        mma_bfloat16(d, a, b);
    }
};
