// Adam (Kingma & Ba, 2015, algorithm 1) over flat arrays that hold all parameters of a network.
//
// The learning rate and the step count live on the device, in double, in the array `state`. So a launch has the same
// arguments in every step, and a captured graph of launches replays correctly.
//
// With a scaled loss, loss_scale.cu sets SKIP in the array `scaling` when a gradient has overflowed; then nothing may
// change. adam_advance passes that on as RESCALE = 0, and adam_update keeps the old numbers by `chosen` (common.cuh),
// since g++ makes no SIMD code of a condition here.

#include "adam_at_once.cuh"

// One thread counts the step and computes what all parameters share:
//     STEP_SIZE = lr / (1 - b1^t),    RESCALE = 1 / sqrt(1 - b2^t)         state (4), scaling (4)
extern "C" __global__ void adam_advance(double* state, optional const double* scaling, double b1, double b2) {
    if (blockIdx.x + threadIdx.x > 0) return;
    state[RESCALE] = 0;
    if (scaling && scaling[SKIP] != 0) return;
    const double t = state[STEP] + 1;
    state[STEP] = t;
    state[STEP_SIZE] = state[LR] / (1 - pow(b1, t));
    state[RESCALE] = 1 / sqrt(1 - pow(b2, t));
}

// One thread per parameter (see for_elements):
//     g = grad + decay param,   m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2
//     param -= STEP_SIZE m / (sqrt(v) RESCALE + eps)
// param, m, v, grad (count). g1 = 1 - b1 and g2 = 1 - b2 are computed in double: in float, 1 - b2 would lose digits.
extern "C" __global__ void adam_update(real* param, real* m, real* v, const real* grad, const double* state,
                                       int count, real b1, real g1, real b2, real g2, real eps, real decay) {
    const AdamStep step(state, b1, g1, b2, g2, eps, decay);
    const auto body = [=](int i, real old_param, real old_m, real old_v, real gradient) {
        param[i] = step.update(m + i, v + i, old_param, old_m, old_v, gradient);
    };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, param, m, v, grad);
}

constexpr int RESIDENT = 16 / sizeof(real);  // blocks on a multiprocessor at once: 4, or 2 of double, for its registers

// adam_advance, adam_update for two flat arrays, and average_update behind it, in one launch (adam_at_once.cuh). Arrays
// whose count is 0 and averages may be null; all of `average`s are, or none.
extern "C" __global__ void __launch_bounds__(256, RESIDENT) adam_at_once(
    double* state, optional const double* scaling, int* arrivals, optional real* param, optional real* m,
    optional real* v, optional const real* grad, optional real* param_average, int count, optional real* vectors,
    optional real* vectors_m, optional real* vectors_v, optional const real* vectors_grad,
    optional real* vectors_average, int vectors_count, optional real* average, optional const real* buffers,
    int buffers_count, double b1, double b2, real eps, real decay, double most) {
    const auto nothing = [](int, real) {};
    adam_step(state, scaling, arrivals, {param, m, v, grad, param_average, count},
              {vectors, vectors_m, vectors_v, vectors_grad, vectors_average, vectors_count}, average, buffers,
              buffers_count, b1, b2, eps, decay, most, nothing, nothing);
}

// param = param, or limit or -limit where it lies beyond these         param (count)
extern "C" __global__ void clip_weights(real* param, int count, real limit) {
    const auto body = [=](int i, real x) { param[i] = x > limit ? limit : x < -limit ? -limit : x; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, param);
}
