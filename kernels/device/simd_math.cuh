// exp and tanh that stay SIMD on the CPU, where a call of the C library's function would run one thread after the
// other. On the GPU, and for double, they are the library's functions.

#ifdef ON_CPU
// exp(x) = 2^n exp(r), n = round(x / log 2), |r| <= log(2) / 2; exp(r) by a polynomial (minimax, relative error 3e-9).
__device__ float simd_exp(float x) {
    x = x > 89.0f ? 89.0f : x;  // exp is infinite from here on; a NaN passes both comparisons
    x = x < -104.0f ? -104.0f : x;
    const float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: the last bits of the sum are the rounded n
    const float n = shifted - 12582912.0f;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // log 2 in two parts; n times the first is exact
    const float q = 0.499999934f + r * (0.166665204f + r * (0.0416683908f + r * (8.36874511e-3f + r * 1.38145401e-3f)));
    const int power = __float_as_int(shifted) - __float_as_int(12582912.0f), first = power >> 1;
    const float half_scale = __int_as_float((first + 127) << 23);  // 2^n in two factors, since n may be 128 or -150
    return (1 + (r + r * r * q)) * half_scale * __int_as_float((power - first + 127) << 23);
}

// tanh(x) = 1 - 2 / (exp(2x) + 1). That loses digits where tanh is small; there it is x + x^3 p(x^2) (minimax, relative
// error 3e-9).
__device__ float simd_tanh(float x) {
    const float z = x * x, magnitude = fabs(x);
    const float p = -0.33333298f + z * (0.133319241f + z * (-0.0537838304f + z * (0.020795972f - z * 5.8951584e-3f)));
    const float large = 1 - 2 / (simd_exp(2 * magnitude) + 1);
    return magnitude < 0.6f ? x + x * z * p : x < 0 ? -large : large;
}
#else
__device__ float simd_exp(float x) { return exp(x); }
__device__ float simd_tanh(float x) { return tanh(x); }
#endif

__device__ double simd_exp(double x) { return exp(x); }
__device__ double simd_tanh(double x) { return tanh(x); }
