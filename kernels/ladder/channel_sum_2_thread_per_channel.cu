// Step 2 of 6, per-channel sum: one thread walks down one column.
//
//   y[c] = sum over m of x[m, c]           x (M, C), y (C,)
//
// Defect removed: the atomics. Each y[c] has one owner, who adds in a fixed order: runs repeat bit for bit.
// Thread -> element: c = blockIdx.x * blockDim.x + threadIdx.x owns column c. Neighbouring threads still read
// neighbouring addresses, because the channels lie last in memory.
//
// Defects left: only C threads for the whole GPU (64 of the 100 000 it could hold), each waiting M times for memory;
// and a running sum of M terms, whose rounding error grows with M.
// In the counters: 4 sectors per request as before, no atomics. What is wrong shows in the launch: C / 256 blocks.

extern "C" __global__ void channel_sum_thread_per_channel(real* y, const real* x, int M, int C) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= C) return;
    real sum = 0;
    for (int m = 0; m < M; ++m) sum += x[size_t(m) * C + c];
    y[c] = sum;
}
