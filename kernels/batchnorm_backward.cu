// The backward pass of batch normalisation with the activation behind it (batchnorm.cu has the symbols): with
// dz = dy times the activation's derivative,
//
//     dshift = sum dz,   dscale = sum dz x_hat                                          over all rows
//     dx = scale rstd (dz - dshift / rows - x_hat dscale / rows)                        docs/batchnorm.md derives it
//
// CPU:  reduce (both sums over groups of rows), column_sum of columns.cu (until few are left), finish, apply.
// GPU:  reduce_at_once, which ends with what finish does, apply.
// Threads as in batchnorm.cu. Several batches: dx uses the sums of its own batch, dshift and dscale are totals.

#include "batchnorm.cuh"
#include "device/last_to_arrive.cuh"

// Of one group of rows and one column: sums[0] = sum dz, sums[width] = sum dz x_hat.    dy, x: at the batch's first row
__device__ void reduce_group(bool whole, real* sums, const real* dy, const real* x, const Channel& channel, int group,
                             int column, int rows, int width, int rows_per_thread, real slope) {
    real sum = 0, with_x = 0;
    for_rows(whole, group * rows_per_thread, rows_per_thread, rows, [&](int row) {
        const long long i = (long long) row * width + column;
        const real dz = dy[i] * channel.activation_grad(x[i], slope);
        sum += dz;
        with_x += dz * (x[i] - channel.mean);
    });
    sums[0] = sum;
    sums[width] = with_x * channel.rstd;
}

// sums (batches, groups, 2, width)
extern "C" __global__ void reduce(real* sums, const real* dy, const real* x, const real* mean, const real* rstd,
                                  optional const real* scale, optional const real* shift, int rows, int width,
                                  int channels, int rows_per_thread, real slope) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x, group = blockIdx.z * gridDim.x + blockIdx.x;
    const Channel channel(channel_of(column, channels), blockIdx.z * channels, mean, rstd, scale, shift);
    const long long batch = (long long) blockIdx.z * rows * width;
    sums += 2 * group * width + column;
    reduce_group(whole_block, sums, dy + batch, x + batch, channel, blockIdx.x, column, rows, width, rows_per_thread,
                 slope);
}

// The last level, for one channel: sums (batches, groups, 2, k, channels) -> per_batch (batches, 2, channels), which
// apply needs, and the totals. `which`: 0 for dshift, 1 for dscale.
__device__ void finish_channel(int which, int channel, real* total, real* per_batch, const real* sums, int batches,
                               int groups, int k, int channels) {
    real all = 0;
    for (int batch = 0; batch < batches; ++batch) {
        real sum = 0;
        for_rows(false, 0, groups * k, groups * k, [&](int part) {
            const int group = batch * groups + part / k;
            sum += sums[((2 * group + which) * k + part % k) * channels + channel];
        });
        per_batch[(2 * batch + which) * channels + channel] = sum;
        all += sum;
    }
    total[channel] = all;
}

// One thread per channel and sum.
extern "C" __global__ void finish(real* dscale, real* dshift, real* per_batch, const real* sums, int batches,
                                  int groups, int k, int channels) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x, which = column >= channels;
    if (column < 2 * channels)
        finish_channel(which, column - which * channels, which ? dscale : dshift, per_batch, sums, batches, groups, k,
                       channels);
}

// Both in one launch, as `reduce`; the last of a channel's threads finishes it. arrivals (channels): zero.
extern "C" __global__ void reduce_at_once(real* dscale, real* dshift, real* per_batch, real* sums, int* arrivals,
                                          const real* dy, const real* x, const real* mean, const real* rstd,
                                          optional const real* scale, optional const real* shift, int rows, int width,
                                          int channels, int rows_per_thread, real slope) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x, group = blockIdx.z * gridDim.x + blockIdx.x;
    const int c = channel_of(column, channels), k = width / channels, groups = gridDim.x, batches = gridDim.z;
    const Channel channel(c, blockIdx.z * channels, mean, rstd, scale, shift);
    const long long batch = (long long) blockIdx.z * rows * width;
    real* const to = sums + 2 * group * width + column;
    reduce_group(false, to, dy + batch, x + batch, channel, blockIdx.x, column, rows, width, rows_per_thread, slope);
    if (last_to_arrive(arrivals + c, groups * k * batches))
        for (int which = 0; which < 2; ++which)
            finish_channel(which, c, which ? dscale : dshift, per_batch, sums, batches, groups, k, channels);
}

// dx may be dy.
extern "C" __global__ void apply(real* dx, const real* dy, const real* x, const real* mean, const real* rstd,
                                 optional const real* scale, optional const real* shift, const real* per_batch,
                                 int rows, int channels, real slope) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    const Channel channel(c, blockIdx.z * channels, mean, rstd, scale, shift);
    const real* sums = per_batch + blockIdx.z * 2 * channels;
    const real a = channel.scale * channel.rstd;
    const real by_x = -a * channel.rstd * sums[channels + c] / rows;
    const real constant = -a * sums[c] / rows;
    const long long batch = (long long) blockIdx.z * rows * channels;
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, [=](int row) {
        const long long i = batch + (long long) row * channels + c;
        const real dz = dy[i] * channel.activation_grad(x[i], slope);
        dx[i] = a * dz + (by_x * (x[i] - channel.mean) + constant);
    });
}
