// A tile of a matrix product in registers: what products.cpp and strided_conv.cpp spend their time in.
//
// R rows by V vectors of c stay in registers while products are added to each of them (Goto & van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008). Every number of c is the sum of the same products in the same order,
// however many threads there are.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

typedef REAL real;
typedef long long int64;
#if defined(__AVX512F__)
constexpr int BYTES = 64, VECTORS = 4;  // the widest tile takes 24 of 32 registers
#elif defined(__AVX__)
constexpr int BYTES = 32, VECTORS = 2;  // 12 of 16
#else
constexpr int BYTES = 16, VECTORS = 2;
#endif
typedef real vec __attribute__((vector_size(BYTES)));
typedef real unaligned __attribute__((vector_size(BYTES), aligned(sizeof(real))));
constexpr int LANES = BYTES / sizeof(real), ROWS = 6, COLS = VECTORS * LANES;
constexpr int LINE = 64 / sizeof(real);  // numbers in a line of the cache

#define UNROLL _Pragma("GCC unroll 16")
#define INLINE inline __attribute__((always_inline))
#define EXPORT extern "C" __attribute__((visibility("default")))

struct Matrix {
    const real* at;
    int64 row, col;  // entry (i, j) is at[i * row + j * col]
    Matrix from(int64 i, int64 j) const { return {at + i * row + j * col, row, col}; }
};

// A column of tiles of c: `cols` numbers wide, `pitch` from row to row; each tile is set or added to.
struct Target { real* at; int64 pitch; int cols; bool add; };

// The left factor. ALONG: its rows are runs of memory, `step` apart; else its columns are. `next`: from tile to tile.
struct Left { const real* at; int64 step, next; };

// What is added up: `lines` runs of `depth` products; a run of the left factor begins `line` numbers after the last.
// The right factor has a row for each product, `pitch` from one to the next.
struct Sum { const real* right; int64 pitch; int depth, lines = 1; int64 line = 0; };

// Memory in whole lines of the cache, given back at the end of the block.
struct Free { void operator()(real* memory) const { std::free(memory); } };
typedef std::unique_ptr<real[], Free> Memory;
inline Memory memory(int64 n) { return Memory((real*) std::aligned_alloc(64, (n * sizeof(real) + 127) / 64 * 64)); }

// The tile that takes so many columns: of one vector, two or VECTORS.
inline int width_of(int cols) { return cols <= LANES ? LANES : cols <= 2 * LANES ? 2 * LANES : COLS; }

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

// R rows of c, from row i on.
template <int R, int V, bool ALONG>
INLINE void tile(const Target& c, int i, const real* a, int64 step, const Sum& s) {
    vec sum[R][V] = {};
    if (ALONG && s.lines == 1)
        for (int r = R; r < 2 * R; ++r)  // the next tile's rows, into the L2 cache
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

template <int R, int V, bool ALONG>
void last_rows(const Target& c, int i, int rows, const real* a, int64 step, const Sum& s) {
    if (rows == R) return tile<R, V, ALONG>(c, i, a, step, s);
    if constexpr (R > 1) last_rows<R - 1, V, ALONG>(c, i, rows, a, step, s);
}

template <int V, bool ALONG>
void all_rows(const Target& c, int m, Left a, const Sum& s) {
    int i = 0;
    for (; i + ROWS <= m; i += ROWS, a.at += a.next) tile<ROWS, V, ALONG>(c, i, a.at, a.step, s);
    last_rows<ROWS - 1, V, ALONG>(c, i, m - i, a.at, a.step, s);
}

// A column of tiles: m rows of c, width_of(c.cols) columns of the right factor.
template <bool ALONG>
void column(const Target& c, int m, const Left& a, const Sum& s) {
    const int width = width_of(c.cols);
    if (width == LANES) all_rows<1, ALONG>(c, m, a, s);
    else if (width == 2 * LANES) all_rows<2, ALONG>(c, m, a, s);
    else all_rows<VECTORS, ALONG>(c, m, a, s);
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

// Copy b (depth x cols) to rows of width_of(cols) numbers, zeros behind them. One of its strides is 1.
inline void pack_columns(real* to, const Matrix& b, int depth, int cols) {
    const int width = width_of(cols);
    const int blocks = b.col != 1 && cols == width ? depth / LANES * LANES : 0;  // rows that are transposed in blocks
    for (int n = 0; n < (blocks ? width : 0); n += LANES)
        for (int k = 0; k < blocks; k += LANES) {
            vec block[LANES];
            UNROLL for (int i = 0; i < LANES; ++i) block[i] = *(const unaligned*) (b.at + (n + i) * b.col + k);
            transpose(block);
            UNROLL for (int i = 0; i < LANES; ++i) *(vec*) (to + (k + i) * width + n) = block[i];
        }
    for (int k = blocks; k < depth; ++k)
        if (b.col == 1 && cols == COLS)
            memcpy(to + k * COLS, b.at + k * b.row, COLS * sizeof(real));  // of constant length: fast
        else
            for (int n = 0; n < width; ++n) to[k * width + n] = n < cols ? b.at[k * b.row + n * b.col] : 0;
}

// Add a run of numbers to another.
inline void add(real* to, const real* from, int64 count) {
    typedef real four __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real))));
    int64 k = 0;
    for (; k + LANES <= count; k += LANES) *(unaligned*) (to + k) += *(const unaligned*) (from + k);
    for (; k + 4 <= count; k += 4) *(four*) (to + k) += *(const four*) (from + k);
    for (; k < count; ++k) to[k] += from[k];
}
