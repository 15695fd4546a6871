// Factors of tf32: floats of which only the first 10 bits of the fraction count. Sums are float.
#include "device/tensor_core.cuh"

using Number = float;

struct Format {
    static constexpr int K = 8;  // k's per instruction
    __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        mma_tf32(d, a, b);
    }
};
