// Step 4 of 6, per-channel sum: a warp reads 32 neighbouring channels; the tree halves from the far end.
//
//   y[r, c] = sum of x[m, c] over the ROWS rows m of block row r       x (M, C), y (ceil(M / ROWS), C)
//   launched again on y until one row remains
//
// Defects removed: the scattered reads (the lanes of a warp are neighbouring channels again, while the rows go to
// threadIdx.y and blockIdx.y), and the bank conflicts (row ty adds row ty + half: the lanes of a warp stand side by
// side in shared memory at every level).
// Thread -> element: lane tx of a block owns channel c = 32 blockIdx.x + tx; thread row ty adds row ROWS blockIdx.y + ty
// of x and every DEPTH-th after it, to the end of the block's ROWS.
//
// Defects left: a barrier per level, at which all warps wait for the few that still add; after the first level half
// of the block has nothing to do.
// In the counters: 4 sectors per request, 1 wavefront per shared request, log2(DEPTH) barriers (BAR).

constexpr int WIDTH = 32;  // channels of a block: the lanes of a warp
constexpr int DEPTH = 8;   // thread rows of a block
constexpr int ROWS = 256;  // rows of x that a block adds

extern "C" __global__ void channel_sum_coalesced_tree(real* y, const real* x, int M, int C) {
    __shared__ real partial[DEPTH][WIDTH];
    const int tx = threadIdx.x, ty = threadIdx.y;
    const int c = blockIdx.x * WIDTH + tx;
    const int first = blockIdx.y * ROWS, last = min(first + ROWS, M);
    real sum = 0;
    if (c < C)  // no early return: every thread has to reach the barriers
        for (int m = first + ty; m < last; m += DEPTH) sum += x[size_t(m) * C + c];
    partial[ty][tx] = sum;
    for (int half = DEPTH / 2; half > 0; half /= 2) {
        __syncthreads();  // the level below is complete
        if (ty < half) partial[ty][tx] += partial[ty + half][tx];
    }
    if (ty == 0 && c < C) y[size_t(blockIdx.y) * C + c] = partial[0][tx];
}
