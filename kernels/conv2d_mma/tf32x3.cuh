// Factors of float, each taken apart into two numbers of tf32: x = big + small, where big has the first 10 bits of the
// fraction and small the next 11. Three products give nearly what one of floats would:
//     a b = big_a big_b + big_a small_b + small_a big_b + (small_a small_b, which is below 2^-22 of it and left out)
// Ootomo & Yokota, "Recovering single precision accuracy from tensor cores", 2022. Sums are float. Infinity gives NaN.
#include "device/tensor_core.cuh"

using Number = float;

struct Format {
    static constexpr int K = 8;  // k's per instruction

    template <int COUNT>
    __device__ static void take_apart(unsigned (&big)[COUNT], unsigned (&small)[COUNT], const unsigned (&x)[COUNT]) {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            big[i] = to_tf32(__uint_as_float(x[i]));
            small[i] = __float_as_uint(__uint_as_float(x[i]) - __uint_as_float(big[i]));
        }
    }
    __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
        unsigned big_a[4], small_a[4], big_b[2], small_b[2];
        take_apart(big_a, small_a, a);
        take_apart(big_b, small_b, b);
        mma_tf32(d, small_a, big_b);  // the small ones first: so the sum loses least
        mma_tf32(d, big_a, small_b);
        mma_tf32(d, big_a, big_b);
    }
};
