// Layer normalisation, the last step of its backward pass. Its other steps are batchnorm.cu's kernels, with every sample
// as a batch of its own (gpunet/backend/layer_norm.py).
//
// With dz = dy scale, and both sums over the M = rows * channels numbers of a sample,
//
//     dx = rstd (dz - sum(dz) / M - x_hat sum(dz x_hat) / M),     x_hat = (x - mean) rstd

// Multiplied out for one channel of a sample: dx = a dy + by_x (x - mean) + constant.
struct ApplyBackward {
    real a, by_x, constant, mean;

    // sums (2): of dz and of dz x_hat; share: 1 / M
    __device__ ApplyBackward(real mean, real rstd, real scale, const real* sums, real share)
        : a(rstd * scale), by_x(-rstd * rstd * sums[1] * share), constant(-rstd * sums[0] * share), mean(mean) {}
    __device__ real dx(real dy, real x) const { return a * dy + (by_x * (x - mean) + constant); }
};

// dx, which may be dy; one channel of a few rows per thread (for_rows_of_block in common.cuh), blockIdx.z is the sample.
// dx, dy, x (samples, rows, channels); mean, rstd (samples); sums (samples, 2); share: 1 / M. The body captures by reference for the
// sake of SIMD (kernels/README.md).
extern "C" __global__ void backward_apply(real* dx, const real* dy, const real* x, const real* mean, const real* rstd,
                                          optional const real* scale, const real* sums, int rows, int channels,
                                          real share) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x, sample = blockIdx.z;
    const ApplyBackward of(mean[sample], rstd[sample], scale ? scale[c] : real(1), sums + 2 * sample, share);
    const long long first = (long long) sample * rows * channels + c;
    const Column<real> to{dx + first, channels};
    const auto body = [=, &of](int row, real dy, real x) { to[row] = of.dx(dy, x); };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, body,
                      Column<const real>{dy + first, channels}, Column<const real>{x + first, channels});
}
