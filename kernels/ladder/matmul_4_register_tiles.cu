// Step 4 of 9, matrix product: a tile of results in the registers of each thread.
//
//   c[m, n] = sum over k of a[m, k] b[k, n]        a (M, K), b (K, N), c (M, N), rows contiguous
//
// Defect removed: two shared loads per multiplication. A thread computes R x R elements: for each k it loads R
// numbers of a and R of b and multiplies all pairs: 2 R loads for R R multiplications (8 for 16).
// Thread -> element: a block of SIDE x SIDE threads owns a TILE x TILE piece of c. Thread (tx, ty) owns rows ty +
// SIDE i and columns tx + SIDE j (i, j < R): with SIDE between them, the lanes of a warp stay neighbours for every i
// and j. While fetching, thread t of the block takes elements t, t + SIDE SIDE, ... of either tile, counted along its
// rows.
//
// Defects left: numbers come one by one, though a load instruction can bring four; and everybody waits while the next
// tiles are fetched, as they go where the present ones lie.
// In the counters: 5 LDS for 16 FFMA (again the compiler joins four k of a_tile); 1 wavefront per shared request; more
// registers, since they hold the results now.

constexpr int TILE = 64;         // rows and columns of c that a block computes
constexpr int DEPTH = 16;        // k's that are in shared memory at a time
constexpr int SIDE = 16;         // threads of a block along each direction
constexpr int R = TILE / SIDE;   // rows and columns of c that a thread computes

extern "C" __global__ void __launch_bounds__(SIDE* SIDE)
    matmul_register_tiles(real* c, const real* a, const real* b, int M, int N, int K) {
    __shared__ real a_tile[TILE][DEPTH];  // (m, k)
    __shared__ real b_tile[DEPTH][TILE];  // (k, n)
    const int tx = threadIdx.x, ty = threadIdx.y, t = ty * SIDE + tx;
    const int n0 = blockIdx.x * TILE, m0 = blockIdx.y * TILE;
    real sum[R][R] = {};
    for (int k0 = 0; k0 < K; k0 += DEPTH) {
#pragma unroll
        for (int e = t; e < TILE * DEPTH; e += SIDE * SIDE) {
            const int am = e / DEPTH, ak = e % DEPTH, bk = e / TILE, bn = e % TILE;
            a_tile[am][ak] = m0 + am < M && k0 + ak < K ? a[size_t(m0 + am) * K + k0 + ak] : real(0);
            b_tile[bk][bn] = k0 + bk < K && n0 + bn < N ? b[size_t(k0 + bk) * N + n0 + bn] : real(0);
        }
        __syncthreads();  // both tiles are complete
#pragma unroll
        for (int k = 0; k < DEPTH; ++k) {
            real left[R], right[R];
#pragma unroll
            for (int i = 0; i < R; ++i) left[i] = a_tile[ty + SIDE * i][k], right[i] = b_tile[k][tx + SIDE * i];
#pragma unroll
            for (int i = 0; i < R; ++i)
#pragma unroll
                for (int j = 0; j < R; ++j) sum[i][j] += left[i] * right[j];
        }
        __syncthreads();  // nobody reads these tiles any more
    }
#pragma unroll
    for (int i = 0; i < R; ++i)
#pragma unroll
        for (int j = 0; j < R; ++j) {
            const int m = m0 + ty + SIDE * i, n = n0 + tx + SIDE * j;
            if (m < M && n < N) c[size_t(m) * N + n] = sum[i][j];
        }
}
