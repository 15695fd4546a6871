// A solution of the puzzle `banks`: with 33 numbers in a row, number (r, c) lies in bank (r + c) % 32.

extern "C" __global__ void transpose(real* y, const real* x, int rows, int columns) {
    __shared__ real tile[32][33];
    const int across = threadIdx.x, down = threadIdx.y;
    tile[down][across] = x[(32 * blockIdx.y + down) * columns + 32 * blockIdx.x + across];
    __syncthreads();
    y[(32 * blockIdx.x + down) * rows + 32 * blockIdx.y + across] = tile[across][down];
}
