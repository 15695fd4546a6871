// Step 7 of 9, matrix product: whole fragments from shared memory, and a loop that has nothing left to work out.
//
//   c[m, n] = sum over k of a[m, k] b[k, n]     a (M, K) and b (K, N) half, c (M, N) float; K and N multiples of 8
//
// Defects removed: numbers were rounded inside the loop (now whoever writes a and b rounds them, once, to 16 bits; that
// halves the copies and lets one mma take 16 k's); numbers were read one by one (ldmatrix brings four 8 x 8 matrices in
// one instruction); addresses were computed for each copy (now before the loop; inside it constants are added to them).
// Thread -> element: as in step 6, but a warp computes 64 x 64 numbers of c, as 4 x 8 products of 16 x 8.
//
//   ldmatrix: lane 8 i + j gives the address of line j of matrix i: 16 bytes, 8 numbers. Lane 4 g + t gets numbers 2t
//   and 2t + 1 of line g of each matrix. In a they are two neighbours in k of one row, as mma wants them. In b they
//   would be two columns; its turned form gives lane 4 g + t number g of lines 2t and 2t + 1: two k's of one column.
//
//   Banks: ldmatrix reads the same chunk (16 bytes) of 8 neighbouring lines at once. These lie in different banks since
//   each line keeps its chunks in an order of its own. Chunk c of line m of a lies at c xor (m / 2 % 4): two lines of
//   64 bytes fill the 32 banks; chunk c of line k of b lies at c xor (k % 8), as a line of 256 bytes fills them twice.
//   Example: chunk 1 of the lines 0, 2, 4, 6 of a lies at 1, 0, 3, 2 (1 xor 0, 1, 2, 3), in the first 16 banks;
//   that of the lines 1, 3, 5, 7 lies at the same four places of the other 16 banks.
//   8 lines further on the order is the same again: the place there is the first place plus a constant.
//
// Defects left: c is written in pairs, half a sector at a time. And a convolution is a product only once its patches
// are written out as the matrix a.
// In the counters: LDSM and HMMA, two instructions per product; 4 wavefronts per 512 bytes, no bank conflict.

#include "device/tensor_core.cuh"
#include "device/copy_async.cuh"

constexpr int TILE = 128;       // rows and columns of c that a block computes
constexpr int WARP_TILE = 64;   // ... and a warp
constexpr int DEPTH = 32;       // k's of a stage
constexpr int STAGES = 3;       // tiles of a and b in shared memory: one in use, the others arriving
constexpr int THREADS = 128;    // of a block: 2 x 2 warps
constexpr int CHUNK = 16, VEC = 8;                    // bytes and numbers that one copy moves
constexpr int A_LINE = DEPTH * 2, B_LINE = TILE * 2;  // bytes: 32 k's of a row of a, 128 columns of a row of b
constexpr int B = TILE * A_LINE;                      // where the tile of b begins in a stage
constexpr int STAGE = B + DEPTH * B_LINE;             // bytes
constexpr int A_STEP = THREADS / (A_LINE / CHUNK), B_STEP = THREADS / (B_LINE / CHUNK);  // lines 32 and 8 apart
constexpr int COPIES = TILE / A_STEP;                 // 4 chunks of either tile
constexpr int ROWS = WARP_TILE / 16, COLUMNS = WARP_TILE / 8;  // products of a warp
using Sums = float[ROWS][COLUMNS][4];

__device__ int place_a(int m, int chunk) { return m * A_LINE + (chunk ^ m / 2 % 4) * CHUNK; }
__device__ int place_b(int k, int chunk) { return B + k * B_LINE + (chunk ^ k % 8) * CHUNK; }

// The chunks that one thread copies: thread t those of column t % 4 of a's tile, from row t / 4 on, and of column
// t % 16 of b's tile, from row t / 16 on.
struct Copies {
    const half *a, *b;     // the first chunk of either tile
    int a_place, b_place;  // where it goes in a stage
    int a_rows;            // rows of a from there to the end
    int a_ks, b_ks;        // k's from there to the end
    int K, N;

    __device__ Copies(const half* a_begin, const half* b_begin, int M, int N, int K, int m0, int n0) : K(K), N(N) {
        const int t = threadIdx.x, am = t / 4, ak = t % 4 * VEC, bk = t / 16, bn = n0 + t % 16 * VEC;
        a = a_begin + size_t(m0 + am) * K + ak, b = b_begin + size_t(bk) * N + bn;
        a_place = place_a(am, t % 4), b_place = place_b(bk, t % 16);
        a_rows = M - m0 - am, a_ks = K - ak, b_ks = bn < N ? K - bk : 0;
    }
    // Start the copies of a stage and move on by DEPTH k's; zeros where a matrix has ended.
    __device__ void fetch(SharedAddress stage) {
#pragma unroll
        for (int i = 0; i < COPIES; ++i) {
            const bool row_inside = i * A_STEP < a_rows;
            copy_async<CHUNK>(stage + a_place + i * A_STEP * A_LINE, a + i * A_STEP * K, row_inside && a_ks > 0);
            copy_async<CHUNK>(stage + b_place + i * B_STEP * B_LINE, b + i * B_STEP * N, i * B_STEP < b_ks);
        }
        a += DEPTH, b += DEPTH * N, a_ks -= DEPTH, b_ks -= DEPTH;
    }
};

// a_place, b_place: the line that this lane names in the first ldmatrix of either tile.
__device__ void multiply(Sums& sums, SharedAddress stage, int a_place, int b_place) {
#pragma unroll
    for (int step = 0; step < DEPTH / 16; ++step) {  // 16 k's are two chunks of a line of a, 16 lines of b
        unsigned left[ROWS][4], right[COLUMNS / 2][4];
#pragma unroll
        for (int i = 0; i < ROWS; ++i) load_matrices(left[i], stage + (a_place ^ step * 2 * CHUNK) + i * 16 * A_LINE);
#pragma unroll
        for (int j = 0; j < COLUMNS / 2; ++j)  // 16 columns: two products
            load_matrices_turned(right[j], stage + (b_place ^ j * 2 * CHUNK) + step * 16 * B_LINE);
#pragma unroll
        for (int i = 0; i < ROWS; ++i)
#pragma unroll
            for (int j = 0; j < COLUMNS; ++j) {
                const unsigned of_j[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
                mma_half(sums[i][j], left[i], of_j);
            }
    }
}

__device__ void write(float* c, const Sums& sums, int M, int N, int row, int column) {
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j)
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                const int m = row + 16 * i + 8 * r + g, n = column + 8 * j + 2 * t;
                if (m < M && n < N)
                    *reinterpret_cast<float2*>(c + size_t(m) * N + n) = {sums[i][j][2 * r], sums[i][j][2 * r + 1]};
            }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    matmul_ldmatrix(aligned16 float* c, aligned16 const half* a, aligned16 const half* b, int M, int N, int K) {
    alignas(16) __shared__ char memory[STAGES * STAGE];
    const SharedAddress ring = shared_address(memory);
    const int m0 = blockIdx.y * TILE, n0 = blockIdx.x * TILE, warp = threadIdx.x / 32;
    const int row = warp / 2 * WARP_TILE, column = warp % 2 * WARP_TILE;  // of the warp's piece within the block's
    const int matrix = threadIdx.x % 32 / 8, line = threadIdx.x % 8;      // matrix 1: the next 8 rows of a, k's of b;
    const int a_place = place_a(row + matrix % 2 * 8 + line, matrix / 2);  // matrix 2: the next k's of a, columns of b
    const int b_place = place_b(matrix % 2 * 8 + line, column / VEC + matrix / 2);
    Copies copies(a, b, M, N, K, m0, n0);
    Sums sums = {};
    for (int s = 0; s < STAGES - 1; ++s) copies.fetch(ring + s * STAGE), copy_async_commit();
    int use = 0, fill = (STAGES - 1) * STAGE;  // where in the ring stages are read and written
    for (int k0 = 0; k0 < K; k0 += DEPTH) {
        copy_async_wait<STAGES - 2>();  // this thread's part of the stage has arrived
        __syncthreads();                // everybody's has; and nobody reads the stage before any more
        copies.fetch(ring + fill), copy_async_commit();
        multiply(sums, ring + use, a_place, b_place);
        use = use + STAGE < STAGES * STAGE ? use + STAGE : 0, fill = fill + STAGE < STAGES * STAGE ? fill + STAGE : 0;
    }
    copy_async_wait<0>();  // the last copies, zeros beyond K, need their target until they are done
    write(c, sums, M, N, m0 + row, n0 + column);
}
