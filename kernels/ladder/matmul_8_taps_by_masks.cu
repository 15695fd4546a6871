// Step 8 of 9, matrix product: a convolution whose patches are never written.
//
//   y[n, i, j, f] = sum over p, q, c of  x[n, i S + p - P, j S + q - P, c] weight[p, q, c, f],  x = 0 outside the image
//   x (N, H, W, C) and weight (KH, KW, C, F) half, y (N, OH, OW, F) float; C and F multiples of 8, KH, KW at most 16
//
// Defect removed: the matrix a that would have to be written. A row of a is the patch of one output pixel, a row of b
// is one tap (p, q) and one channel of the weight. A chunk of a row of a is 8 channels of one pixel of x: it is copied
// from there. Everything after the copies is step 7. (A convolution with 1 x 1 taps is the product of step 7 itself.)
// Thread -> element: as in step 7; row m of y is pixel (n, i, j), m = (n OH + i) OW + j.
//
//   Where: a stage holds 32 channels of one tap. The address of a chunk is the sum of two numbers. The first says where
//   the row's patch begins; a thread computes it once for each of its 4 rows. The second says how far tap and channel
//   lie from there; it is the same for all rows. So a copy costs one addition, no division and no table.
//
//   Whether: a tap may lie outside the image. Which taps lie inside is known before the loop: bit p of a row's mask is
//   1 if row p of the kernel lies inside, bit 16 + q if column q does. Example: 4 x 4 taps, a patch that begins one
//   pixel above and one pixel to the left of the image. Rows 1 to 3 and columns 1 to 3 are inside: mask 0x000e000e.
//   Tap (0, 2) has the bits 0x00040001; bit 0 is not in the mask: zeros are copied. Tap (1, 2), 0x00040002, is inside.
//
//   Order: all taps of 32 channels, then all taps of the next 32. The patches of neighbours overlap; so a pixel is read
//   again soon, while it is still in the L1 cache.
//
// Defects left: y is written in pairs, half a sector at a time. And what comes behind a convolution (a bias, an
// activation, the sums of a batch norm) reads all of y again.
// In the counters: for 1 x 1 taps the requests of step 7; in the machine code a few more integer instructions.

#include "device/tensor_core.cuh"
#include "device/copy_async.cuh"

constexpr int TILE = 128, WARP_TILE = 64, DEPTH = 32, STAGES = 3, THREADS = 128, CHUNK = 16, VEC = 8;  // as in step 7
constexpr int A_LINE = DEPTH * 2, B_LINE = TILE * 2, B = TILE * A_LINE, STAGE = B + DEPTH * B_LINE;
constexpr int A_STEP = THREADS / (A_LINE / CHUNK), B_STEP = THREADS / (B_LINE / CHUNK), COPIES = TILE / A_STEP;
constexpr int ROWS = WARP_TILE / 16, COLUMNS = WARP_TILE / 8;
using Sums = float[ROWS][COLUMNS][4];

__device__ int place_a(int m, int chunk) { return m * A_LINE + (chunk ^ m / 2 % 4) * CHUNK; }
__device__ int place_b(int k, int chunk) { return B + k * B_LINE + (chunk ^ k % 8) * CHUNK; }

// Ones in the bits of the taps `first`, first + 1, ... that lie inside an image, of `taps` taps: first + tap < size.
__device__ unsigned taps_inside(int first, int taps, int size) {
    const int begin = max(0, -first), end = min(taps, size - first);
    return begin < end ? (1u << end) - (1u << begin) : 0;
}

struct Copies {
    const half *x, *weight;
    int W, C, F, KH, KW;
    int begin[COPIES];        // where the patches of this thread's rows begin in x, and its channels in them
    unsigned inside[COPIES];  // their masks
    int b_begin, a_place, b_place;
    int a_channels, b_channels;  // of C: those from this thread's chunk of a, and from its row of b, to the end
    int p = 0, q = 0, channel = 0;  // the tap of the next stage, and its first channel

    __device__ Copies(const half* x, const half* weight, int N, int H, int W, int C, int OH, int OW, int F, int KH,
                      int KW, int S, int P, int m0, int n0)
        : x(x), weight(weight), W(W), C(C), F(F), KH(KH), KW(KW) {
        const int t = threadIdx.x, ak = t % 4 * VEC, bk = t / 16, bn = n0 + t % 16 * VEC;
        a_place = place_a(t / 4, t % 4), b_place = place_b(bk, t % 16), b_begin = bk * F + bn;
        a_channels = C - ak, b_channels = bn < F ? C - bk : 0;
#pragma unroll
        for (int i = 0; i < COPIES; ++i) {
            const int m = m0 + t / 4 + i * A_STEP, n = m / OW / OH, h = m / OW % OH * S - P, w = m % OW * S - P;
            begin[i] = ((n * H + h) * W + w) * C + ak;
            inside[i] = n < N ? taps_inside(h, KH, H) | taps_inside(w, KW, W) << 16 : 0;
        }
    }
    __device__ void fetch(SharedAddress stage) {
        const half* const a = x + ((p * W + q) * C + channel);
        const half* const b = weight + (((p * KW + q) * C + channel) * F + b_begin);
        const unsigned tap = 1u << p | 0x10000u << q;
#pragma unroll
        for (int i = 0; i < COPIES; ++i) {
            const bool a_inside = (inside[i] & tap) == tap && channel < a_channels;
            const bool b_inside = channel + i * B_STEP < b_channels;
            copy_async<CHUNK>(stage + a_place + i * A_STEP * A_LINE, a + begin[i], a_inside);
            copy_async<CHUNK>(stage + b_place + i * B_STEP * B_LINE, b + i * B_STEP * F, b_inside);
        }
        if (++q == KW) q = 0, ++p;
        if (p == KH) p = 0, channel += DEPTH;
    }
};

__device__ void multiply(Sums& sums, SharedAddress stage, int a_place, int b_place) {  // as in step 7
#pragma unroll
    for (int step = 0; step < DEPTH / 16; ++step) {
        unsigned left[ROWS][4], right[COLUMNS / 2][4];
#pragma unroll
        for (int i = 0; i < ROWS; ++i) load_matrices(left[i], stage + (a_place ^ step * 2 * CHUNK) + i * 16 * A_LINE);
#pragma unroll
        for (int j = 0; j < COLUMNS / 2; ++j)
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

extern "C" __global__ void __launch_bounds__(THREADS) matmul_taps_by_masks(
    aligned16 float* y, aligned16 const half* x, aligned16 const half* weight, int N, int H, int W, int C, int OH,
    int OW, int F, int KH, int KW, int S, int P) {
    alignas(16) __shared__ char memory[STAGES * STAGE];
    const SharedAddress ring = shared_address(memory);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, matrix = lane / 8, line = lane % 8;
    const int row = warp / 2 * WARP_TILE, column = warp % 2 * WARP_TILE;
    const int a_place = place_a(row + matrix % 2 * 8 + line, matrix / 2);
    const int b_place = place_b(matrix % 2 * 8 + line, column / VEC + matrix / 2);
    Copies copies(x, weight, N, H, W, C, OH, OW, F, KH, KW, S, P, blockIdx.y * TILE, blockIdx.x * TILE);
    Sums sums = {};
    for (int s = 0; s < STAGES - 1; ++s) copies.fetch(ring + s * STAGE), copy_async_commit();
    int use = 0, fill = (STAGES - 1) * STAGE;
    for (int left = KH * KW * ((C + DEPTH - 1) / DEPTH); left > 0; --left) {
        copy_async_wait<STAGES - 2>();
        __syncthreads();
        copies.fetch(ring + fill), copy_async_commit();
        multiply(sums, ring + use, a_place, b_place);
        use = use + STAGE < STAGES * STAGE ? use + STAGE : 0, fill = fill + STAGE < STAGES * STAGE ? fill + STAGE : 0;
    }
    copy_async_wait<0>();
#pragma unroll
    for (int e = 0; e < ROWS * COLUMNS * 2; ++e) {  // pairs of neighbours in f
        const int i = e / 2 / COLUMNS, j = e / 2 % COLUMNS, r = e % 2;
        const int m = blockIdx.y * TILE + row + 16 * i + 8 * r + lane / 4;
        const int f = blockIdx.x * TILE + column + 8 * j + lane % 4 * 2;
        if (m < N * OH * OW && f < F)
            *reinterpret_cast<float2*>(y + size_t(m) * F + f) = {sums[i][j][2 * r], sums[i][j][2 * r + 1]};
    }
}
