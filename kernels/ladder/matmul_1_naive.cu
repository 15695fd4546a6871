// Step 1 of 9, matrix product: one thread per element, straight from the formula.
//
//   c[m, n] = sum over k of a[m, k] b[k, n]        a (M, K), b (K, N), c (M, N), rows contiguous
//
// Thread -> element: m = blockIdx.x * 32 + threadIdx.x, n = blockIdx.y * 8 + threadIdx.y. The first index of the
// formula got the first index of the thread: that is the mistake this ladder starts from.
//
// Defects: neighbouring threads differ in m, so they read a and write c at addresses a whole row apart: 32 sectors
// for 32 numbers. And every thread fetches its row and its column anew: 2 loads for each multiplication.
// In the counters: 32 sectors per request for a and c, 1 for b (all lanes the same address: a broadcast).

constexpr int BLOCK_M = 32, BLOCK_N = 8;

extern "C" __global__ void matmul_naive(real* c, const real* a, const real* b, int M, int N, int K) {
    const int m = blockIdx.x * BLOCK_M + threadIdx.x;
    const int n = blockIdx.y * BLOCK_N + threadIdx.y;
    if (m >= M || n >= N) return;
    real sum = 0;
    for (int k = 0; k < K; ++k) sum += a[size_t(m) * K + k] * b[size_t(k) * N + n];
    c[size_t(m) * N + n] = sum;
}
