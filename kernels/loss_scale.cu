// Dynamic loss scaling (gpunet/backend/loss_scale.py): the scale lives on the device, in double, in the array `scaling`.
// So nothing waits for it, and a captured graph of launches replays correctly.

constexpr int SCALE = 0, GOOD_STEPS = 1, SKIP = 2, FOUND = 3;  // places in `scaling`

// dlogits *= SCALE: one thread per element (see for_elements)
extern "C" __global__ void scale(real* dlogits, const double* scaling, int count) {
    const real factor = scaling[SCALE];
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { dlogits[i] *= factor; });
}

// grad /= SCALE, and FOUND = 1 if one is infinite or NaN, in which case x - x is NaN. Whoever writes it writes the same.
extern "C" __global__ void unscale(real* grad, double* scaling, int count) {
    const real factor = 1 / scaling[SCALE];
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) {
        const real x = grad[i];
        if (!(x - x == 0)) scaling[FOUND] = 1;
        grad[i] = x * factor;
    });
}

// One thread: what Adam is to do with these gradients, and the scale of the next.
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
