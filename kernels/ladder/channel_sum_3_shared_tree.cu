// Step 3 of 6, per-channel sum: one block per column, a tree in shared memory.
//
//   y[c] = sum over m of x[m, c]           x (M, C), y (C,)
//
// Defect removed: too few threads, and the long running sum. A column now has THREADS threads; their partial sums
// meet pairwise in shared memory, in log2(THREADS) levels, and rounding errors grow with the depth of that tree.
// Thread -> element: block c owns column c; its thread t adds the rows t, t + THREADS, t + 2 THREADS, ...
//
//   level 1:  0+1  2+3  4+5  6+7 ...       the thread of pair p adds partial[2 p stride + stride] into
//   level 2:  0+2       4+6      ...       partial[2 p stride]: the distance between neighbouring threads
//   level 3:  0+4                ...       doubles with every level
//
// Defects left: neighbouring threads read addresses C numbers apart, so each load of a warp touches 32 different
// sectors of which it uses 4 bytes each; and the doubling distance in the tree puts several lanes into one of the 32
// banks of shared memory, which then answers them one after the other.
// In the counters: up to 32 sectors per request, 2 to 8 wavefronts per shared request.

constexpr int THREADS = 256;

extern "C" __global__ void channel_sum_shared_tree(real* y, const real* x, int M, int C) {
    __shared__ real partial[THREADS];
    const int t = threadIdx.x, c = blockIdx.x;
    real sum = 0;
    for (int m = t; m < M; m += THREADS) sum += x[size_t(m) * C + c];
    partial[t] = sum;
    for (int stride = 1; stride < THREADS; stride *= 2) {
        __syncthreads();  // the level below is complete
        const int i = 2 * stride * t;
        if (i < THREADS) partial[i] += partial[i + stride];
    }
    if (t == 0) y[c] = partial[0];
}
