// A solution of the puzzle `bounds`.

extern "C" __global__ void moving_average(real* m, const real* g, int count, real b1) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) m[i] = b1 * m[i] + (1 - b1) * g[i];
}
