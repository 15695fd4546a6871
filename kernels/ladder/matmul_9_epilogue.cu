// Step 9 of 9, matrix product: a convolution, and what comes behind it while its result is in registers.
//
//   y = leaky_relu(convolution of step 8 + bias[f], slope), rounded to half; and of each column f of y, over all rows,
//   statistics[0, f] = mean,   statistics[1, f] = variance: the mean of (y - mean)^2     (what a batch norm needs of y)
//   x, weight and y half, bias and statistics float; C and F multiples of 8, KH, KW at most 16
//
// Defects removed: passes over the whole array that do one operation per number (each reads the array again, most write
// it again, each is a launch); and pairs of numbers were written, half a sector at a time.
// Thread -> element: as in step 8 in the loop. Then the tile lies in shared memory, which the factors no longer need:
// thread t writes chunk t % 16 of rows t / 16, t / 16 + 8, ... of y, and adds up column t.
//
//   1. Each number gets its bias, its leaky ReLU and its rounding in the register where it was summed up, and goes to
//      shared memory: row m of the tile to line m of 256 bytes.
//   2. Two rows of a tile are 512 bytes: a warp writes them to y with one instruction, whole sectors.
//   3. A thread walks down its column twice: for the mean of the tile's rows, then for the squares of what deviates from
//      it. Sums of squares alone would lose the digits that a variance consists of: numbers near 1000 have squares near
//      10^6, of which float keeps six digits. Both numbers are the tile's part.
//   4. The thread that arrives last of a column puts its parts together. With n_i rows, mean_i and m2_i of tile i,
//          mean = sum n_i mean_i / M,   variance = (sum m2_i + sum n_i (mean_i - mean)^2) / M
//      in the order in which the parts lie: every run gives the same bits (device/last_to_arrive.cuh).
//
//   Banks: chunk c of line m lies at c xor (m % 8). A warp of step 1 writes the same chunk of 8 neighbouring lines.
//   Example: chunk 5 of lines 0, 1, 2, 3 lies at 5, 4, 7, 6: in other banks each, and a line fills the banks twice.
//
// kernels/conv2d_mma goes on from here: it takes the sums from the registers by shuffles, has a whole block for the
// parts, and adds up the two sums of batch norm's backward pass behind the input gradient.
// In the counters: stores of 16 sectors, but for the parts. Nothing reads y.

#include "device/tensor_core.cuh"
#include "device/copy_async.cuh"
#include "device/last_to_arrive.cuh"

constexpr int TILE = 128, WARP_TILE = 64, DEPTH = 32, STAGES = 3, THREADS = 128, CHUNK = 16, VEC = 8;  // as in step 8
constexpr int A_LINE = DEPTH * 2, B_LINE = TILE * 2, B = TILE * A_LINE, STAGE = B + DEPTH * B_LINE;
constexpr int A_STEP = THREADS / (A_LINE / CHUNK), B_STEP = THREADS / (B_LINE / CHUNK), COPIES = TILE / A_STEP;
constexpr int ROWS = WARP_TILE / 16, COLUMNS = WARP_TILE / 8;
constexpr int Y_LINE = TILE * 2, Y_CHUNKS = Y_LINE / CHUNK;  // bytes and chunks of a row of the tile of y
using Sums = float[ROWS][COLUMNS][4];
struct alignas(4) Pair { half left, right; };
struct alignas(CHUNK) Chunk { half numbers[VEC]; };

__device__ int place_a(int m, int chunk) { return m * A_LINE + (chunk ^ m / 2 % 4) * CHUNK; }
__device__ int place_b(int k, int chunk) { return B + k * B_LINE + (chunk ^ k % 8) * CHUNK; }
__device__ int place_y(int m, int chunk) { return m * Y_LINE + (chunk ^ m % 8) * CHUNK; }

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

__device__ void multiply(Sums& sums, SharedAddress stage, int a_place, int b_place) {  // as in step 8
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

// A block goes on with its sums in the tile's place in shared memory. Rows of the tile begin at m0, columns at f0.
struct Epilogue {
    char* tile;
    int M, F, m0, f0;

    __device__ float activated(float sum, float bias, float slope) const {
        return sum + bias > 0 ? sum + bias : slope * (sum + bias);
    }
    // Step 1: the sums of this lane, whose warp begins at (row, column) of the tile.
    __device__ void keep_tile(const Sums& sums, int row, int column, const float* bias, float slope) const {
        const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) {
            const int chunk = column / VEC + j, f = f0 + chunk * VEC + 2 * t;
            const float2 b = bias && f < F ? *reinterpret_cast<const float2*>(bias + f) : float2{0, 0};
#pragma unroll
            for (int e = 0; e < ROWS * 2; ++e) {
                const float left = sums[e / 2][j][e % 2 * 2], right = sums[e / 2][j][e % 2 * 2 + 1];
                const int place = place_y(row + 8 * e + g, chunk) + t * int(sizeof(Pair));
                *reinterpret_cast<Pair*>(tile + place) = {to_half(activated(left, b.x, slope)),
                                                          to_half(activated(right, b.y, slope))};
            }
        }
    }
    // Step 2.
    __device__ void write(half* y) const {
        const int chunk = threadIdx.x % Y_CHUNKS, f = f0 + chunk * VEC;
#pragma unroll 4
        for (int row = threadIdx.x / Y_CHUNKS; row < TILE; row += THREADS / Y_CHUNKS)
            if (m0 + row < M && f < F)
                *reinterpret_cast<Chunk*>(y + size_t(m0 + row) * F + f) =
                    *reinterpret_cast<const Chunk*>(tile + place_y(row, chunk));
    }
    // Step 3: leave the mean and the squared deviations of column threadIdx.x in `part`.
    __device__ void sum_column(float* part) const {
        const int chunk = threadIdx.x / VEC, inside = threadIdx.x % VEC * int(sizeof(half)), rows = min(TILE, M - m0);
        const auto number = [&](int row) {
            return to_float(*reinterpret_cast<const half*>(tile + place_y(row, chunk) + inside));
        };
        float mean = 0, m2 = 0;
        for (int row = 0; row < rows; ++row) mean += number(row);
        mean /= rows;
        for (int row = 0; row < rows; ++row) m2 += (number(row) - mean) * (number(row) - mean);
        part[0] = mean, part[F] = m2;
    }
    // Step 4: of `parts` (gridDim.y, 2, F) the column f.
    __device__ void finish(float* statistics, const float* parts, int f) const {
        const auto read = [&](int tile, int which) { return read_shared_by_all(parts + (2 * tile + which) * F + f); };
        const auto rows = [&](int tile) { return float(min(TILE, M - tile * TILE)); };
        float mean = 0, m2 = 0;
        for (int tile = 0; tile < gridDim.y; ++tile) mean += rows(tile) * read(tile, 0);
        mean /= M;
        for (int tile = 0; tile < gridDim.y; ++tile) {
            const float d = read(tile, 0) - mean;
            m2 += read(tile, 1) + rows(tile) * d * d;
        }
        statistics[f] = mean, statistics[F + f] = m2 / M;
    }
};

// statistics (2, F); parts (gridDim.y, 2, F): room; counters (F): zeros, and zeros afterwards
extern "C" __global__ void __launch_bounds__(THREADS) matmul_epilogue(
    aligned16 half* y, float* statistics, float* parts, int* counters, aligned16 const half* x,
    aligned16 const half* weight, optional aligned16 const float* bias, float slope, int N, int H, int W, int C, int OH,
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
    __syncthreads();  // nobody reads the factors any more
    const Epilogue epilogue{memory, N * OH * OW, F, int(blockIdx.y) * TILE, int(blockIdx.x) * TILE};
    const int f = epilogue.f0 + threadIdx.x;
    epilogue.keep_tile(sums, row, column, bias, slope);
    __syncthreads();
    epilogue.write(y);
    if (f >= F) return;
    epilogue.sum_column(parts + 2 * blockIdx.y * F + f);
    if (last_to_arrive(counters + f, gridDim.y)) epilogue.finish(statistics, parts, f);
}
