// Losses of D's answers x (logits) against targets t, their gradients, and the mean answers, in one pass:
//
//     bce      loss = mean of  max(x, 0) - x t + log(1 + exp(-|x|))       the logarithm is never taken of a rounded 0
//              dlogits = (sigmoid(x) - t) / count                         answer: sigmoid(x), a probability
//     linear   loss = mean of  -t x             dlogits = -t / count      answer: x, as in the next two
//     square   loss = mean of  (x - t)^2 / 2    dlogits = (x - t) / count
//     hinge    loss = mean of  max(0, 1 - t x)  dlogits = -t / count where 1 - t x > 0, else 0
//
// A launch takes one or two batches of `count` logits, each with its target; their losses are added.
//
// Thread -> element: a batch (blockIdx.y) is read as rows of LANES numbers, of which the last may be shorter. A thread
// takes one lane of rows_per_thread rows and adds the losses and the answers of its numbers, always in the same order.
// On the CPU, column_sum of columns.cu then adds the groups of rows, where there are many, and mean_loss the rest. On
// the GPU the last threads to arrive do both in the same launch.

#include "device/last_to_arrive.cuh"
#include "loss_terms.cuh"

// sums (groups, batches * 2 * LANES); `target` is the first batch's, second_target the second's
extern "C" __global__ void bce_with_logits(real* dlogits, real* sums, const real* logits, optional const real* targets,
                                           real target, real second_target, int count, int rows, int rows_per_thread) {
    const int lane = threadIdx.x, group = blockIdx.x, batch = blockIdx.y, width = gridDim.y * 2 * LANES;
    sums_of_group(Bce{}, whole_block, dlogits, sums + group * width, logits, targets, batch ? second_target : target,
                  count, rows, group, rows_per_thread, batch, lane);
}

// The same for the other losses. formula: LINEAR, SQUARE, or any other number for hinge
extern "C" __global__ void loss_of_answers(real* dlogits, real* sums, const real* logits, int formula, real target,
                                           real second_target, int count, int rows, int rows_per_thread) {
    const int lane = threadIdx.x, group = blockIdx.x, batch = blockIdx.y, width = gridDim.y * 2 * LANES;
    sums_of_group(OfAnswers{formula}, whole_block, dlogits, sums + group * width, logits, nullptr,
                  batch ? second_target : target, count, rows, group, rows_per_thread, batch, lane);
}

// One thread.
extern "C" __global__ void mean_loss(real* numbers, const real* sums, int batches, int count) {
    write_means(numbers, sums, batches, count);
}

// The end of the at_once kernels, when the sums are written. The last group of each lane adds that lane's groups; the
// last lane of all computes the means. arrivals (batches * LANES + 1): zeros, and zeros afterwards.
__device__ void finish(real* numbers, real* sums, int* arrivals, int groups, int batches, int batch, int lane,
                       int count) {
    const int width = batches * 2 * LANES;
    if (!last_to_arrive(arrivals + batch * LANES + lane, groups)) return;
    for (int what = LOSS; what <= ANSWER; ++what) {
        real sum = 0;
        for_rows(false, 0, groups, groups, [&](int i) { sum += sums[i * width + column(batch, what, lane)]; });
        sums[column(batch, what, lane)] = sum;
    }
    if (last_to_arrive(arrivals + batches * LANES, batches * LANES)) write_means(numbers, sums, batches, count);
}

// bce_with_logits and mean_loss in one launch.
extern "C" __global__ void bce_with_logits_at_once(real* numbers, real* dlogits, real* sums, int* arrivals,
                                                   const real* logits, optional const real* targets, real target,
                                                   real second_target, int count, int rows, int rows_per_thread) {
    const int lane = threadIdx.x, group = blockIdx.x, batch = blockIdx.y, batches = gridDim.y;
    sums_of_group(Bce{}, false, dlogits, sums + group * batches * 2 * LANES, logits, targets,
                  batch ? second_target : target, count, rows, group, rows_per_thread, batch, lane);
    finish(numbers, sums, arrivals, gridDim.x, batches, batch, lane, count);
}

// loss_of_answers and mean_loss in one launch.
extern "C" __global__ void loss_of_answers_at_once(real* numbers, real* dlogits, real* sums, int* arrivals,
                                                   const real* logits, int formula, real target, real second_target,
                                                   int count, int rows, int rows_per_thread) {
    const int lane = threadIdx.x, group = blockIdx.x, batch = blockIdx.y, batches = gridDim.y;
    sums_of_group(OfAnswers{formula}, false, dlogits, sums + group * batches * 2 * LANES, logits, nullptr,
                  batch ? second_target : target, count, rows, group, rows_per_thread, batch, lane);
    finish(numbers, sums, arrivals, gridDim.x, batches, batch, lane, count);
}
