// Binary cross-entropy on logits x against targets t, and its gradient, in one pass:
//
//     loss = mean of  max(x, 0) - x t + log(1 + exp(-|x|))         never the logarithm of a rounded 0
//     dlogits = (sigmoid(x) - t) / count
//
// The logits are read as rows of LANES numbers (the last may be shorter), one thread per lane and few rows. Each adds
// the losses of its numbers; columns.cu adds further levels if there are many, and mean_loss the last LANES sums,
// always in the same order.

constexpr int LANES = 32;

// losses[blockIdx.x, lane]: sums over the block's rows. targets may be null: then t = target everywhere.
extern "C" __global__ void bce_with_logits(real* dlogits, real* losses, const real* logits,
                                           optional const real* targets, real target, int count, int rows,
                                           int rows_per_thread) {
    const int lane = threadIdx.x;
    real sum = 0;
    for_rows(whole_block, blockIdx.x * rows_per_thread, rows_per_thread, rows, [&](int row) {
        const int i = row * LANES + lane;
        if (i >= count) return;
        const real x = logits[i], t = targets ? targets[i] : target;
        sum += (x > 0 ? x : real(0)) - x * t + log1p(exp(-fabs(x)));
        dlogits[i] = (1 / (1 + exp(-x)) - t) / count;
    });
    losses[blockIdx.x * LANES + lane] = sum;
}

// loss = (sum of losses[0], ..., losses[LANES - 1]) / count, by one thread
extern "C" __global__ void mean_loss(real* loss, const real* losses, int count) {
    real sum = 0;
#pragma unroll
    for (int lane = 0; lane < LANES; ++lane) sum += losses[lane];
    loss[0] = sum / count;
}
