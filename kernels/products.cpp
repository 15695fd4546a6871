// Matrix products for the CPU: c[p] = a[p] b[p] for a stack of planes, as Winograd's convolutions need them.
//
// The scheme is that of every fast BLAS (Goto & van de Geijn, "Anatomy of High-Performance Matrix Multiplication",
// 2008): a tile of c, ROWS x COLS numbers, stays in registers while DEPTH products are added to each of them; the COLS
// columns of b that it takes are copied to one run of memory, which stays in the L1 cache for all rows of a. Unlike a
// library's, one call does all planes: its tasks keep every thread busy to the end.
//
// Every number of c is the sum of the same products in the same order, however many threads there are.
#include <algorithm>
#include <cstring>

typedef REAL real;
typedef long long int64;
#if defined(__AVX512F__)
constexpr int BYTES = 64, VECTORS = 4;  // the tile takes 24 of 32 registers
#elif defined(__AVX__)
constexpr int BYTES = 32, VECTORS = 2;  // 12 of 16
#else
constexpr int BYTES = 16, VECTORS = 2;
#endif
typedef real vec __attribute__((vector_size(BYTES)));
typedef real unaligned __attribute__((vector_size(BYTES), aligned(sizeof(real))));
constexpr int LANES = BYTES / sizeof(real), ROWS = 6, COLS = VECTORS * LANES, DEPTH = 128;
constexpr int LINE = 64 / sizeof(real);  // numbers in a line of the cache

#define UNROLL _Pragma("GCC unroll 16")
#define INLINE inline __attribute__((always_inline))

struct Matrix {
    const real* at;
    int64 row, col;  // entry (i, j) is at[i * row + j * col]
    Matrix from(int64 i, int64 j) const { return {at + i * row + j * col, row, col}; }
};

// A column of tiles of c: `cols` numbers wide, `pitch` from row to row; each tile is set or added to.
struct Target { real* at; int64 pitch; int cols; bool add; };

INLINE void store(real* out, const vec (&sum)[VECTORS], const Target& c) {
    if (c.cols == COLS) {
        UNROLL for (int j = 0; j < VECTORS; ++j) {
            unaligned* place = (unaligned*) (out + j * LANES);
            *place = c.add ? *place + sum[j] : sum[j];
        }
    } else
        for (int n = 0; n < c.cols; ++n) out[n] = (c.add ? out[n] : 0) + sum[n / LANES][n % LANES];
}

// R rows of c, from row i on. ALONG: a's rows are runs of memory, `step` apart; else a is a tile of pack_tiles.
template <int R, bool ALONG>
INLINE void tile(const Target& c, int i, const real* a, int64 step, const real* b, int depth) {
    vec sum[R][VECTORS] = {};
    if (ALONG)
        for (int r = R; r < 2 * R; ++r)  // the next tile's rows, into the L2 cache
            for (int k = 0; k < depth; k += LINE) __builtin_prefetch(a + r * step + k, 0, 2);
    for (int k = 0; k < depth; ++k) {
        const vec* row = (const vec*) (b + k * COLS);
        UNROLL for (int r = 0; r < R; ++r) {
            const real x = ALONG ? a[r * step + k] : a[k * ROWS + r];
            UNROLL for (int j = 0; j < VECTORS; ++j) sum[r][j] += x * row[j];
        }
    }
    UNROLL for (int r = 0; r < R; ++r) store(c.at + (i + r) * c.pitch, sum[r], c);
}

template <int R, bool ALONG>
void last_rows(const Target& c, int i, int rows, const real* a, int64 step, const real* b, int depth) {
    if (rows == R) return tile<R, ALONG>(c, i, a, step, b, depth);
    if constexpr (R > 1) last_rows<R - 1, ALONG>(c, i, rows, a, step, b, depth);
}

template <bool ALONG>
void all_rows(const Target& c, int m, const real* a, int64 step, const real* b, int depth) {
    int i = 0;
    for (; i + ROWS <= m; i += ROWS, a += ALONG ? ROWS * step : step) tile<ROWS, ALONG>(c, i, a, step, b, depth);
    last_rows<ROWS - 1, ALONG>(c, i, m - i, a, step, b, depth);
}

// Transpose LANES x LANES numbers in log2(LANES) rounds: halves, quarters ... of two rows change places.
INLINE void transpose(vec (&x)[LANES]) {
    typedef decltype(x[0] < x[0]) mask;
    UNROLL for (int d = 1; d < LANES; d *= 2) {
        mask low, high;
        UNROLL for (int i = 0; i < LANES; ++i) low[i] = i & d ? i - d + LANES : i, high[i] = i & d ? i + LANES : i + d;
        UNROLL for (int i = 0; i < LANES; ++i) {
            if (i & d) continue;
            const vec first = x[i], second = x[i + d];
            x[i] = __builtin_shuffle(first, second, low), x[i + d] = __builtin_shuffle(first, second, high);
        }
    }
}

// Copy b (depth x cols) to rows of COLS numbers, zeros behind them. One of its strides is 1.
void pack_columns(real* to, const Matrix& b, int depth, int cols) {
    const int blocks = b.col != 1 && cols == COLS ? depth / LANES * LANES : 0;  // rows that are transposed in blocks
    for (int n = 0; n < (blocks ? COLS : 0); n += LANES)
        for (int k = 0; k < blocks; k += LANES) {
            vec block[LANES];
            UNROLL for (int i = 0; i < LANES; ++i) block[i] = *(const unaligned*) (b.at + (n + i) * b.col + k);
            transpose(block);
            UNROLL for (int i = 0; i < LANES; ++i) *(vec*) (to + (k + i) * COLS + n) = block[i];
        }
    for (int k = blocks; k < depth; ++k)
        if (b.col == 1 && cols == COLS)
            memcpy(to + k * COLS, b.at + k * b.row, COLS * sizeof(real));
        else
            for (int n = 0; n < COLS; ++n) to[k * COLS + n] = n < cols ? b.at[k * b.row + n * b.col] : 0;
}

// Copy a (m x depth), whose columns are runs of memory, to tiles (depth x ROWS), `step` numbers from tile to tile.
void pack_tiles(real* to, const Matrix& a, int m, int depth, int64 step) {
    for (int k = 0; k < depth; ++k)
        for (int i = 0; i < m; i += ROWS) {
            real* place = to + i / ROWS * step + k * ROWS;
            if (m - i >= ROWS) memcpy(place, a.at + k * a.col + i, ROWS * sizeof(real));  // of constant length: fast
            else memcpy(place, a.at + k * a.col + i, (m - i) * sizeof(real));
        }
}

void product(real* c, int64 pitch, const Matrix& a, const Matrix& b, int m, int k, int n) {
    alignas(64) static thread_local real columns[DEPTH * COLS];
    const int64 step = DEPTH * ROWS + LINE;  // not 3 * 2^n: tiles would compete for the same lines of the cache
    real* tiles = a.col == 1 ? nullptr : new real[(m + ROWS - 1) / ROWS * step];
    for (int from = 0; from < k; from += DEPTH) {
        const int depth = std::min(DEPTH, k - from);
        const Matrix left = a.from(0, from);
        if (tiles) pack_tiles(tiles, left, m, depth, step);
        for (int column = 0; column < n; column += COLS) {
            const Target target = {c + column, pitch, std::min(COLS, n - column), from > 0};
            pack_columns(columns, b.from(from, column), depth, target.cols);
            if (tiles) all_rows<false>(target, m, tiles, step, columns, depth);
            else all_rows<true>(target, m, left.at, a.row, columns, depth);
        }
    }
    delete[] tiles;
}

// strides: of c's, a's and b's planes, then row and col of a and of b. `width` columns of c, whole tiles, are a task.
extern "C" __attribute__((visibility("default")))
void products(real* c, const real* a, const real* b, int count, int m, int k, int n, const int64* strides, int width,
              int threads) {
    const int tasks = (n + width - 1) / width;
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int p = 0; p < count; ++p)
        for (int t = 0; t < tasks; ++t) {
            const Matrix left = {a + p * strides[1], strides[3], strides[4]};
            const Matrix right = Matrix{b + p * strides[2], strides[5], strides[6]}.from(0, (int64) t * width);
            product(c + p * strides[0] + t * width, n, left, right, m, k, std::min(width, n - t * width));
        }
}
