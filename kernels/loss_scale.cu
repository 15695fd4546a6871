// Dynamic loss scaling: gradients are multiplied by a scale so that float16 can hold them
// (gpunet/backend/loss_scale.py).
//
// The scale lives on the device, in double, in the array `scaling` (4). So no launch waits for the CPU to read it, and
// a captured graph of launches replays correctly.

constexpr int SCALE = 0, GOOD_STEPS = 1, SKIP = 2, FOUND = 3;  // indices in `scaling`

// dlogits *= SCALE, elementwise (for_elements in common.cuh)
extern "C" __global__ void scale(real* dlogits, const double* scaling, int count) {
    const real factor = scaling[SCALE];
    const auto body = [=](int i, real before) { dlogits[i] = before * factor; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, dlogits);
}

// grad /= SCALE, elementwise, and FOUND = 1 if a gradient is infinite or NaN: then x - x is NaN. Several threads may
// write FOUND; all write the same number.
extern "C" __global__ void unscale(real* grad, double* scaling, int count) {
    const real factor = 1 / scaling[SCALE];
    const auto body = [=](int i, real x) {
        if (!(x - x == 0)) scaling[FOUND] = 1;
        grad[i] = x * factor;
    };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, grad);
}

// One thread. After an overflow Adam skips these gradients and the scale halves; at scale 1 they are not skipped, since
// then the scale is not to blame. After grow_every good steps the scale doubles, up to `largest`.
extern "C" __global__ void decide(double* scaling, int grow_every, double largest) {
    if (blockIdx.x + threadIdx.x > 0) return;
    const double scale = scaling[SCALE];
    const bool finite = scaling[FOUND] == 0;
    scaling[SKIP] = !finite && scale > 1;
    const double good = finite ? scaling[GOOD_STEPS] + 1 : 0;
    const bool grow = good >= grow_every;
    scaling[GOOD_STEPS] = grow ? 0 : good;
    scaling[SCALE] = finite ? (grow ? min(2 * scale, largest) : scale) : max(scale / 2, 1.0);
    scaling[FOUND] = 0;
}
