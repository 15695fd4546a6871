// Convolution on tensor cores: the factors are rounded to tf32 (float's range, 10 bits of fraction), sums are float.
// It differs from conv2d.cu only in the multiplication, which the 32 threads of a warp make together (mma.cuh). It
// needs compute capability 8.0.
#include "device/tensor_core.cuh"

struct Format {
    static constexpr int K = 8;  // k's per instruction
    __device__ static unsigned pack(float number, float) { return to_tf32(number); }
    __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        mma_tf32(d, a, b);
    }
};
#include "mma.cuh"
