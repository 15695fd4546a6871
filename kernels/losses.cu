// Binary cross-entropy on logits x against targets t, and its gradient, in one pass:
//
//     loss = mean of  max(x, 0) - x t + log(1 + exp(-|x|))         never the logarithm of a rounded 0
//     dlogits = (sigmoid(x) - t) / count
//
// The logits are read as rows of LANES numbers (the last may be shorter), one thread per lane and few rows. Each adds
// the losses of its numbers, always in the same order. What is left to add: on the CPU column_sum of columns.cu, if
// there are many rows, and mean_loss; on the GPU the last threads to arrive do it in the same launch.

#include "last_to_arrive.cuh"

constexpr int LANES = 32;

// dlogits, and the sum of the losses, of one lane of a group of rows. targets may be null: then t = target everywhere.
__device__ real loss_of_group(bool whole, real* dlogits, const real* logits, const real* targets, real target,
                              int count, int rows, int group, int rows_per_thread, int lane) {
    real sum = 0;
    for_rows(whole, group * rows_per_thread, rows_per_thread, rows, [&](int row) {
        const int i = row * LANES + lane;
        if (i >= count) return;
        const real x = logits[i], t = targets ? targets[i] : target;
        sum += (x > 0 ? x : real(0)) - x * t + log1p(exp(-fabs(x)));
        dlogits[i] = (1 / (1 + exp(-x)) - t) / count;
    });
    return sum;
}

// sums (groups, LANES)
extern "C" __global__ void bce_with_logits(real* dlogits, real* sums, const real* logits, optional const real* targets,
                                           real target, int count, int rows, int rows_per_thread) {
    const int lane = threadIdx.x, group = blockIdx.x;
    sums[group * LANES + lane] =
        loss_of_group(whole_block, dlogits, logits, targets, target, count, rows, group, rows_per_thread, lane);
}

__device__ real sum_of_lanes(const real* sums) {
    real sum = 0;
#pragma unroll
    for (int lane = 0; lane < LANES; ++lane) sum += sums[lane];
    return sum;
}

// One thread.
extern "C" __global__ void mean_loss(real* loss, const real* sums, int count) { loss[0] = sum_of_lanes(sums) / count; }

// All in one launch. arrivals (LANES + 1): zero.
extern "C" __global__ void bce_with_logits_at_once(real* loss, real* dlogits, real* sums, int* arrivals,
                                                   const real* logits, optional const real* targets, real target,
                                                   int count, int rows, int rows_per_thread) {
    const int lane = threadIdx.x, group = blockIdx.x;
    sums[group * LANES + lane] =
        loss_of_group(false, dlogits, logits, targets, target, count, rows, group, rows_per_thread, lane);
    if (!last_to_arrive(arrivals + lane, gridDim.x)) return;
    real sum = 0;
    for_rows(false, 0, gridDim.x, gridDim.x, [&](int other) { sum += sums[other * LANES + lane]; });
    sums[lane] = sum;
    if (last_to_arrive(arrivals + LANES, LANES)) loss[0] = sum_of_lanes(sums) / count;
}
