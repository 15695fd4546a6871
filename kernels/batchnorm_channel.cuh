// One channel of batch norm: its statistics, its numbers, and the formulas for a single x, forward and backward
// (batchnorm.cu).

// The mean and m2 of several groups together (Chan, Golub & LeVeque, "Updating formulae", 1979). Where group i has n_i
// rows, mean_i and m2_i,
//     n = sum n_i,   mean = sum n_i mean_i / n,   m2 = sum m2_i + sum n_i (mean_i - mean)^2
// The last sum is again computed from deviations, from the first group's mean.
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

// Write mean, var (biased) and rstd of one batch and channel, and move the running averages:
//     running = (1 - momentum) running + momentum batch         with the unbiased variance
__device__ void write_statistics(int channel, int to, real* mean, real* var, real* rstd, real* running_mean,
                                 real* running_var, const Moments& moments, int rows, real eps, real momentum) {
    const real batch_mean = moments.mean(), m2 = moments.m2() < 0 ? real(0) : moments.m2();  // a NaN stays
    mean[to] = batch_mean;
    var[to] = m2 / rows;
    rstd[to] = 1 / sqrt(m2 / rows + eps);
    if (running_mean) {
        running_mean[channel] += momentum * (batch_mean - running_mean[channel]);
        running_var[channel] += momentum * (m2 / (rows - 1) - running_var[channel]);
    }
}

// The numbers of one channel that both passes need. Subtracting the mean first costs nothing and keeps digits where
// the mean is large.
struct Channel {
    real mean, rstd, scale, shift;

    Channel() = default;
    // means, rstds (batches, channels); `batch` is where the batch's row of them begins
    __device__ Channel(int c, int batch, const real* means, const real* rstds, const real* scales, const real* shifts)
        : mean(means[batch + c]), rstd(rstds[batch + c]), scale(scales ? scales[c] : real(1)),
          shift(shifts ? shifts[c] : real(0)) {}
    __device__ real z(real x) const { return (x - mean) * (rstd * scale) + shift; }
    __device__ real activation_grad(real x, real slope) const { return z(x) > 0 ? real(1) : slope; }
};

// The last step of the backward pass, for one channel and batch. sums (2, channels): dshift and dscale of the batch.
// Multiplied out, dx = a dz + by_x (x - mean) + constant.
struct ApplyBackward {
    real a, by_x, constant, mean;

    __device__ ApplyBackward(const Channel& channel, const real* sums, int c, int rows, int channels)
        : a(channel.scale * channel.rstd), by_x(-a * channel.rstd * sums[channels + c] / rows),
          constant(-a * sums[c] / rows), mean(channel.mean) {}
    __device__ real dx(real dz, real x) const { return a * dz + (by_x * (x - mean) + constant); }
};
