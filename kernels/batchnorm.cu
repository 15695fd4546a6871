// Batch normalisation of x (rows, channels), with the activation behind it:
//
//     x_hat = (x - mean) rstd,    rstd = 1 / sqrt(var + eps)
//     z = x_hat scale + shift,    y = z where z > 0, else slope z           slope 1: no activation, 0: ReLU
//
// CPU:  statistics (mean and squared deviations of groups of rows), combine (of groups of groups, until few are left),
//       finish (the rest, and the running averages), normalise.
// GPU:  statistics_at_once, which ends with what finish does, normalise.
// One thread per column and few rows, without barriers: see columns.cu for the tree, last_to_arrive.cuh for the way to
// do without it, and channel_of in common.cuh for `width`, a multiple k * channels of the channels.
//
// x may hold several batches, one after another, each with its own statistics: blockIdx.z is the batch, `rows` the rows
// of one, and statistics are (batches, channels). scale or shift may be null: 1 and 0.

#include "batchnorm.cuh"
#include "device/last_to_arrive.cuh"

// The deviations are taken from the group's first row instead of its mean: one pass suffices, and since that row
// belongs to the group, the squares lose at most log2(rows_per_thread) bits against two passes (E[x^2] - mean^2 may
// lose all).    mean, m2: of this group and column, the mean and the sum of (x - mean)^2; x: at the batch's first row
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

// mean, m2 (batches, groups, width)
extern "C" __global__ void statistics(real* mean, real* m2, const real* x, int rows, int width, int rows_per_thread) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x;
    const int to = (blockIdx.z * gridDim.x + blockIdx.x) * width + column;
    x += (long long) blockIdx.z * rows * width;
    moments_of_group(whole_block, mean + to, m2 + to, x, blockIdx.x, column, rows, width, rows_per_thread);
}

// What several groups are together (Chan, Golub & LeVeque, "Updating formulae", 1979): with n_i rows,
// means and m2 each,
//     n = sum n_i,   mean = sum n_i mean_i / n,   m2 = sum m2_i + sum n_i (mean_i - mean)^2
// the last again with the first mean as origin.
struct Moments {
    real origin, count = 0, sum = 0, squares = 0;

    __device__ explicit Moments(real origin) : origin(origin) {}
    __device__ void add(real group_count, real group_mean, real group_m2) {
        const real d = group_mean - origin;
        count += group_count;
        sum += group_count * d;
        squares += group_m2 + group_count * (d * d);
    }
    __device__ real mean() const { return origin + sum / count; }
    __device__ real m2() const { return squares - sum * (sum / count); }
};

// Groups of rows, `each` rows in all but the last of `rows`  ->  groups of groups.
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

// The last level, for one channel: mean, var (biased) and rstd of the batch, and the running averages
//     running = (1 - momentum) running + momentum batch,  the variance there being the unbiased one.
// means, m2s: (batches, groups * k, channels), since a row of k * channels is k rows of channels; group i / k has part
// i. The averages move once for each batch, in order, so one thread sees to all batches of a channel.
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
        const real batch_mean = moments.mean(), m2 = moments.m2() < 0 ? real(0) : moments.m2();  // a NaN stays
        mean[to] = batch_mean;
        var[to] = m2 / rows;
        rstd[to] = 1 / sqrt(m2 / rows + eps);
        if (running_mean) {
            running_mean[channel] += momentum * (batch_mean - running_mean[channel]);
            running_var[channel] += momentum * (m2 / (rows - 1) - running_var[channel]);
        }
    }
}

// One thread per channel.
extern "C" __global__ void finish(real* mean, real* var, real* rstd, optional real* running_mean,
                                  optional real* running_var, const real* means, const real* m2s, int batches,
                                  int parts, int k, int channels, int each, int rows, real eps, real momentum) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel < channels)
        finish_channel(channel, mean, var, rstd, running_mean, running_var, means, m2s, batches, parts, k, channels,
                       each, rows, eps, momentum);
}

// Both in one launch, as `statistics`; the last of a channel's threads finishes it. means, m2s: as mean, m2 there;
// arrivals (channels): zero.
extern "C" __global__ void statistics_at_once(real* mean, real* var, real* rstd, optional real* running_mean,
                                              optional real* running_var, real* means, real* m2s, int* arrivals,
                                              const real* x, int rows, int width, int channels, int rows_per_thread,
                                              real eps, real momentum) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x, channel = channel_of(column, channels);
    const int to = (blockIdx.z * gridDim.x + blockIdx.x) * width + column, k = width / channels;
    x += (long long) blockIdx.z * rows * width;
    moments_of_group(false, means + to, m2s + to, x, blockIdx.x, column, rows, width, rows_per_thread);
    const int parts = gridDim.x * k, batches = gridDim.z;
    if (last_to_arrive(arrivals + channel, parts * batches))
        finish_channel(channel, mean, var, rstd, running_mean, running_var, means, m2s, batches, parts, k, channels,
                       rows_per_thread, rows * k, eps, momentum);
}

// y = leaky_relu(z, slope). Given the running averages, this is inference; then rstd comes from inverse_root below.
extern "C" __global__ void normalise(real* y, const real* x, const real* mean, const real* rstd,
                                     optional const real* scale, optional const real* shift, int rows, int channels,
                                     real slope) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    const Channel channel(c, blockIdx.z * channels, mean, rstd, scale, shift);
    const long long batch = (long long) blockIdx.z * rows * channels;
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, [=](int row) {
        const long long i = batch + (long long) row * channels + c;
        const real z = channel.z(x[i]);
        y[i] = z > 0 ? z : slope * z;
    });
}

// rstd = 1 / sqrt(var + eps)
extern "C" __global__ void inverse_root(real* rstd, const real* var, int channels, real eps) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < channels) rstd[c] = 1 / sqrt(var[c] + eps);
}
