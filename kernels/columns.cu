// Sums over rows, which is the gradient of a bias; and adding the bias.
//
// A launch adds groups of rows of a matrix (rows, width) and is one level of a tree. It is launched again on its own
// result until one row is left: 4096 rows become 256, 16 and 1 in three launches of 16 rows per thread. So no thread
// waits for another, no atomic is needed, and every run adds in the same order. Rounding errors grow with the depth of
// the tree instead of the number of rows.
//
// On a GPU one launch does it all (column_sum_at_once), where a launch costs more than threads that wait.
//
// Thread -> element: column blockIdx.y * blockDim.x + threadIdx.x of group blockIdx.x, rows_per_thread rows. blockDim.x
// divides the width.

#include "columns_at_once.cuh"

// sums[group, column] = sum of x[row, column] over the rows of the group         sums (groups, width), x (rows, width)
// blockIdx.z counts such matrices, which lie one after another.
extern "C" __global__ void column_sum(real* sums, const real* x, int rows, int width, int rows_per_thread) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x;
    real sum = 0;
    x += (long long) blockIdx.z * rows * width;
    for_rows(whole_block, blockIdx.x * rows_per_thread, rows_per_thread, rows,
             [&](int row) { sum += x[(long long) row * width + column]; });
    sums[((long long) blockIdx.z * gridDim.x + blockIdx.x) * width + column] = sum;
}

// total[c] = sum over all rows of x[row, c], by whole blocks in one launch: total (channels), x (rows, width), where
// k rows of `channels` numbers may lie side by side as one row of `width` (channel_of in common.cuh)
// parts (groups, width): room for the blocks' sums; arrivals (gridDim.y): zeros, and zeros afterwards
extern "C" __global__ void __launch_bounds__(256, 2)
    column_sum_at_once(real* total, real* parts, int* arrivals, const real* x, int rows, int width, int channels,
                       int rows_per_block) {
    sum_columns(total, parts, arrivals, x, rows, width, channels, rows_per_block);
}

// y[row, c] += bias[c]         y (rows, channels), bias (channels)
// Thread -> element: channel c of some rows (for_rows_of_block in common.cuh). blockDim.x divides the channels.
extern "C" __global__ void add_bias(real* y, const real* bias, int rows, int channels) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    const real b = bias[c];  // read once: the compiler must assume that y overlaps it
    const auto body = [=](int row, real before) { y[(long long) row * channels + c] = before + b; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, body, Column<real>{y + c, channels});
}
