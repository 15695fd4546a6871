// The functions of conv2d_wgmma/squares.cuh as kernels, for a test that plays a Hopper GPU: one thread writes all of
// it.
//
// works (works, 6): the pieces of work. pixels (works, steps, 4, 6) and corners (works, steps, COLUMNS / 64, 3): the
// arguments of the copies of a step. rows (works, 256): where a row of the tile lies in the result, -1: nowhere.
#include "conv2d_wgmma/squares.cuh"

template <class Pass, int COLUMNS>
__device__ void describe(int* works_, int* pixels, int* corners, long long* rows, Pass pass, int splits, int steps) {
    for (int i = 0; i < works<Pass, COLUMNS>(pass, splits); ++i) {
        const Work w = work<Pass, COLUMNS>(pass, i, splits);
        const int fields[] = {w.row, w.column, w.begin, w.end, w.tile, w.split};
        for (int j = 0; j < 6; ++j) works_[i * 6 + j] = fields[j];
        for (int step = w.begin; step < w.end; ++step) {
            Pixels of_step;
            Corner corner;
            pass.of_step(step, of_step, corner);
            for (int j = 0; j < ROWS / SIDE; ++j) {
                const Pixels p = pass.of_row(w.row + j * SIDE) + of_step;
                const int numbers[] = {p.c, p.w, p.h, p.n, p.across, p.down};
                for (int k = 0; k < 6; ++k) pixels[((i * steps + step) * 4 + j) * 6 + k] = numbers[k];
            }
            for (int j = 0; j < COLUMNS / SIDE; ++j) {
                const Corner c = pass.of_column(w.column + j * SIDE) + corner;
                int* const to = corners + ((i * steps + step) * (COLUMNS / SIDE) + j) * 3;
                to[0] = c.x, to[1] = c.y, to[2] = c.z;
            }
        }
        for (int j = 0; j < ROWS; ++j) rows[i * ROWS + j] = pass.out(w.row + j);
    }
}
template <class Pass>
__device__ void describe(int* works_, int* pixels, int* corners, long long* rows, const Pass& pass, int columns,
                         int splits, int steps) {
    if (columns == 128) describe<Pass, 128>(works_, pixels, corners, rows, pass, splits, steps);
    else describe<Pass, 64>(works_, pixels, corners, rows, pass, splits, steps);
}

extern "C" __global__ void squares(int* works, int* pixels, int* corners, long long* rows, int pass, int columns, int N,
                                   int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
                                   int left, int splits, int steps) {
    const Conv conv = {N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left};
    if (pass == 0) describe(works, pixels, corners, rows, Forward{conv}, columns, splits, steps);
    if (pass == 1) describe(works, pixels, corners, rows, InputGrad{conv}, columns, splits, steps);
    if (pass == 2) describe(works, pixels, corners, rows, WeightGrad{conv}, columns, splits, steps);
}
// The description of a square at an address for product i's k's; a turned one, and one that is not.
extern "C" __global__ void descriptions(long long* turned, long long* straight, int address) {
    for (int i = 0; i < SIDE / DEPTH; ++i) {
        turned[i] = (long long) description<true>(address + to_product<true>(i));
        straight[i] = (long long) description<false>(address + to_product<false>(i));
    }
}
// Which row of a square and which column of a tile sum i of a thread belongs to.
extern "C" __global__ void sums(int* rows, int* columns, int count) {
    for (int thread = 0; thread < 128; ++thread)
        for (int i = 0; i < count; ++i) {
            rows[thread * count + i] = row_of_sum(thread, i);
            columns[thread * count + i] = column_of_sum(thread, i);
        }
}
