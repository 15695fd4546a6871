// Step 5 of 6, per-channel sum: the tree inside a warp, from register to register.
//
//   y[r, c] = sum of x[m, c] over the ROWS rows m of block row r       x (M, C), y (ceil(M / ROWS), C)
//   launched again on y until one row remains
//
// Defect removed: the barrier per level and its idle warps. The block turns its tile of partial sums once in shared
// memory, so that the 32 partial sums of a channel lie in the 32 lanes of one warp; then shuffles add them in five
// levels, register to register, without barrier and without memory, and every warp takes part to the end.
// Thread -> element: as in step 4 while reading (lane tx = channel, thread row ty = rows ty, ty + 32, ...); after the
// turn warp ty owns channel 32 blockIdx.x + ty, and lane tx holds the partial sum of thread row tx.
//
//   partial[ty][tx] is written along a row and read down a column. With 32 columns all elements of a column would
//   share one bank (32 wavefronts); the 33rd column, never used, moves each row on by one bank.
//
// Defects left: one barrier, and shared memory that limits how many blocks fit on a multiprocessor; each warp writes
// a single number, a sector of 32 bytes for 4 of use. And on a CPU none of it becomes SIMD code.
// In the counters: 4 sectors per load request, 1 sector per store request, 1 wavefront per shared request for float,
// five SHFL.

constexpr int WIDTH = 32;  // channels of a block, thread rows of a block and lanes of a warp: the tile is square
constexpr int ROWS = 256;  // rows of x that a block adds

extern "C" __global__ void channel_sum_warp_shuffle(real* y, const real* x, int M, int C) {
    __shared__ real partial[WIDTH][WIDTH + 1];
    const int tx = threadIdx.x, ty = threadIdx.y;
    const int c = blockIdx.x * WIDTH + tx;
    const int first = blockIdx.y * ROWS, last = min(first + ROWS, M);
    real sum = 0;
    if (c < C)
        for (int m = first + ty; m < last; m += WIDTH) sum += x[size_t(m) * C + c];
    partial[ty][tx] = sum;
    __syncthreads();
    sum = partial[tx][ty];
    for (int distance = WIDTH / 2; distance > 0; distance /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, distance);  // afterwards every lane holds the total
    const int owned = blockIdx.x * WIDTH + ty;
    if (tx == 0 && owned < C) y[size_t(blockIdx.y) * C + owned] = sum;
}
