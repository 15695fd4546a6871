/* Kernels that reach the peak rates of a machine; benchmarks/measure/machine.py times them.

   fma_chains  every thread runs 16 chains of FMAS fused multiply-adds in registers: 2 * 16 * FMAS FLOPs.
   add         y = a + b: two numbers read and one written for every element, nothing else.

   One thread owns one element. Each number of a chain moves towards 1/2, so it neither overflows nor vanishes. */

constexpr int FMAS = 64;

extern "C" __global__ void fma_chains(real* y, const real* x, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const real half = real(0.5), quarter = real(0.25), v = x[i];
    real a = v, b = v + 1, c = v + 2, d = v + 3, e = v + 4, f = v + 5, g = v + 6, h = v + 7;
    real j = v + 8, k = v + 9, l = v + 10, m = v + 11, o = v + 12, p = v + 13, q = v + 14, r = v + 15;
#pragma unroll
    for (int step = 0; step < FMAS; ++step) {
        a = a * half + quarter, b = b * half + quarter, c = c * half + quarter, d = d * half + quarter;
        e = e * half + quarter, f = f * half + quarter, g = g * half + quarter, h = h * half + quarter;
        j = j * half + quarter, k = k * half + quarter, l = l * half + quarter, m = m * half + quarter;
        o = o * half + quarter, p = p * half + quarter, q = q * half + quarter, r = r * half + quarter;
    }
    y[i] = a + b + c + d + e + f + g + h + j + k + l + m + o + p + q + r;
}

extern "C" __global__ void add(real* y, const real* a, const real* b, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a[i] + b[i];
}
