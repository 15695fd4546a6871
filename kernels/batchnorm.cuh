// What both passes of batch norm know of a channel: what it multiplies and adds. Subtracting the mean first costs
// nothing and keeps digits where it is large.
struct Channel {
    real mean, rstd, scale, shift;

    __device__ Channel(int c, int batch, const real* means, const real* rstds, const real* scales, const real* shifts)
        : mean(means[batch + c]), rstd(rstds[batch + c]), scale(scales ? scales[c] : real(1)),
          shift(shifts ? shifts[c] : real(0)) {}
    __device__ real z(real x) const { return (x - mean) * (rstd * scale) + shift; }
    __device__ real activation_grad(real x, real slope) const { return z(x) > 0 ? real(1) : slope; }
};
