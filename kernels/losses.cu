// Binary cross-entropy on logits x against targets t, its gradient, and the mean of sigmoid(x), in one pass:
//
//     loss = mean of  max(x, 0) - x t + log(1 + exp(-|x|))         the logarithm is never taken of a rounded 0
//     dlogits = (sigmoid(x) - t) / count
//
// A launch takes one or two batches of `count` logits, each with its target; their losses are added.
//
// Thread -> element: a batch (blockIdx.y) is read as rows of LANES numbers, of which the last may be shorter. A thread
// takes one lane of rows_per_thread rows and adds the losses and the sigmoids of its numbers, always in the same order.
// On the CPU, column_sum of columns.cu then adds the groups of rows, where there are many, and mean_loss the rest. On
// the GPU the last threads to arrive do both in the same launch.

#include "device/last_to_arrive.cuh"

constexpr int LANES = 32, LOSS = 0, SIGMOID = 1;

// The column of `sums` (groups, batches * 2 * LANES) for one lane of a batch; what: LOSS or SIGMOID.
__device__ int column(int batch, int what, int lane) { return (batch * 2 + what) * LANES + lane; }

// Compute dlogits and both sums for one lane of a group of rows. targets may be null: then t = target everywhere.
// logits, targets, dlogits (batches * count)
__device__ void sums_of_group(bool whole, real* dlogits, real* sums, const real* logits, const real* targets,
                              real target, int count, int rows, int group, int rows_per_thread, int batch, int lane) {
    real loss = 0, sigmoids = 0;
    for_rows(whole, group * rows_per_thread, rows_per_thread, rows, [&](int row) {
        const int place = row * LANES + lane, i = batch * count + place;
        if (place >= count) return;
        const real x = logits[i], t = targets ? targets[i] : target, sigmoid = 1 / (1 + exp(-x));
        loss += (x > 0 ? x : real(0)) - x * t + log1p(exp(-fabs(x)));
        sigmoids += sigmoid;
        dlogits[i] = (sigmoid - t) / count;
    });
    sums[column(batch, LOSS, lane)] = loss;
    sums[column(batch, SIGMOID, lane)] = sigmoids;
}

// sums (groups, batches * 2 * LANES); `target` is the first batch's, second_target the second's
extern "C" __global__ void bce_with_logits(real* dlogits, real* sums, const real* logits, optional const real* targets,
                                           real target, real second_target, int count, int rows, int rows_per_thread) {
    const int lane = threadIdx.x, group = blockIdx.x, batch = blockIdx.y, width = gridDim.y * 2 * LANES;
    sums_of_group(whole_block, dlogits, sums + group * width, logits, targets, batch ? second_target : target, count,
                  rows, group, rows_per_thread, batch, lane);
}

__device__ real mean_of_lanes(const real* sums, int batch, int what, int count) {
    real sum = 0;
#pragma unroll
    for (int lane = 0; lane < LANES; ++lane) sum += sums[column(batch, what, lane)];
    return sum / count;
}

// numbers (1 + batches): the loss, then the mean sigmoid of each batch; sums (batches * 2 * LANES)
__device__ void write_means(real* numbers, const real* sums, int batches, int count) {
    real loss = 0;
    for (int batch = 0; batch < batches; ++batch) {
        loss += mean_of_lanes(sums, batch, LOSS, count);
        numbers[1 + batch] = mean_of_lanes(sums, batch, SIGMOID, count);
    }
    numbers[0] = loss;
}

// One thread.
extern "C" __global__ void mean_loss(real* numbers, const real* sums, int batches, int count) {
    write_means(numbers, sums, batches, count);
}

// bce_with_logits and mean_loss in one launch. The last group of each lane adds that lane's groups; the last lane of
// all computes the means. arrivals (batches * LANES + 1): zeros, and zeros afterwards.
extern "C" __global__ void bce_with_logits_at_once(real* numbers, real* dlogits, real* sums, int* arrivals,
                                                   const real* logits, optional const real* targets, real target,
                                                   real second_target, int count, int rows, int rows_per_thread) {
    const int lane = threadIdx.x, group = blockIdx.x, batch = blockIdx.y, batches = gridDim.y;
    const int width = batches * 2 * LANES;
    sums_of_group(false, dlogits, sums + group * width, logits, targets, batch ? second_target : target, count, rows,
                  group, rows_per_thread, batch, lane);
    if (!last_to_arrive(arrivals + batch * LANES + lane, gridDim.x)) return;
    for (int what = LOSS; what <= SIGMOID; ++what) {
        real sum = 0;
        for_rows(false, 0, gridDim.x, gridDim.x, [&](int i) { sum += sums[i * width + column(batch, what, lane)]; });
        sums[column(batch, what, lane)] = sum;
    }
    if (last_to_arrive(arrivals + batches * LANES, batches * LANES)) write_means(numbers, sums, batches, count);
}
