// Convolution on tensor cores: the factors are rounded to float16 (10 bits of fraction), sums are float. The largest
// number of float16 is 65504 and the smallest is 6e-8, so the loss has to be scaled (loss_scale.cu).
// It differs from conv2d.cu only in the multiplication, which the 32 threads of a warp make together (mma.cuh). It
// needs compute capability 8.0.
#include "device/tensor_core.cuh"

struct Format {
    static constexpr int K = 16;  // k's per instruction, two in a register
    __device__ static unsigned pack(float low, float high) {
#if !defined(ON_CPU) && __CUDA_ARCH__ >= 800
        unsigned pair;
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));  // one instruction rounds both
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
