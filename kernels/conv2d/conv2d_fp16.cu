// Convolution on tensor cores, factors rounded to float16: 10 bits of fraction, but 65504 is the largest and 6e-8 the
// smallest number, so that the loss has to be scaled; sums in float.
// As conv2d.cu in all but the multiplication, which 32 threads do together: mma.cuh. Compute capability 8.0.
#include "device/tensor_core.cuh"

struct Format {
    static constexpr int K = 16;  // k's of one instruction, two to a register
    __device__ static unsigned pack(float low, float high) {
#if !defined(ON_CPU) && __CUDA_ARCH__ >= 800
        unsigned pair;
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));  // both in one instruction
        return pair;
#else
        return ::pack(to_half(low), to_half(high));
#endif
    }
    __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        mma_half(d, a, b);
    }
};
#include "mma.cuh"
