// Step 6 of 6, per-channel sum: the tree whose levels are launches. columns.cu, used in training, has this form.
//
//   y[r, c] = sum of x[m, c] over the ROWS rows m of part r            x (M, C), y (ceil(M / ROWS), C)
//   launched again on y until one row remains
//
// Defects removed: the barrier, the shared memory and the scattered writes. A thread adds ROWS numbers of one channel
// in registers and is done; the next level of the tree is the next launch, over ROWS times fewer numbers. The trip
// count is a constant, so the compiler unrolls the loop and has many loads under way at once; on a CPU, the loop over
// threads becomes SIMD code, as a block contains no barrier.
// Thread -> element: c = blockIdx.y * blockDim.x + threadIdx.x owns channel c, of ROWS rows from ROWS blockIdx.x on.
//
// What remains: the first level reads all of x once, which no method can avoid; the second reads and writes 1 / ROWS
// of that. The price is the launches: two for a thousand rows, three for thirty thousand.
// In the counters: 4 sectors per request for loads and stores, no shared memory, no barrier: loads and additions.

constexpr int ROWS = 32;  // rows of x that a thread adds

extern "C" __global__ void channel_sum_tree_without_barriers(real* y, const real* x, int M, int C) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    if (c >= C) return;
    const int first = blockIdx.x * ROWS;
    long long next = (long long) first * C + c;  // signed: an index that cannot wrap is one that SIMD can load side by side
    real sum = 0;
#pragma unroll
    for (int i = 0; i < ROWS; ++i, next += C)
        if (first + i < M) sum += x[next];
    y[(long long) blockIdx.x * C + c] = sum;
}
