// A solution of the puzzle `map`.

extern "C" __global__ void leaky_relu(real* y, const real* x, real slope) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = x[i] > 0 ? x[i] : slope * x[i];
}
