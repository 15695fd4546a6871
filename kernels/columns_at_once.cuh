// Sums over rows by whole blocks, in one launch (device/block_sums.cuh says which thread owns what).

#include "device/block_sums.cuh"

// Write the sums of the block's rows, one for each of its columns: sums (groups, width)
template <int RUN, class Number>
__device__ void sums_of_block(real* sums, const Number* x, int rows, int width, int rows_per_block) {
    const BlockPart<RUN> part(rows, width, rows_per_block);
    real sum[RUN] = {};
    const auto add = [&](int, const Run<RUN, Number>& x) {
#pragma unroll
        for (int e = 0; e < RUN; ++e) sum[e] += to_real(x.at[e]);
    };
    for_lane<AHEAD>(threadIdx.y, blockDim.y, part.rows, add, Rows<RUN, Number>{x + part.start, width});
    add_lanes(sum, thread_of_block(), blockDim.x);
    if (!part.writes()) return;
#pragma unroll
    for (int e = 0; e < RUN; ++e) sums[part.to + e] = sum[e];
}

// The kernel column_sum_at_once (columns.cu), for numbers of any type
template <class Number>
__device__ void sum_columns(real* total, real* parts, int* arrivals, const Number* x, int rows, int width, int channels,
                            int rows_per_block) {
    if (blockDim.x < BLOCK_COLUMNS) sums_of_block<WIDE<Number>>(parts, x, rows, width, rows_per_block);
    else sums_of_block<1>(parts, x, rows, width, rows_per_block);
    const Finish finish(width, channels);
    if (!finish.mine(arrivals)) return;
    finish.for_channels([&](int channel, bool writes) {
        real sum[1] = {};
        const auto add = [&](int, real part) { sum[0] += part; };
        for_lane<AHEAD>(finish.lane, finish.lanes, finish.parts, add, Column<const real>{parts + channel, channels});
        add_lanes(sum, thread_of_block(), finish.across);
        if (writes) total[channel] = sum[0];
    });
}
