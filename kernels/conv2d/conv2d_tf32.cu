// Convolution on tensor cores, factors rounded to tf32: float's range, 10 bits of fraction; sums in float.
// As conv2d.cu in all but the multiplication, which 32 threads do together: mma.cuh. Compute capability 8.0.
#include "device/tensor_core.cuh"

struct Format {
    static constexpr int K = 8;  // k's of one instruction
    __device__ static unsigned pack(float number, float) { return to_tf32(number); }
    __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        mma_tf32(d, a, b);
    }
};
#include "mma.cuh"
