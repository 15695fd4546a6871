// Matrix products for the CPU: c[p] = a[p] b[p] for a stack of planes, as Winograd's convolutions need them.
//
// The scheme is that of every fast BLAS: tiles of c in registers (register_tile.h); the columns of b that a tile takes,
// DEPTH of its rows at a time, are copied to one run of memory, which stays in the L1 cache for all rows of a. Unlike a
// library's, one call does all planes: its tasks keep every thread busy to the end.
#include "register_tile.h"

constexpr int DEPTH = 128;

// Copy a (m x depth), whose columns are runs of memory, to tiles (depth x ROWS), `step` numbers from tile to tile.
static void pack_tiles(real* to, const Matrix& a, int m, int depth, int64 step) {
    for (int k = 0; k < depth; ++k)
        for (int i = 0; i < m; i += ROWS) {
            real* place = to + i / ROWS * step + k * ROWS;
            if (m - i >= ROWS) memcpy(place, a.at + k * a.col + i, ROWS * sizeof(real));  // of constant length: fast
            else memcpy(place, a.at + k * a.col + i, (m - i) * sizeof(real));
        }
}

static void product(real* c, int64 pitch, const Matrix& a, const Matrix& b, int m, int k, int n) {
    alignas(64) static thread_local real columns[DEPTH * COLS];
    const int64 step = DEPTH * ROWS + LINE;  // not 3 * 2^n: tiles would compete for the same lines of the cache
    const Memory tiles = a.col == 1 ? nullptr : memory((m + ROWS - 1) / ROWS * step);
    for (int from = 0; from == 0 || from < k; from += DEPTH) {  // once for k = 0, too: zeros
        const int depth = std::min(DEPTH, k - from);
        const Matrix left = a.from(0, from);
        if (tiles) pack_tiles(tiles.get(), left, m, depth, step);
        for (int first = 0; first < n; first += COLS) {
            const Target target = {c + first, pitch, std::min(COLS, n - first), from > 0};
            const Sum sum = {columns, width_of(target.cols), depth};
            pack_columns(columns, b.from(from, first), depth, target.cols);
            if (tiles) column<false>(target, m, {tiles.get(), ROWS, step}, sum);
            else column<true>(target, m, {left.at, a.row, ROWS * a.row}, sum);
        }
    }
}

// strides: of c's, a's and b's planes, then row and col of a and of b. spans: null, or per plane the part, from and to, of
// m, k or n (axis 0, 1 or 2) that it takes. `width` columns of c, whole tiles, are a task.
EXPORT void products(real* c, const real* a, const real* b, int count, int m, int k, int n, const int64* strides,
                     const int* spans, int axis, int width, int threads) {
    const int tasks = (n + width - 1) / width;
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int p = 0; p < count; ++p)
        for (int t = 0; t < tasks; ++t) {
            int from[] = {0, 0, 0}, to[] = {m, k, n};
            if (spans) from[axis] = spans[2 * p], to[axis] = spans[2 * p + 1];
            from[2] += t * width;
            const Matrix left = Matrix{a + p * strides[1], strides[3], strides[4]}.from(from[0], from[1]);
            const Matrix right = Matrix{b + p * strides[2], strides[5], strides[6]}.from(from[1], from[2]);
            product(c + p * strides[0] + (int64) from[0] * n + from[2], n, left, right, to[0] - from[0], to[1] - from[1],
                    std::min(width, to[2] - from[2]));  // no columns are left where a span ends early
        }
}
