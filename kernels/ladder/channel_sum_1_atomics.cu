// Step 1 of 6, per-channel sum: one thread per element, one atomic addition each.
//
//   y[c] += sum over m of x[m, c]          x (M, C), y (C,) must hold zeros before
//
// Thread -> element: the flat index i = m C + c, so that neighbouring threads read neighbouring addresses.
//
// It is the first thing that comes to mind, and its reads are already perfect. Its defects: M atomic additions meet
// at every y[c] and the memory system carries them out one after the other; and the order in which they arrive
// changes from run to run, so the rounding does too: two runs differ in their last bits.
// In the counters: 4 sectors per global request for float (32 lanes x 4 bytes = 4 x 32 bytes), and as many atomic
// requests (RED in the machine code) as loads.

extern "C" __global__ void channel_sum_atomics(real* y, const real* x, int M, int C) {
    const size_t i = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < size_t(M) * C) atomicAdd(&y[i % C], x[i]);
}
