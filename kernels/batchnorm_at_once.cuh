// Batch norm's sums on a GPU: a launch for the statistics, and a launch for the two sums of the backward pass.
//
// Whole blocks add (device/block_sums.cuh says which thread owns what); the last block to arrive finishes its channels,
// all batches of them, since the running averages move once per batch, in order. As on the CPU, blockIdx.z is the batch
// and k rows of `channels` numbers may lie side by side as one row of `width`.
//
// The functions are templates over the types of the numbers in x and dy: batchnorm.cu has kernels for `real`, and
// factors/batchnorm.cuh for numbers of 16 bits.

#include "device/block_sums.cuh"
#include "batchnorm_channel.cuh"
#include "batchnorm_moments.cuh"

// Write mean and m2 of the block's columns. All threads of a column take the deviations from the block's first row, so
// that their sums can be added (moments_of_group in batchnorm.cu says why from a row).
template <int RUN, class X>
__device__ void moments_of_block(real* means, real* m2s, const X* x, int rows, int width, int rows_per_block) {
    const BlockPart<RUN> part(rows, width, rows_per_block);
    const Rows<RUN, X> x_rows{x + part.start, width};
    const Run<RUN, X> origin = x_rows[0];
    real sums[2 * RUN] = {};  // of deviations, then of their squares
    const auto add = [&](int, const Run<RUN, X>& x) {
#pragma unroll
        for (int e = 0; e < RUN; ++e) {
            const real d = to_real(x.at[e]) - to_real(origin.at[e]);
            sums[e] += d;
            sums[RUN + e] += d * d;
        }
    };
    for_lane<AHEAD>(threadIdx.y, blockDim.y, part.rows, add, x_rows);
    add_lanes(sums, thread_of_block(), blockDim.x);
    if (!part.writes()) return;
#pragma unroll
    for (int e = 0; e < RUN; ++e) {
        const real mean = sums[e] / part.rows;
        means[part.to + e] = to_real(origin.at[e]) + mean;
        m2s[part.to + e] = sums[RUN + e] - sums[e] * mean;
    }
}

// The kernel statistics_at_once (batchnorm.cu), for x of any type
template <class X>
__device__ void statistics_by_blocks(real* mean, real* var, real* rstd, real* running_mean, real* running_var,
                                     real* means, real* m2s, int* arrivals, const X* x, int rows, int width,
                                     int channels, int rows_per_block, real eps, real momentum) {
    if (blockDim.x < BLOCK_COLUMNS) moments_of_block<WIDE<X>>(means, m2s, x, rows, width, rows_per_block);
    else moments_of_block<1>(means, m2s, x, rows, width, rows_per_block);
    const Finish finish(width, channels);
    if (!finish.mine(arrivals)) return;
    const int k = width / channels, whole = (gridDim.x - 1) * k;  // parts of rows_per_block rows each; then smaller ones
    const int rest = rows - (gridDim.x - 1) * rows_per_block;
    finish.for_channels([&](int channel, bool writes) {
        for (int batch = 0; batch < gridDim.z; ++batch) {
            const int first = batch * finish.parts * channels + channel;
            Moments moments(means[first]);
            const auto add = [&](int part, real mean, real m2) {
                moments.add(part < whole ? rows_per_block : rest, mean, m2);
            };
            for_lane<AHEAD>(finish.lane, finish.lanes, finish.parts, add, Column<const real>{means + first, channels},
                            Column<const real>{m2s + first, channels});
            real sums[3] = {moments.count, moments.sum, moments.squares};
            add_lanes(sums, thread_of_block(), finish.across);
            moments.count = sums[0], moments.sum = sums[1], moments.squares = sums[2];
            if (writes)
                write_statistics(channel, batch * channels + channel, mean, var, rstd, running_mean, running_var, moments,
                                 rows * k, eps, momentum);
        }
    });
}

// Write sum dz and sum dz x_hat of the block's columns. parts (2, batches, groups, width)
template <int RUN, class Dy, class X>
__device__ void backward_by_block(real* parts, const Dy* dy, const X* x, const real* mean, const real* rstd,
                                  const real* scale, const real* shift, int rows, int width, int channels,
                                  int rows_per_block, real slope) {
    const BlockPart<RUN> part(rows, width, rows_per_block);
    Channel channel[RUN];
#pragma unroll
    for (int e = 0; e < RUN; ++e)
        channel[e] = Channel(channel_of(part.column + e, channels), blockIdx.z * channels, mean, rstd, scale, shift);
    real sums[2 * RUN] = {};
    const auto add = [&](int, const Run<RUN, Dy>& dy, const Run<RUN, X>& x) {
#pragma unroll
        for (int e = 0; e < RUN; ++e) {
            const real x_e = to_real(x.at[e]), dz = to_real(dy.at[e]) * channel[e].activation_grad(x_e, slope);
            sums[e] += dz;
            sums[RUN + e] += dz * (x_e - channel[e].mean);
        }
    };
    for_lane<ROWS_AHEAD<RUN, Dy, X>>(threadIdx.y, blockDim.y, part.rows, add, Rows<RUN, Dy>{dy + part.start, width},
                                     Rows<RUN, X>{x + part.start, width});
    add_lanes(sums, thread_of_block(), blockDim.x);
    if (!part.writes()) return;
    const int all = gridDim.z * gridDim.x * width;
#pragma unroll
    for (int e = 0; e < RUN; ++e) {
        parts[part.to + e] = sums[e];
        parts[all + part.to + e] = sums[RUN + e] * channel[e].rstd;
    }
}

// The kernel backward_reduce_at_once (batchnorm.cu), for dy and x of any type; RUN: the numbers that are loaded at once
// where rows are aligned
template <int RUN, class Dy, class X>
__device__ void reduce_by_blocks(real* dscale, real* dshift, real* per_batch, real* parts, int* arrivals, const Dy* dy,
                                 const X* x, const real* mean, const real* rstd, const real* scale, const real* shift,
                                 int rows, int width, int channels, int rows_per_block, real slope) {
    if (blockDim.x < BLOCK_COLUMNS)
        backward_by_block<RUN>(parts, dy, x, mean, rstd, scale, shift, rows, width, channels, rows_per_block, slope);
    else backward_by_block<1>(parts, dy, x, mean, rstd, scale, shift, rows, width, channels, rows_per_block, slope);
    const Finish finish(width, channels);
    if (!finish.mine(arrivals)) return;
    finish.for_channels([&](int channel, bool writes) {
        real total[2] = {};
        for (int batch = 0; batch < gridDim.z; ++batch) {
            const real* const first = parts + batch * finish.parts * channels + channel;
            real sums[2] = {};
            const auto add = [&](int, real dz, real with_x) {
                sums[0] += dz;
                sums[1] += with_x;
            };
            for_lane<AHEAD>(finish.lane, finish.lanes, finish.parts, add, Column<const real>{first, channels},
                            Column<const real>{first + gridDim.z * finish.parts * channels, channels});
            add_lanes(sums, thread_of_block(), finish.across);
            for (int which = 0; which < 2; ++which) {
                if (writes) per_batch[(2 * batch + which) * channels + channel] = sums[which];
                total[which] += sums[which];
            }
        }
        if (writes) dshift[channel] = total[0], dscale[channel] = total[1];
    });
}
