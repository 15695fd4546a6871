// A solution of the puzzle `tree`.

extern "C" __global__ void sum_of_products(real* y, const real* a, const real* c, int count) {
    __shared__ real partial[256];
    const int t = threadIdx.x, b = blockIdx.x;
    real sum = 0;
    for (int i = t; i < count; i += 256) sum += a[b * count + i] * c[b * count + i];
    partial[t] = sum;
    for (int half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) partial[t] += partial[t + half];
    }
    if (t == 0) y[b] = partial[0];
}
