// Rounding to the formats of the tensor cores: to the nearest number; ties go to the even one (16 bits) or away from
// zero (tf32). Infinity and NaN stay what they are.
//   float     tf32: float's range, 10 bits of fraction; the last 13 bits are 0
//   half      fp16: up to 65504, 10 bits of fraction
//   bfloat16  bf16: float's range, 7 bits of fraction

#include "half.cuh"

template <class Number> __device__ Number factor_of(float x);
template <> __device__ float factor_of<float>(float x) {
#if !defined(ON_CPU) && __CUDA_ARCH__ >= 800
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return __uint_as_float(y);
#else
    const unsigned bits = __float_as_uint(x);
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;  // perhaps by its last bits alone, which are cut off below
    return __uint_as_float(nan ? 0x7fffffffu : (bits + 0x1000u) & 0xffffe000u);
#endif
}
template <> __device__ half factor_of<half>(float x) { return to_half(x); }
template <> __device__ bfloat16 factor_of<bfloat16>(float x) { return to_bfloat16(x); }
__device__ float to_float(float x) { return x; }
