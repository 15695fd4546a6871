// A step of Adam, and of the average behind it, over all flat arrays of a network in one launch. The numbers are those
// of adam_advance, adam_update and average_update, bit for bit.
//
// The grid is a row of blocks for ELEMENTS_PER_BLOCK numbers each: first the blocks of the matrices, then those of the
// vectors, then those of the buffers, which have an average but no gradient. Example: 3000 numbers of matrices, 100 of
// vectors and 50 of buffers make 3 + 1 + 1 blocks.
//
// All blocks read the count of steps, so only the last one to arrive may change it. And all need 1 - b1^t and
// 1 / sqrt(1 - b2^t), whose powers take longer than the rest of a thread's work. So while step t runs, one thread works
// out these numbers for step t + 1 and leaves them in `state`. Steps of even and of odd number have places of their own
// there, since the numbers of step t may still be read. Each place says which step it is for. Where none fits, as
// behind a checkpoint that was loaded, the threads of that one step work the numbers out themselves.

#include "adam_step.cuh"
#include "device/last_to_arrive.cuh"

constexpr int CORRECTIONS = 4;  // index in `state` of those for even steps; those for odd steps follow

struct Corrections {
    double step, first, rescale;  // t,  1 - b1^t,  1 / sqrt(1 - b2^t)
};

__device__ Corrections corrections_of(double t, double b1, double b2) {
    return {t, 1 - pow(b1, t), 1 / sqrt(1 - pow(b2, t))};
}
__device__ double* place_of(double* state, double t) { return state + CORRECTIONS + 3 * (int(t) & 1); }

// Read the corrections of step t, or work them out if they are not in their place.
__device__ Corrections corrections_from(double* state, double t, double b1, double b2) {
    const double* const at = place_of(state, t);
    return at[0] == t ? Corrections{at[0], at[1], at[2]} : corrections_of(t, b1, b2);
}
__device__ void prepare(double* state, double t, double b1, double b2) {
    const Corrections next = corrections_of(t, b1, b2);
    double* const at = place_of(state, t);
    at[0] = next.step, at[1] = next.first, at[2] = next.rescale;
}

// A flat array of parameters with what Adam keeps beside it. average may be null.
struct FlatArrays {
    real *param, *m, *v;
    const real* grad;
    real* average;
    int count;

    __device__ int blocks() const { return (count + ELEMENTS_PER_BLOCK - 1) / ELEMENTS_PER_BLOCK; }
};

// Update the parameters of one thread. round(i, x) is called with the number of each and its new value.
template <class Round>
__device__ void update(const FlatArrays& flat, const AdamStep& step, real gain, int block, int thread,
                       const Round& round) {
    const auto adam = [&](int i, real old_param, real old_m, real old_v, real gradient) {
        const real param = step.update(flat.m + i, flat.v + i, old_param, old_m, old_v, gradient);
        flat.param[i] = param;
        round(i, param);
        return param;
    };
    const auto both = [&](int i, real old_param, real old_m, real old_v, real gradient, real old_average) {
        const real param = adam(i, old_param, old_m, old_v, gradient);
        flat.average[i] = old_average + gain * (param - old_average);
    };
    if (flat.average)
        for_elements(false, block, thread, flat.count, both, flat.param, flat.m, flat.v, flat.grad, flat.average);
    else for_elements(false, block, thread, flat.count, adam, flat.param, flat.m, flat.v, flat.grad);
}

// All that a block does. average, buffers (buffers_count); `round` is for the matrices, `not_round` for the vectors.
template <class Round, class NotRound>
__device__ void adam_step(double* state, const double* scaling, int* arrivals, const FlatArrays& matrices,
                          const FlatArrays& vectors, real* average, const real* buffers, int buffers_count, double b1,
                          double b2, real eps, real decay, double most, const Round& round, const NotRound& not_round) {
    const bool skip = scaling && scaling[SKIP] != 0;
    const double t = state[STEP] + 1;
    const Corrections now = corrections_from(state, t, b1, b2);
    const AdamStep step(state[LR] / now.first, skip ? 0 : now.rescale, b1, 1 - b1, b2, 1 - b2, eps, decay);
    const real gain = gain_of_average(skip ? t - 1 : t, most);
    const int block = blockIdx.x, thread = threadIdx.x, vectors_from = matrices.blocks();
    const int buffers_from = vectors_from + vectors.blocks();
    if (block < vectors_from) update(matrices, step, gain, block, thread, round);
    else if (block < buffers_from) update(vectors, step, gain, block - vectors_from, thread, not_round);
    else {
        const auto body = [&](int i, real old, real value) { average[i] = old + gain * (value - old); };
        for_elements(false, block - buffers_from, thread, buffers_count, body, average, buffers);
    }
    if (block + thread == 0 && !skip) prepare(state, t + 1, b1, b2);
    if (last_block_to_arrive(arrivals, gridDim.x) && thread == 0 && !skip) state[STEP] = t;
}
