// Step 3 of 9, matrix product: tiles in shared memory.
//
//   c[m, n] = sum over k of a[m, k] b[k, n]        a (M, K), b (K, N), c (M, N), rows contiguous
//
// Defect removed: global loads per multiplication. A block computes a TILE x TILE piece of c; it walks along k in
// steps of TILE, fetches a tile of a and one of b together, each number once, and every number is then used TILE
// times.
// Thread -> element: c[m, n] with m = TILE blockIdx.y + ty, n = TILE blockIdx.x + tx; while fetching a[m, k0 + tx] and
// b[k0 + ty, n].
//
//              n ->          a_tile[ty][k] is one number for all lanes of a warp: a broadcast
//          b [tile]          b_tile[k][tx] are 32 neighbours in 32 banks
//   a [tile] [c tile]        outside the matrices the tiles hold zeros, which add nothing
//
// Defects left: two shared loads for each multiplication, so the arithmetic units wait for shared memory now; and two
// barriers per tile, between which nobody fetches while anybody computes.
// In the counters: global requests fall by a factor of nearly TILE; 1 wavefront per shared request; 40 LDS for 32 FFMA
// (of the 64 loads in the source the compiler joins four neighbouring k of a_tile to one of 16 bytes).

constexpr int TILE = 32;

extern "C" __global__ void matmul_shared_tiles(real* c, const real* a, const real* b, int M, int N, int K) {
    __shared__ real a_tile[TILE][TILE];  // (m, k)
    __shared__ real b_tile[TILE][TILE];  // (k, n)
    const int tx = threadIdx.x, ty = threadIdx.y;
    const int n = blockIdx.x * TILE + tx, m = blockIdx.y * TILE + ty;
    real sum = 0;
    for (int k0 = 0; k0 < K; k0 += TILE) {
        a_tile[ty][tx] = m < M && k0 + tx < K ? a[size_t(m) * K + k0 + tx] : real(0);
        b_tile[ty][tx] = k0 + ty < K && n < N ? b[size_t(k0 + ty) * N + n] : real(0);
        __syncthreads();  // both tiles are complete
#pragma unroll
        for (int k = 0; k < TILE; ++k) sum += a_tile[ty][k] * b_tile[k][tx];
        __syncthreads();  // nobody reads these tiles any more
    }
    if (m < M && n < N) c[size_t(m) * N + n] = sum;
}
