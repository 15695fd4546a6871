// Dynamic loss scaling: gradients are multiplied by a scale so that float16 can hold them
// (gpunet/backend/loss_scale.py).
//
// The scale lives on the device, in double, in the array `scaling` (4). So no launch waits for the CPU to read it, and
// a captured graph of launches replays correctly.

#include "device/last_to_arrive.cuh"

constexpr int SCALE = 0, GOOD_STEPS = 1, SKIP = 2, FOUND = 3;  // indices in `scaling`

// dlogits *= SCALE, elementwise (for_elements in common.cuh)
extern "C" __global__ void scale(real* dlogits, const double* scaling, int count) {
    const real factor = scaling[SCALE];
    const auto body = [=](int i, real before) { dlogits[i] = before * factor; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, dlogits);
}

// grad /= SCALE, elementwise, and FOUND = 1 if a gradient is infinite or NaN: then x - x is NaN. Several threads may
// write FOUND; all write the same number.
__device__ void unscale_elements(bool whole, real* grad, double* scaling, int count, int block, int thread) {
    const real factor = 1 / scaling[SCALE];
    const auto body = [=](int i, real x) {
        if (!(x - x == 0)) scaling[FOUND] = 1;
        grad[i] = x * factor;
    };
    for_elements(whole, block, thread, count, body, grad);
}
extern "C" __global__ void unscale(real* grad, double* scaling, int count) {
    unscale_elements(whole_block, grad, scaling, count, blockIdx.x, threadIdx.x);
}

// Set SKIP and the scale of the next step. After an overflow Adam skips these gradients and the scale halves; at scale
// 1 they are not skipped, since then the scale is not to blame. After grow_every good steps the scale doubles, up to
// `largest`.
__device__ void decide_by(double found, double* scaling, int grow_every, double largest) {
    const double scale = scaling[SCALE];
    const bool finite = found == 0;
    scaling[SKIP] = !finite && scale > 1;
    const double good = finite ? scaling[GOOD_STEPS] + 1 : 0;
    const bool grow = good >= grow_every;
    scaling[GOOD_STEPS] = grow ? 0 : good;
    scaling[SCALE] = finite ? (grow ? min(2 * scale, largest) : scale) : max(scale / 2, 1.0);
    scaling[FOUND] = 0;
}

// One thread.
extern "C" __global__ void decide(double* scaling, int grow_every, double largest) {
    if (blockIdx.x + threadIdx.x == 0) decide_by(scaling[FOUND], scaling, grow_every, largest);
}

// unscale for two gradients, and decide, in one launch: the grid has the blocks of the first gradient, then those of the
// second, which may be null with other_count = 0. The last block to arrive decides.
extern "C" __global__ void unscale_at_once(real* grad, optional real* other, double* scaling, int* arrivals, int count,
                                           int other_count, int grow_every, double largest) {
    const int blocks = (count + ELEMENTS_PER_BLOCK - 1) / ELEMENTS_PER_BLOCK;
    const bool first = blockIdx.x < blocks;
    const int block = first ? blockIdx.x : blockIdx.x - blocks;
    unscale_elements(false, first ? grad : other, scaling, first ? count : other_count, block, threadIdx.x);
    if (last_block_to_arrive(arrivals, gridDim.x) && threadIdx.x == 0)
        decide_by(read_shared_by_all(scaling + FOUND), scaling, grow_every, largest);
}
