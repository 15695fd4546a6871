// 16-bit floating point, held as bits: half has an 11-bit significand and exponents up to 2^15; bfloat16 has float's
// exponents and an 8-bit significand. Arithmetic is done in float. These functions convert and round to nearest even;
// infinities and NaN stay what they are.

struct half { unsigned short bits; };
struct bfloat16 { unsigned short bits; };

__device__ bfloat16 to_bfloat16(float x) {
    const unsigned bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return {(unsigned short) (bits >> 16 | 0x40)};  // a NaN stays a NaN
    return {(unsigned short) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
__device__ float to_float(bfloat16 x) { return __uint_as_float((unsigned) x.bits << 16); }

#ifdef ON_CPU
inline half to_half(float x) {
    const unsigned bits = __float_as_uint(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    unsigned result;
    if (magnitude > 0x7f800000) result = 0x7e00;        // NaN
    else if (magnitude >= 0x477ff000) result = 0x7c00;  // rounds to 2^16 or more: infinity
    else if (magnitude < 0x38800000)                    // subnormal: float's last place in [0.5, 1) is 2^-24, as here
        result = __float_as_uint(__uint_as_float(magnitude) + 0.5f) - 0x3f000000;
    else result = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    return {(unsigned short) (sign | result)};
}
inline float to_float(half x) {
    const unsigned sign = (x.bits & 0x8000u) << 16, magnitude = x.bits & 0x7fffu;
    if (magnitude < 0x400) return __uint_as_float(sign | __float_as_uint(magnitude * 0x1p-24f));
    const unsigned exponent = magnitude >= 0x7c00 ? 0x70000000 : 0x38000000;  // infinity and NaN: the largest
    return __uint_as_float(sign | (magnitude << 13) + exponent);
}
#else
__device__ half to_half(float x) {
    half y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}
__device__ float to_float(half x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
#endif

// 16-bit numbers that are read for sums, which are of type `real` (block_sums.cuh)
__device__ real to_real(bfloat16 x) { return to_float(x); }
__device__ real to_real(half x) { return to_float(x); }

// Two neighbours in one register, the first in the low bits, as tensor cores take them.
template <class T>
__device__ unsigned pack(T low, T high) { return low.bits | (unsigned) high.bits << 16; }
