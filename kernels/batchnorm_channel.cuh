// One channel of batch norm: its numbers, and the formulas for a single x, forward and backward (batchnorm.cu).

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

    ApplyBackward() = default;
    __device__ ApplyBackward(const Channel& channel, const real* sums, int c, int rows, int channels)
        : a(channel.scale * channel.rstd), by_x(-a * channel.rstd * sums[channels + c] / rows),
          constant(-a * sums[c] / rows), mean(channel.mean) {}
    __device__ real dx(real dz, real x) const { return a * dz + (by_x * (x - mean) + constant); }
};
