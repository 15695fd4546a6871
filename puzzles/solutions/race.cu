// A solution of the puzzle `race`: nobody loads the next piece before all have added.

extern "C" __global__ void neighbours(real* y, const real* x, int count) {
    __shared__ real piece[66];
    const int t = threadIdx.x;
    for (int first = 0; first < count; first += 64) {
        if (first + t < count + 2) piece[t] = x[first + t];
        if (t == 63 && first + 64 < count + 2) piece[64] = x[first + 64];
        if (t == 63 && first + 65 < count + 2) piece[65] = x[first + 65];
        __syncthreads();
        if (first + t < count) y[first + t] = piece[t] + piece[t + 1] + piece[t + 2];
        __syncthreads();
    }
}
