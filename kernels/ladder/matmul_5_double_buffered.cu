// Step 5 of 9, matrix product: 16 bytes per instruction, and the next tiles fetched while the present ones are used.
//
//   c[m, n] = sum over k of a[m, k] b[k, n]        a (M, K), b (K, N), c (M, N), rows contiguous
//
// Defects removed: one number per load (a Pack is 16 bytes, the widest load there is: 4 floats), and the wait for
// memory. There are two buffers in shared memory. While a block multiplies from one, the next tiles travel from
// global memory into registers, and from there into the other buffer; so one barrier per tile is enough. R grows to
// 8: per k, 4 wide shared loads for 64 multiplications.
// Thread -> element: rows (SIDE i + ty) VEC + e and columns (SIDE j + tx) VEC + e, e < VEC, of a TILE x TILE piece of
// c: a thread owns Packs, SIDE Packs apart, so that the lanes of a warp read Packs side by side.
//
//   a_tile lies turned, (k, m), so that a Pack of rows is contiguous. Storing it turned would put the lanes of a
//   warp into half of the banks; PAD numbers at the end of each row spread them over all 32.
//
// Defects left: the multiplications themselves, one instruction for each; and the detour of the tiles through
// registers.
// In the counters: 16 sectors per request (512 bytes, all used), 4 wavefronts per wide shared request of 512 bytes,
// FFMA far ahead of LDS; registers about 128, which halves the occupancy: the price of the large tile.

constexpr int TILE = 128;             // rows and columns of c that a block computes
constexpr int DEPTH = 8;              // k's that are in shared memory at a time
constexpr int SIDE = 16;              // threads of a block along each direction
constexpr int THREADS = SIDE * SIDE;
constexpr int R = TILE / SIDE;        // rows and columns of c that a thread computes
constexpr int VEC = 16 / sizeof(real);
constexpr int PACKS = TILE * DEPTH / VEC / THREADS;  // Packs that a thread fetches of either tile
constexpr int PAD = 4;

struct alignas(16) Pack { real v[VEC]; };
using ATile = real[DEPTH][TILE + PAD];  // (k, m)
using BTile = real[DEPTH][TILE];        // (k, n)

// VEC numbers of one row from `column` on; zeros where the matrix has ended.
__device__ Pack load(const real* matrix, int row, int rows, int column, int columns, bool wide) {
    Pack pack = {};
    if (row >= rows || column >= columns) return pack;
    const real* first = matrix + size_t(row) * columns + column;
    if (wide) return *reinterpret_cast<const Pack*>(first);
#pragma unroll
    for (int e = 0; e < VEC; ++e)
        if (column + e < columns) pack.v[e] = first[e];
    return pack;
}

// Packs need every row to begin at a multiple of 16 bytes.
__device__ bool rows_aligned(const real* matrix, int columns) {
    return columns % VEC == 0 && reinterpret_cast<size_t>(matrix) % 16 == 0;
}

__device__ void fetch(Pack (&a_next)[PACKS], Pack (&b_next)[PACKS], const real* a, const real* b, int M, int N, int K,
                      int m0, int n0, int k0, bool a_wide, bool b_wide) {
#pragma unroll
    for (int p = 0; p < PACKS; ++p) {
        const int t = (threadIdx.y * SIDE + threadIdx.x + p * THREADS) * VEC;  // number of the Pack's first element
        a_next[p] = load(a, m0 + t / DEPTH, M, k0 + t % DEPTH, K, a_wide);
        b_next[p] = load(b, k0 + t / TILE, K, n0 + t % TILE, N, b_wide);
    }
}

__device__ void store(ATile& a_tile, BTile& b_tile, const Pack (&a_next)[PACKS], const Pack (&b_next)[PACKS]) {
#pragma unroll
    for (int p = 0; p < PACKS; ++p) {
        const int t = (threadIdx.y * SIDE + threadIdx.x + p * THREADS) * VEC;
#pragma unroll
        for (int e = 0; e < VEC; ++e) a_tile[t % DEPTH + e][t / DEPTH] = a_next[p].v[e];
        *reinterpret_cast<Pack*>(&b_tile[t / TILE][t % TILE]) = b_next[p];
    }
}

__device__ void multiply(real (&sum)[R][R], const ATile& a_tile, const BTile& b_tile) {
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
        Pack left[R / VEC], right[R / VEC];
#pragma unroll
        for (int i = 0; i < R / VEC; ++i) {
            left[i] = *reinterpret_cast<const Pack*>(&a_tile[k][(SIDE * i + threadIdx.y) * VEC]);
            right[i] = *reinterpret_cast<const Pack*>(&b_tile[k][(SIDE * i + threadIdx.x) * VEC]);
        }
#pragma unroll
        for (int i = 0; i < R; ++i)
#pragma unroll
            for (int j = 0; j < R; ++j) sum[i][j] += left[i / VEC].v[i % VEC] * right[j / VEC].v[j % VEC];
    }
}

__device__ void write(real* c, const real (&sum)[R][R], int M, int N, int m0, int n0, bool wide) {
#pragma unroll
    for (int i = 0; i < R; ++i)
#pragma unroll
        for (int j = 0; j < R; j += VEC) {
            const int m = m0 + (SIDE * (i / VEC) + threadIdx.y) * VEC + i % VEC;
            const int n = n0 + (SIDE * (j / VEC) + threadIdx.x) * VEC;
            if (m >= M || n >= N) continue;
            real* first = c + size_t(m) * N + n;
            Pack pack;
#pragma unroll
            for (int e = 0; e < VEC; ++e) pack.v[e] = sum[i][j + e];
            if (wide) *reinterpret_cast<Pack*>(first) = pack;
#pragma unroll
            for (int e = 0; e < VEC; ++e)
                if (!wide && n + e < N) first[e] = pack.v[e];
        }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    matmul_double_buffered(real* c, const real* a, const real* b, int M, int N, int K) {
    alignas(16) __shared__ ATile a_tile[2];
    alignas(16) __shared__ BTile b_tile[2];
    const int n0 = blockIdx.x * TILE, m0 = blockIdx.y * TILE;
    const bool a_wide = rows_aligned(a, K), b_wide = rows_aligned(b, N);
    Pack a_next[PACKS], b_next[PACKS];
    real sum[R][R] = {};
    fetch(a_next, b_next, a, b, M, N, K, m0, n0, 0, a_wide, b_wide);
    store(a_tile[0], b_tile[0], a_next, b_next);
    __syncthreads();
    for (int k0 = 0, buffer = 0; k0 < K; k0 += DEPTH, buffer ^= 1) {
        const bool more = k0 + DEPTH < K;
        // Starts the loads; nobody waits for them before `store`.
        if (more) fetch(a_next, b_next, a, b, M, N, K, m0, n0, k0 + DEPTH, a_wide, b_wide);
        multiply(sum, a_tile[buffer], b_tile[buffer]);
        if (more) store(a_tile[buffer ^ 1], b_tile[buffer ^ 1], a_next, b_next);
        __syncthreads();  // this buffer is read, the other one written
    }
    write(c, sum, M, N, m0, n0, rows_aligned(c, N));
}
