// Batch normalisation of x (rows, channels) with the activation behind it, forward and backward.
//
//     x_hat = (x - mean) rstd,    rstd = 1 / sqrt(var + eps)
//     z = x_hat scale + shift,    y = z where z > 0, else slope z           slope 1: no activation, 0: ReLU
//
// and with dz = dy times the activation's derivative (docs/batchnorm.md derives it)
//
//     dshift = sum dz,   dscale = sum dz x_hat                              over all rows
//     dx = scale rstd (dz - dshift / rows - x_hat dscale / rows)
//
//            forward                                              backward
//     CPU    statistics   mean and squared deviations of          backward_reduce   both sums, of groups of rows
//                         groups of rows
//            combine      the same of groups of groups,           column_sum        of columns.cu, until few are left
//                         until few are left
//            finish       the last level, running averages        backward_finish   the last level
//            normalise    y                                       backward_apply    dx
//     GPU    statistics_at_once, normalise                        backward_reduce_at_once, backward_apply
//            ("at once": whole blocks add, and the last to arrive finishes, in one launch: batchnorm_at_once.cuh)
//
// Thread -> element: one thread takes one column of a few rows. No thread waits for another: columns.cu explains the
// tree. Where channels are few, k rows lie side by side as one row of `width` = k * channels columns (channel_of in
// common.cuh).
//
// x may hold several batches, one after another, each with its own statistics. Then blockIdx.z is the batch, `rows`
// counts the rows of one batch, and mean, var and rstd are (batches, channels). dx uses the sums of its own batch;
// dshift and dscale are totals. scale or shift may be null, which means 1 or 0.

#include "batchnorm_at_once.cuh"

// ---- forward ----

// Compute mean and m2, the sum of (x - mean)^2, of one group of rows and one column. x points to the batch's first row.
//
// The deviations are taken from the group's first row instead of its mean. So one pass suffices; and since that row
// belongs to the group, the squares lose at most log2(rows_per_thread) bits against two passes, where E[x^2] - mean^2
// may lose all.
__device__ void moments_of_group(bool whole, real* mean, real* m2, const real* x, int group, int column, int rows,
                                 int width, int rows_per_thread) {
    const int first = group * rows_per_thread;
    const real origin = x[(long long) first * width + column], count = min(rows_per_thread, rows - first);
    real sum = 0, squares = 0;
    for_rows(whole, first, rows_per_thread, rows, [&](int row) {
        const real d = x[(long long) row * width + column] - origin;
        sum += d;
        squares += d * d;
    });
    *mean = origin + sum / count;
    *m2 = squares - sum * (sum / count);
}

// mean, m2 (batches, groups, width); x (batches, rows, width)
extern "C" __global__ void statistics(real* mean, real* m2, const real* x, int rows, int width, int rows_per_thread) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x;
    const int to = (blockIdx.z * gridDim.x + blockIdx.x) * width + column;
    x += (long long) blockIdx.z * rows * width;
    moments_of_group(whole_block, mean + to, m2 + to, x, blockIdx.x, column, rows, width, rows_per_thread);
}

// means, m2s (batches, groups, width), of groups of `each` rows (the last one may have fewer of the `rows`)
// -> mean, m2 (batches, gridDim.x, width), of groups_per_thread such groups each
extern "C" __global__ void combine(real* mean, real* m2, const real* means, const real* m2s, int groups, int width,
                                   int each, int rows, int groups_per_thread) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x;
    const int first = blockIdx.x * groups_per_thread, larger = blockIdx.z * gridDim.x + blockIdx.x;
    means += blockIdx.z * groups * width;
    m2s += blockIdx.z * groups * width;
    Moments moments(means[first * width + column]);
    for_rows(whole_block, first, groups_per_thread, groups, [&](int group) {
        const int i = group * width + column;
        moments.add(min(each, rows - group * each), means[i], m2s[i]);
    });
    mean[larger * width + column] = moments.mean();
    m2[larger * width + column] = moments.m2();
}

// The last level, for one channel: the statistics of each batch, and the running averages.
// means, m2s (batches, groups * k, channels): a row of k * channels columns counts as k rows of channels, so part i
// comes from group i / k. The averages move once per batch, in order, so one thread takes all batches of a channel.
__device__ void finish_channel(int channel, real* mean, real* var, real* rstd, real* running_mean, real* running_var,
                               const real* means, const real* m2s, int batches, int parts, int k, int channels,
                               int each, int rows, real eps, real momentum) {
    for (int batch = 0; batch < batches; ++batch) {
        const int first = batch * parts * channels + channel, to = batch * channels + channel;
        Moments moments(means[first]);
        for_rows(false, 0, parts, parts, [&](int part) {
            const int i = first + part * channels;
            moments.add(min(each, rows / k - part / k * each), means[i], m2s[i]);
        });
        write_statistics(channel, to, mean, var, rstd, running_mean, running_var, moments, rows, eps, momentum);
    }
}

// One thread per channel. mean, var, rstd (batches, channels); running_mean, running_var (channels).
extern "C" __global__ void finish(real* mean, real* var, real* rstd, optional real* running_mean,
                                  optional real* running_var, const real* means, const real* m2s, int batches,
                                  int parts, int k, int channels, int each, int rows, real eps, real momentum) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel < channels)
        finish_channel(channel, mean, var, rstd, running_mean, running_var, means, m2s, batches, parts, k, channels,
                       each, rows, eps, momentum);
}

// y = leaky_relu(z, slope), one channel of a few rows per thread (for_rows_of_block in common.cuh). Given the running
// averages as mean and rstd (from inverse_root below), this is inference.
extern "C" __global__ void normalise(real* y, const real* x, const real* mean, const real* rstd,
                                     optional const real* scale, optional const real* shift, int rows, int channels,
                                     real slope) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    const Channel channel(c, blockIdx.z * channels, mean, rstd, scale, shift);
    const long long first = (long long) blockIdx.z * rows * channels + c;
    const Column<real> to{y + first, channels};
    const auto body = [=, &channel](int row, real x) {
        const real z = channel.z(x);
        to[row] = z > 0 ? z : slope * z;
    };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, body,
                      Column<const real>{x + first, channels});
}

// rstd = 1 / sqrt(var + eps), one thread per channel
extern "C" __global__ void inverse_root(real* rstd, const real* var, int channels, real eps) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < channels) rstd[c] = 1 / sqrt(var[c] + eps);
}

// ---- backward ----

// Compute the two sums of one group of rows and one column: sums[0] = sum dz, sums[width] = sum dz x_hat. dy and x
// point to the batch's first row.
__device__ void backward_group(bool whole, real* sums, const real* dy, const real* x, const Channel& channel, int group,
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

// sums (batches, groups, 2, width); dy, x (batches, rows, width)
extern "C" __global__ void backward_reduce(real* sums, const real* dy, const real* x, const real* mean,
                                           const real* rstd, optional const real* scale, optional const real* shift,
                                           int rows, int width, int channels, int rows_per_thread, real slope) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x, group = blockIdx.z * gridDim.x + blockIdx.x;
    const Channel channel(channel_of(column, channels), blockIdx.z * channels, mean, rstd, scale, shift);
    const long long batch = (long long) blockIdx.z * rows * width;
    sums += 2 * group * width + column;
    backward_group(whole_block, sums, dy + batch, x + batch, channel, blockIdx.x, column, rows, width, rows_per_thread,
                   slope);
}

// The last level, for one channel: sums (batches, groups, 2, k, channels) -> per_batch (batches, 2, channels), which
// backward_apply needs, and total (channels). `which`: 0 for dshift, 1 for dscale.
__device__ void backward_finish_channel(int which, int channel, real* total, real* per_batch, const real* sums,
                                        int batches, int groups, int k, int channels) {
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

// One thread per channel and sum. dscale, dshift (channels).
extern "C" __global__ void backward_finish(real* dscale, real* dshift, real* per_batch, const real* sums, int batches,
                                           int groups, int k, int channels) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x, which = column >= channels;
    if (column < 2 * channels)
        backward_finish_channel(which, column - which * channels, which ? dscale : dshift, per_batch, sums, batches,
                                groups, k, channels);
}

// dx, which may be dy; one channel of a few rows per thread.
//
// The body captures by reference: g++ copies a Channel captured by value as 16 bytes at once on some machines, and then
// runs one thread after the other.
extern "C" __global__ void backward_apply(real* dx, const real* dy, const real* x, const real* mean, const real* rstd,
                                          optional const real* scale, optional const real* shift,
                                          const real* per_batch, int rows, int channels, real slope) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    const Channel channel(c, blockIdx.z * channels, mean, rstd, scale, shift);
    const ApplyBackward of(channel, per_batch + blockIdx.z * 2 * channels, c, rows, channels);
    const long long first = (long long) blockIdx.z * rows * channels + c;
    const Column<real> to{dx + first, channels};
    const auto body = [=, &channel, &of](int row, real dy, real x) {
        to[row] = of.dx(dy * channel.activation_grad(x, slope), x);
    };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, body,
                      Column<const real>{dy + first, channels}, Column<const real>{x + first, channels});
}

// ---- both sums in one launch each, on a GPU: batchnorm_at_once.cuh ----

// means, m2s (batches, groups, width): room for the blocks' results, where group i / k has part i of a channel
// arrivals (gridDim.y): zeros, and zeros afterwards. mean, var, rstd (batches, channels); running_mean, running_var
// (channels); x (batches, rows, width)
extern "C" __global__ void __launch_bounds__(256, 2)
    statistics_at_once(real* mean, real* var, real* rstd, optional real* running_mean, optional real* running_var,
                       real* means, real* m2s, int* arrivals, const real* x, int rows, int width, int channels,
                       int rows_per_block, real eps, real momentum) {
    statistics_by_blocks(mean, var, rstd, running_mean, running_var, means, m2s, arrivals, x, rows, width, channels,
                         rows_per_block, eps, momentum);
}

// parts: room for the blocks' results; arrivals (gridDim.y): zeros, and zeros afterwards. dscale, dshift (channels) are
// totals, per_batch (batches, 2, channels) has dshift and dscale of each batch. dy, x (batches, rows, width)
extern "C" __global__ void __launch_bounds__(256, 2)
    backward_reduce_at_once(real* dscale, real* dshift, real* per_batch, real* parts, int* arrivals, const real* dy,
                            const real* x, const real* mean, const real* rstd, optional const real* scale,
                            optional const real* shift, int rows, int width, int channels, int rows_per_block,
                            real slope) {
    reduce_by_blocks<WIDE<real>>(dscale, dshift, per_batch, parts, arrivals, dy, x, mean, rstd, scale, shift, rows,
                                 width, channels, rows_per_block, slope);
}
