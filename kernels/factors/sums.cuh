// Sums over the rows of factors of 16 bits: what batchnorm.cu and columns.cu compute for floats. The GPU's way, whole
// blocks that finish in one launch (device/block_sums.cuh), is the only one here, on the CPU as well.
#include "batchnorm_at_once.cuh"
#include "columns_at_once.cuh"

// batchnorm.cu's statistics_at_once
extern "C" __global__ void __launch_bounds__(256, 2)
    statistics(float* mean, float* var, float* rstd, optional float* running_mean, optional float* running_var,
               float* means, float* m2s, int* arrivals, const Number* x, int rows, int width, int channels,
               int rows_per_block, float eps, float momentum) {
    statistics_by_blocks(mean, var, rstd, running_mean, running_var, means, m2s, arrivals, x, rows, width, channels,
                         rows_per_block, eps, momentum);
}

// batchnorm.cu's backward_reduce_at_once; of dy and x at least one is of factors
extern "C" __global__ void __launch_bounds__(256, 2)
    backward_reduce(float* dscale, float* dshift, float* per_batch, float* parts, int* arrivals,
                    optional const float* dy, optional const Number* rounded_dy, optional const float* x,
                    optional const Number* rounded_x, const float* mean, const float* rstd, optional const float* scale,
                    optional const float* shift, int rows, int width, int channels, int rows_per_block, float slope) {
    given(dy, rounded_dy, [&](auto dy) {
        given(x, rounded_x, [&](auto x) {
            if constexpr (sizeof(*dy) + sizeof(*x) < 2 * sizeof(float))
                reduce_by_blocks<WIDE<Number>>(dscale, dshift, per_batch, parts, arrivals, dy, x, mean, rstd, scale,
                                               shift, rows, width, channels, rows_per_block, slope);
        });
    });
}

// columns.cu's column_sum_at_once: total (channels) of x (rows, width)
extern "C" __global__ void __launch_bounds__(256, 2)
    column_sum(float* total, float* parts, int* arrivals, const Number* x, int rows, int width, int channels,
               int rows_per_block) {
    sum_columns(total, parts, arrivals, x, rows, width, channels, rows_per_block);
}
