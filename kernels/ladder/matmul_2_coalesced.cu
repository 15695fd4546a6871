// Step 2 of 9, matrix product: neighbouring threads, neighbouring columns.
//
//   c[m, n] = sum over k of a[m, k] b[k, n]        a (M, K), b (K, N), c (M, N), rows contiguous
//
// Defect removed: the scattered addresses. Not a line of arithmetic changes; threadIdx.x now counts along n, the
// index that is contiguous in b and c.
// Thread -> element: n = blockIdx.x * 32 + threadIdx.x, m = blockIdx.y * 8 + threadIdx.y.
//
// Defect left: still 2 loads for each multiplication. a is fetched N times and b M times in all; the caches soften
// that, but every load is a request that the memory pipeline has to take.
// In the counters: 4 sectors per request for b and c, 1 for a (a broadcast); LDG about as frequent as twice FFMA.

constexpr int BLOCK_M = 8, BLOCK_N = 32;

extern "C" __global__ void matmul_coalesced(real* c, const real* a, const real* b, int M, int N, int K) {
    const int n = blockIdx.x * BLOCK_N + threadIdx.x;
    const int m = blockIdx.y * BLOCK_M + threadIdx.y;
    if (m >= M || n >= N) return;
    real sum = 0;
    for (int k = 0; k < K; ++k) sum += a[size_t(m) * K + k] * b[size_t(k) * N + n];
    c[size_t(m) * N + n] = sum;
}
