// Statistics of groups of rows, put together, and what batch norm keeps of them (batchnorm.cu).

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
