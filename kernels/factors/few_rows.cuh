// Batch norm's forward pass of few rows, in one launch: a block has all rows of its channels. So it knows their statistics
// without waiting for other blocks, and normalises them at once, while they are in its L1 cache.
#include "batchnorm_at_once.cuh"

// The launches statistics_at_once and normalise (batchnorm.cu) of one batch. A block of 256 threads owns 32 channels
// (blockIdx.y), as in device/block_sums.cuh. y, x (rows, channels); means, m2s (channels): room for the block's sums;
// arrivals (gridDim.y): zeros, and zeros afterwards
extern "C" __global__ void __launch_bounds__(256, 2)
    normalise_few_rows(Number* y, float* mean, float* var, float* rstd, optional float* running_mean,
                       optional float* running_var, float* means, float* m2s, int* arrivals, optional const float* x,
                       optional const Number* rounded_x, optional const float* scale, optional const float* shift,
                       int rows, int channels, float eps, float momentum, float slope) {
    __shared__ alignas(16) float numbers[3][MOST_CHANNELS];
    const bool wide = blockDim.x < BLOCK_COLUMNS;
    const int first = blockIdx.y * BLOCK_COLUMNS, width = min(BLOCK_COLUMNS, channels - first);
    given(x, rounded_x, [&](auto x) {
        statistics_by_blocks(mean, var, rstd, running_mean, running_var, means, m2s, arrivals, x, rows, channels,
                             channels, rows, eps, momentum);
        __syncthreads();  // the block's own statistics are written
        const SharedChannels shared{numbers};
        shared.fill(first, width, mean, rstd, scale, shift, nullptr, rows, channels);
        constexpr int RUN = WIDE<decltype(same(*x))>;
        const int c = threadIdx.x * (wide ? RUN : 1);
        if (c >= width) return;
        if (wide) normalise_rows<RUN>(y + first + c, x + first + c, shared, c, rows, rows, channels, slope);
        else normalise_rows<1>(y + first + c, x + first + c, shared, c, rows, rows, channels, slope);
    });
}
