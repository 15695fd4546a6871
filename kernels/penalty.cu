// Gradient penalties: from the gradient g of D at each picture to the penalty and its derivative by g; and the pictures
// between real and made ones at which WGAN-GP takes g.
//
//     R1        penalty = weight / 2  mean |g|^2           v = weight g / N
//     WGAN-GP   penalty = weight  mean (|g| - 1)^2         v = 2 weight (1 - 1 / |g|) g / N        |g| over a sample
//
// In launches of its own each: `squares` begins the sums of g^2, column_sum of columns.cu adds groups of rows,
// `weigh_samples` makes of every sum a term of the mean and the factor of g, `scale_samples` multiplies.
//
// Thread -> element: in `squares` as in losses.cu, a sample taking the place of a batch; in `weigh_samples` a sample; in
// the others number blockIdx.y * blockDim.x + threadIdx.x of some samples (for_rows_of_block in common.cuh).

constexpr int LANES = 32;

// sums[group, sample, lane] = sum of g^2 over the lane's numbers in the group of rows
// sums (groups, samples, LANES), g (samples, count); blockIdx.y is the sample, rows = ceil(count / LANES)
extern "C" __global__ void squares(real* sums, const real* g, int count, int rows, int rows_per_thread) {
    const int lane = threadIdx.x, group = blockIdx.x, sample = blockIdx.y;
    real sum = 0;
    const real* from = g + (long long) sample * count;
    for_rows(whole_block, group * rows_per_thread, rows_per_thread, rows, [&](int row) {
        const int place = row * LANES + lane;
        if (place < count) sum += from[place] * from[place];
    });
    sums[((long long) group * gridDim.y + sample) * LANES + lane] = sum;
}

// terms (samples): the penalty is their sum. factors (samples): v = factor g. sums (samples, LANES)
// to_one: 1 for WGAN-GP, 0 for R1. Where g = 0, |g| has no derivative: v is 0 there.
extern "C" __global__ void weigh_samples(real* terms, real* factors, const real* sums, int samples, real weight,
                                         int to_one) {
    const int sample = blockIdx.x * blockDim.x + threadIdx.x;
    if (sample >= samples) return;
    real sum = 0;
#pragma unroll
    for (int lane = 0; lane < LANES; ++lane) sum += sums[sample * LANES + lane];
    const real norm = sqrt(sum), off = norm - 1, each = weight / samples;
    terms[sample] = to_one ? each * off * off : each * sum / 2;
    factors[sample] = !to_one ? each : norm == 0 ? real(0) : 2 * each * off / norm;
}

// v[sample, j] = factors[sample] g[sample, j]            v, g (samples, count)
extern "C" __global__ void scale_samples(real* v, const real* g, const real* factors, int samples, int count) {
    const int j = blockIdx.y * blockDim.x + threadIdx.x;
    const Column<real> to{v + j, count};
    const auto body = [=](int sample, real g, real factor) { to[sample] = factor * g; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, samples, body, Column<const real>{g + j, count},
                      factors);
}

// x[sample, j] = mix[sample] real[sample, j] + (1 - mix[sample]) made[sample, j]        x, pictures, made (samples, count)
extern "C" __global__ void between(real* x, const real* pictures, const real* made, const real* mix, int samples,
                                   int count) {
    const int j = blockIdx.y * blockDim.x + threadIdx.x;
    const Column<real> to{x + j, count};
    const auto body = [=](int sample, real a, real b, real mix) { to[sample] = mix * a + (1 - mix) * b; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, samples, body,
                      Column<const real>{pictures + j, count}, Column<const real>{made + j, count}, mix);
}
