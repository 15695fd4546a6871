// The tangent of layer and instance normalisation, backward: what the scalar s = sum of dty (J t) says about x and scale.
// J t = scale rstd (t - mean(t) - x_hat mean(t x_hat)) is the change of y along t (docs/gradient-penalty.md). With
// u = scale dty, and means over the M numbers that are normalised together,
//
//     a = mean(u x_hat),   b = mean(t x_hat),   k = mean(u t) - mean(u) mean(t) - 3 a b
//     dx = -rstd^2 (b u + a t + k x_hat - b mean(u) - a mean(t))
//     dscale = sum of dty rstd (t - mean(t) - b x_hat)                      over all samples, per channel
//
// `sums` begins the five sums below for each channel of a sample, column_sum of columns.cu ends them, `coefficients`
// makes numbers per channel of them, and `apply` multiplies. mean, rstd (samples, channels) hold a number per channel
// of a sample; for layer normalisation it is the same in all channels.

constexpr int DTY = 0, T = 1, DTY_X = 2, T_X = 3, DTY_T = 4, SUMS = 5;  // of dty, t, dty x_hat, t x_hat, dty t
constexpr int BY_DTY = 0, BY_T = 1, BY_X = 2, CONSTANT = 3, COEFFICIENTS = 4;

// sums (samples, groups, SUMS, channels); dty, t, x (samples, rows, channels). A thread takes rows_per_thread rows of a
// channel; blockIdx.z is the sample.
extern "C" __global__ void sums(real* sums, const real* dty, const real* t, const real* x, const real* mean,
                                const real* rstd, int rows, int channels, int rows_per_thread) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x, sample = blockIdx.z;
    const long long first = (long long) sample * rows * channels + c;
    const real centre = mean[sample * channels + c], r = rstd[sample * channels + c];
    real sum[SUMS] = {};
    for_rows(whole_block, blockIdx.x * rows_per_thread, rows_per_thread, rows, [&](int row) {
        const long long i = first + (long long) row * channels;
        const real d = dty[i], s = t[i], x_hat = (x[i] - centre) * r;
        sum[DTY] += d;
        sum[T] += s;
        sum[DTY_X] += d * x_hat;
        sum[T_X] += s * x_hat;
        sum[DTY_T] += d * s;
    });
#pragma unroll
    for (int k = 0; k < SUMS; ++k) sums[(((long long) sample * gridDim.x + blockIdx.x) * SUMS + k) * channels + c] = sum[k];
}

// coefficients (samples, COEFFICIENTS, channels), dscales (samples, channels): each sample's part of dscale
// sums (samples, SUMS, channels). totals (samples, SUMS, 2), for layer normalisation: the sums over all channels, with
// the channels' scales as weights in the first column and without them in the second. share = 1 / M
extern "C" __global__ void coefficients(real* coefficients, real* dscales, const real* sums, optional const real* totals,
                                        const real* rstd, optional const real* scale, int count, int channels,
                                        real share) {
    const auto body = [=](int i) {  // one channel of a sample
        const int sample = i / channels, c = i - sample * channels;
        const real* own = sums + (long long) sample * SUMS * channels + c;
        const real* all = totals + sample * SUMS * 2;
        const real weight = scale ? scale[c] : real(1), r = rstd[i];
        const real u = share * (totals ? all[2 * DTY] : weight * own[DTY * channels]);
        const real t = share * (totals ? all[2 * T + 1] : own[T * channels]);
        const real a = share * (totals ? all[2 * DTY_X] : weight * own[DTY_X * channels]);
        const real b = share * (totals ? all[2 * T_X + 1] : own[T_X * channels]);
        const real ut = share * (totals ? all[2 * DTY_T] : weight * own[DTY_T * channels]);
        real* to = coefficients + (long long) sample * COEFFICIENTS * channels + c;
        to[BY_DTY * channels] = -r * r * b * weight;
        to[BY_T * channels] = -r * r * a;
        to[BY_X * channels] = -r * r * r * (ut - u * t - 3 * a * b);
        to[CONSTANT * channels] = r * r * (b * u + a * t);
        dscales[i] = r * (own[DTY_T * channels] - t * own[DTY * channels] - b * own[DTY_X * channels]);
    };
    for_elements(false, blockIdx.x, threadIdx.x, count, body);
}

// dx = BY_DTY dty + BY_T t + BY_X (x - mean) + CONSTANT: a channel of a few rows per thread (for_rows_of_block)
extern "C" __global__ void apply(real* dx, const real* dty, const real* t, const real* x, const real* mean,
                                 const real* coefficients, int rows, int channels) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x, sample = blockIdx.z;
    const real* of = coefficients + (long long) sample * COEFFICIENTS * channels + c;
    const real by_dty = of[BY_DTY * channels], by_t = of[BY_T * channels], by_x = of[BY_X * channels];
    const real constant = of[CONSTANT * channels], centre = mean[sample * channels + c];
    const long long first = (long long) sample * rows * channels + c;
    const Column<real> to{dx + first, channels};
    const auto body = [=](int row, real dty, real t, real x) {
        to[row] = by_dty * dty + by_t * t + (by_x * (x - centre) + constant);
    };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, body, Column<const real>{dty + first, channels},
                      Column<const real>{t + first, channels}, Column<const real>{x + first, channels});
}

// y = scale x, per channel         y, x (rows, channels)
extern "C" __global__ void scale_channels(real* y, const real* x, const real* scale, int rows, int channels) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    const real factor = scale[c];
    const Column<real> to{y + c, channels};
    const auto body = [=](int row, real x) { to[row] = factor * x; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, body, Column<const real>{x + c, channels});
}
