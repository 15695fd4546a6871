// Activations, elementwise: one thread per element.

extern "C" __global__ void leaky_relu(real* y, const real* x, int count, real slope) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}
