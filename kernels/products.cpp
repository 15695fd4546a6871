// Matrix products for the CPU: c[p] = a[p] b[p] for a stack of planes, as Winograd's convolutions need them.
//
// The scheme is that of every fast BLAS. Tiles of c stay in registers (register_tile.h). A tile's columns of b are
// copied, DEPTH rows at a time, to one run of memory, which stays in the L1 cache while all rows of a pass by. A BLAS
// library would be called once per plane; here one call takes all planes, so its tasks keep every thread busy to the
// end.
//
// Thread -> element: a task is `width` columns of one plane of c. Planes are row-major in c; a and b may be transposed.
#include "register_tile.h"

constexpr int DEPTH = 128;

// Copy a (m, depth), which is column-major, to tiles of ROWS rows: each is (depth, ROWS), `step` numbers apart.
static void pack_tiles(real* to, const Matrix& a, int m, int depth, int64 step) {
    for (int k = 0; k < depth; ++k)
        for (int i = 0; i < m; i += ROWS) {
            real* place = to + i / ROWS * step + k * ROWS;
            if (m - i >= ROWS) memcpy(place, a.at + k * a.col + i, ROWS * sizeof(real));  // constant length: fast
            else memcpy(place, a.at + k * a.col + i, (m - i) * sizeof(real));
        }
}

// c (m, n), rows `pitch` apart, = a (m, k) b (k, n)
static void product(real* c, int64 pitch, const Matrix& a, const Matrix& b, int m, int k, int n) {
    alignas(64) static thread_local real columns[DEPTH * COLS];
    const int64 step = DEPTH * ROWS + LINE;  // with 3 * 2^n alone, tiles would compete for the same cache lines
    const Memory tiles = a.col == 1 ? nullptr : memory((m + ROWS - 1) / ROWS * step);
    for (int from = 0; from == 0 || from < k; from += DEPTH) {  // for k = 0, once: c becomes zeros
        const int depth = std::min(DEPTH, k - from);
        const Matrix left = a.from(0, from);
        if (tiles) pack_tiles(tiles.get(), left, m, depth, step);
        for (int first = 0; first < n; first += COLS) {
            const Target target = {c + first, pitch, std::min(COLS, n - first), from > 0};
            const Sum sum = {columns, width_of(target.cols), depth};
            pack_columns(columns, b.from(from, first), depth, target.cols);
            if (tiles) multiply_column<false>(target, m, {tiles.get(), ROWS, step}, sum);
            else multiply_column<true>(target, m, {left.at, a.row, ROWS * a.row}, sum);
        }
    }
}

// c (count, m, n) = a (count, m, k) b (count, k, n)
// strides (7), in numbers: from plane to plane of c, a and b; from row to row and column to column of a, then of b.
// spans: null, or (count, 2): plane p takes only the part from spans[p][0] to spans[p][1] of m, k or n (axis 0, 1 or
// 2). width: columns of c per task, a multiple of the tile's.
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
            real* const target = c + p * strides[0] + (int64) from[0] * n + from[2];
            product(target, n, left, right, to[0] - from[0], to[1] - from[1],
                    std::min(width, to[2] - from[2]));  // 0 or fewer columns where a span has ended
        }
}
