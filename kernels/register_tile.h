// The inner loop of matrix products on the CPU, used by products.cpp and strided_conv.cpp: c = left * right.
//
// A tile of c, R rows by V vectors, stays in registers while products are added to it (Goto & van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008). With AVX-512 the largest tile has 6 rows of 4 vectors of 16 floats.
// Every number of c is the sum of the same products in the same order, however many threads there are.
//
// Assumes that the right factor's rows are padded to whole vectors (pack_columns, or width_of(cols) numbers that may be
// read); c and the left factor are never touched outside their sizes.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

typedef REAL real;
typedef long long int64;
#if defined(__AVX512F__)
constexpr int BYTES = 64, VECTORS = 4;  // the largest tile takes 24 of 32 registers
#elif defined(__AVX__)
constexpr int BYTES = 32, VECTORS = 2;  // the largest tile takes 12 of 16 registers
#else
constexpr int BYTES = 16, VECTORS = 2;
#endif
typedef real vec __attribute__((vector_size(BYTES)));
typedef real unaligned __attribute__((vector_size(BYTES), aligned(sizeof(real))));
constexpr int LANES = BYTES / sizeof(real), ROWS = 6, COLS = VECTORS * LANES;
constexpr int LINE = 64 / sizeof(real);  // numbers in a cache line

#define UNROLL _Pragma("GCC unroll 16")
#define INLINE inline __attribute__((always_inline))
#define EXPORT extern "C" __attribute__((visibility("default")))

// A matrix of any strides.
struct Matrix {
    const real* at;
    int64 row, col;  // entry (i, j) lies at[i * row + j * col]
    Matrix from(int64 i, int64 j) const { return {at + i * row + j * col, row, col}; }
};

// A column of tiles of c: rows of `cols` numbers, `pitch` numbers apart. add: add to c instead of setting it.
struct Target { real* at; int64 pitch; int cols; bool add; };

// The left factor. ALONG = true: row-major, its rows are `step` numbers apart. ALONG = false: column-major, its columns
// are `step` apart. The next ROWS rows, those of the next tile, begin `next` numbers further on.
struct Left { const real* at; int64 step, next; };

// The sum over k. It has `lines` parts of `depth` products each. From one part to the next, the left factor moves on by
// `line` numbers: lines = 1 is a plain matrix product; in a convolution, part p reads line p of the patches, and in its
// weight gradient, line p of the output.
// The right factor has one row per product, `pitch` numbers apart, lines * depth rows in all.
struct Sum { const real* right; int64 pitch; int depth, lines = 1; int64 line = 0; };

// Memory in whole cache lines, freed at the end of the block.
struct Free { void operator()(real* memory) const { std::free(memory); } };
typedef std::unique_ptr<real[], Free> Memory;
inline Memory memory(int64 n) { return Memory((real*) std::aligned_alloc(64, (n * sizeof(real) + 127) / 64 * 64)); }

// The width in numbers of the narrowest tile that holds `cols` columns: one vector, two, or VECTORS.
inline int width_of(int cols) { return cols <= LANES ? LANES : cols <= 2 * LANES ? 2 * LANES : COLS; }

// Set or add to one row of a tile, V vectors from `out` on, but no more than c.cols numbers.
template <int V>
INLINE void store(real* out, const vec (&sum)[V], const Target& c) {
    UNROLL for (int j = 0; j < V; ++j) {
        if (c.cols >= (j + 1) * LANES) {
            unaligned* place = (unaligned*) (out + j * LANES);
            *place = c.add ? *place + sum[j] : sum[j];
        } else {
            real rest[LANES];
            *(unaligned*) rest = sum[j];
            for (int n = j * LANES; n < c.cols; ++n) out[n] = (c.add ? out[n] : 0) + rest[n - j * LANES];
        }
    }
}

// Compute one tile: rows i to i + R - 1 of c. a: the left factor's numbers for row i.
template <int R, int V, bool ALONG>
INLINE void multiply_tile(const Target& c, int i, const real* a, int64 step, const Sum& s) {
    vec sum[R][V] = {};
    if (ALONG && s.lines == 1)
        for (int r = R; r < 2 * R; ++r)  // fetch the next tile's rows into the L2 cache
            for (int k = 0; k < s.depth; k += LINE) __builtin_prefetch(a + r * step + k, 0, 2);
    UNROLL for (int r = 0; r < R; ++r)
        UNROLL for (int j = 0; j < V * LANES; j += LINE) __builtin_prefetch(c.at + (i + r) * c.pitch + j, 1, 3);
    const real* right = s.right;
    for (int line = 0; line < s.lines; ++line, a += s.line)
        for (int k = 0; k < s.depth; ++k, right += s.pitch) {
            vec row[V];
            UNROLL for (int j = 0; j < V; ++j) row[j] = *(const unaligned*) (right + j * LANES);
            UNROLL for (int r = 0; r < R; ++r) {
                const real x = ALONG ? a[r * step + k] : a[k * step + r];
                UNROLL for (int j = 0; j < V; ++j) sum[r][j] += x * row[j];
            }
        }
    UNROLL for (int r = 0; r < R; ++r) store<V>(c.at + (i + r) * c.pitch, sum[r], c);
}

// Compute the last tile, which has only `rows` <= R rows.
template <int R, int V, bool ALONG>
void last_rows(const Target& c, int i, int rows, const real* a, int64 step, const Sum& s) {
    if (rows == R) return multiply_tile<R, V, ALONG>(c, i, a, step, s);
    if constexpr (R > 1) last_rows<R - 1, V, ALONG>(c, i, rows, a, step, s);
}

// Compute m rows of c, tile by tile.
template <int V, bool ALONG>
void all_rows(const Target& c, int m, Left a, const Sum& s) {
    int i = 0;
    for (; i + ROWS <= m; i += ROWS, a.at += a.next) multiply_tile<ROWS, V, ALONG>(c, i, a.at, a.step, s);
    last_rows<ROWS - 1, V, ALONG>(c, i, m - i, a.at, a.step, s);
}

// Compute a column of tiles: m rows and c.cols columns of c. Reads width_of(c.cols) numbers of each row of the right
// factor.
template <bool ALONG>
void multiply_column(const Target& c, int m, const Left& a, const Sum& s) {
    const int width = width_of(c.cols);
    if (width == LANES) all_rows<1, ALONG>(c, m, a, s);
    else if (width == 2 * LANES) all_rows<2, ALONG>(c, m, a, s);
    else all_rows<VECTORS, ALONG>(c, m, a, s);
}

// Transpose LANES x LANES numbers in log2(LANES) rounds. In round d, rows i and i + d exchange numbers: the upper row's
// in the columns with bit d set against the lower row's in the columns with bit d clear. Two rows ab, cd become ac, bd.
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

// Copy b (depth, cols) to rows of width_of(cols) numbers; zeros fill the rest of each row. One of b's strides is 1.
inline void pack_columns(real* to, const Matrix& b, int depth, int cols) {
    const int width = width_of(cols);
    const int blocks = b.col != 1 && cols == width ? depth / LANES * LANES : 0;  // rows transposed in blocks
    for (int n = 0; n < (blocks ? width : 0); n += LANES)
        for (int k = 0; k < blocks; k += LANES) {
            vec block[LANES];
            UNROLL for (int i = 0; i < LANES; ++i) block[i] = *(const unaligned*) (b.at + (n + i) * b.col + k);
            transpose(block);
            UNROLL for (int i = 0; i < LANES; ++i) *(vec*) (to + (k + i) * width + n) = block[i];
        }
    for (int k = blocks; k < depth; ++k)
        if (b.col == 1 && cols == COLS)
            memcpy(to + k * COLS, b.at + k * b.row, COLS * sizeof(real));  // a constant length makes it fast
        else
            for (int n = 0; n < width; ++n) to[k * width + n] = n < cols ? b.at[k * b.row + n * b.col] : 0;
}

// to[k] += from[k] for `count` numbers.
inline void add(real* to, const real* from, int64 count) {
    typedef real four __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real))));
    int64 k = 0;
    for (; k + LANES <= count; k += LANES) *(unaligned*) (to + k) += *(const unaligned*) (from + k);
    for (; k + 4 <= count; k += 4) *(four*) (to + k) += *(const four*) (from + k);
    for (; k < count; ++k) to[k] += from[k];
}
