// The moving average of flat arrays: average += (1 - decay) (values - average), decay = min(most, (1 + s) / (10 + s)).
//
// One thread per number (see for_elements in common.cuh). The count s of Adam's steps lies on the device, in double, in its
// array `state` (adam.cu), so a launch has the same arguments in every step and a captured graph replays correctly.

#include "adam_step.cuh"

extern "C" __global__ void average_update(real* average, const real* values, const double* state, int count,
                                          double most) {
    const real gain = gain_of_average(state[STEP], most);
    const auto body = [=](int i, real old, real value) { average[i] = old + gain * (value - old); };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, average, values);
}
