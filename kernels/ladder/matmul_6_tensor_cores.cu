// Step 6 of 9, matrix product: tensor cores, and tiles that arrive by themselves.
//
//   c[m, n] = sum over k of a[m, k] b[k, n]        a (M, K), b (K, N), c (M, N), rows contiguous, float only
//
// Defects removed: an instruction for every multiplication, and the detour through registers. mma.sync multiplies a
// 16 x 8 by an 8 x 8 matrix (1024 multiplications) in one instruction of the whole warp; cp.async copies from global
// to shared memory beside the arithmetic, STAGES - 1 tiles ahead. The price is precision: the factors are rounded to
// tf32 (10 bits after the point, float's exponent); sums are float.
//
// Thread -> element: a block owns a TILE x TILE piece of c, each of its 2 x 2 warps a WARP_TILE x WARP_TILE piece, as
// 2 x 4 products of 16 x 8. Which lane holds which number of a product is fixed by the hardware (tensor_core.cuh):
//
//   lane = 4 g + t     a: rows g, g + 8; k's t, t + 4     b: k's t, t + 4; column g     c: rows g, g + 8; columns 2t, 2t + 1
//
//   Banks: a warp reads a along 8 rows g and 4 columns t at once, and b along 4 rows t and 8 columns g. For b, PAD = 8
//   unused numbers per row do: 8 t + g are 32 different banks. For a, padding would make the 16-byte writes collide.
//   Instead the four pieces of a row change places with the row's number (`swizzled`): no number unused, no collision.
//
// Defects left: numbers leave shared memory one by one; every warp that reads a number rounds it to tf32, which takes
// more instructions than multiplying; and the addresses of the copies are worked out again for every tile.
// In the counters: 16 sectors per 512-byte request of LDGSTS (cp.async), no bank conflict, HMMA and no FFMA.

#include "device/tensor_core.cuh"
#include "device/copy_async.cuh"

constexpr int TILE = 64;       // rows and columns of c that a block computes
constexpr int WARP_TILE = 32;  // ... and a warp
constexpr int DEPTH = 16;      // k's of a stage
constexpr int STAGES = 3;      // tiles of a and b in shared memory: one in use, the others arriving
constexpr int THREADS = 128;   // of a block: 2 x 2 warps
constexpr int PAD = 8;
constexpr int PIECES = TILE * DEPTH / 4 / THREADS;  // of 16 bytes, that a thread fetches of either tile
constexpr int ROWS = WARP_TILE / 16, COLUMNS = WARP_TILE / 8;  // products of a warp

struct Stage {
    alignas(16) float a[TILE][DEPTH];       // (m, swizzled k)
    alignas(16) float b[DEPTH][TILE + PAD];  // (k, n)
};
using Sums = float[ROWS][COLUMNS][4];

// Where k lies in row m of the tile of a: of the row's four pieces, number k / 4 lies at k / 4 xor m / 2 % 4.
__device__ int swizzled(int m, int k) { return k ^ m / 2 % 4 * 4; }

// Start the copy of four numbers of one row; zeros where the matrix has ended.
__device__ void fetch_four(float* target, const float* matrix, int row, int rows, int column, int columns, bool wide) {
    const bool inside = row < rows && column < columns;
    const float* first = matrix + (inside ? size_t(row) * columns + column : 0);
    if (wide) {
        copy_async<16>(target, first, inside);
    } else {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const bool valid = inside && column + e < columns;
            copy_async<4>(target + e, valid ? first + e : matrix, valid);
        }
    }
}

// Wide copies need every row to begin at a multiple of 16 bytes.
__device__ bool rows_aligned(const float* matrix, int columns) {
    return columns % 4 == 0 && reinterpret_cast<size_t>(matrix) % 16 == 0;
}

__device__ void fetch(Stage& stage, const float* a, const float* b, int M, int N, int K, int m0, int n0, int k0) {
#pragma unroll
    for (int p = 0; p < PIECES; ++p) {
        const int e = (threadIdx.x + p * THREADS) * 4;  // number of the piece's first element, along the tile's rows
        const int am = e / DEPTH, ak = e % DEPTH, bk = e / TILE, bn = e % TILE;
        fetch_four(&stage.a[am][swizzled(am, ak)], a, m0 + am, M, k0 + ak, K, rows_aligned(a, K));
        fetch_four(&stage.b[bk][bn], b, k0 + bk, K, n0 + bn, N, rows_aligned(b, N));
    }
    copy_async_commit();
}

__device__ void multiply(Sums& sums, const Stage& stage, int row, int column, int g, int t) {
#pragma unroll
    for (int k = 0; k < DEPTH; k += 8) {
        unsigned left[ROWS][4], right[COLUMNS][2];
#pragma unroll
        for (int i = 0; i < ROWS; ++i)
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                const int m = row + 16 * i + g + r % 2 * 8;
                left[i][r] = to_tf32(stage.a[m][swizzled(m, k + t + r / 2 * 4)]);
            }
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j)
#pragma unroll
            for (int r = 0; r < 2; ++r) right[j][r] = to_tf32(stage.b[k + t + r * 4][column + 8 * j + g]);
#pragma unroll
        for (int i = 0; i < ROWS; ++i)
#pragma unroll
            for (int j = 0; j < COLUMNS; ++j) mma_tf32(sums[i][j], left[i], right[j]);
    }
}

__device__ void write(float* c, const Sums& sums, int M, int N, int row, int column, int g, int t) {
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j)
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                const int m = row + 16 * i + g + r / 2 * 8, n = column + 8 * j + 2 * t + r % 2;
                if (m < M && n < N) c[size_t(m) * N + n] = sums[i][j][r];
            }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    matmul_tensor_cores(float* c, const float* a, const float* b, int M, int N, int K) {
    __shared__ Stage stages[STAGES];
    const int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE;
    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const int row = warp / 2 * WARP_TILE, column = warp % 2 * WARP_TILE;  // of the warp's piece within the block's
    Sums sums = {};
    for (int s = 0; s < STAGES - 1; ++s) fetch(stages[s], a, b, M, N, K, m0, n0, s * DEPTH);
    for (int k0 = 0, s = 0; k0 < K; k0 += DEPTH, s = (s + 1) % STAGES) {
        copy_async_wait<STAGES - 2>();  // this thread's part of stage s has arrived
        __syncthreads();                // everybody's has; and nobody reads the stage before s any more
        fetch(stages[(s + STAGES - 1) % STAGES], a, b, M, N, K, m0, n0, k0 + (STAGES - 1) * DEPTH);
        multiply(sums, stages[s], row, column, g, t);
    }
    copy_async_wait<0>();  // the last copies, zeros beyond K, need their target until they are done
    write(c, sums, M, N, m0 + row, n0 + column, g, t);
}
