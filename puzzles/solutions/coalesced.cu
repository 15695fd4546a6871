// A solution of the puzzle `coalesced`: neighbouring threads take neighbouring channels.

extern "C" __global__ void add_bias(real* y, const real* x, const real* bias, int rows, int channels) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
    if (row < rows && c < channels) y[row * channels + c] = x[row * channels + c] + bias[c];
}
