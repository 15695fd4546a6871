// Spectral normalisation: the elementwise steps around the matrix products (gpunet/backend/spectral.py). One thread per
// number (for_elements in common.cuh). The numbers that all threads share lie on the device, as one-number arrays: no
// launch waits for one.

// y = x / max(|x|, eps), where squares[0] = |x|^2
extern "C" __global__ void normalised(real* y, const real* x, const real* squares, int count, real eps) {
    const real length = sqrt(squares[0]), divisor = length < eps ? eps : length;  // a NaN stays
    const auto body = [=](int i, real x) { y[i] = x / divisor; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}

// y = x / divisor[0]
extern "C" __global__ void divided(real* y, const real* x, const real* divisor, int count) {
    const real by = divisor[0];
    const auto body = [=](int i, real x) { y[i] = x / by; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}

// dweight = (g - inner[0] v u^T) / sigma[0], the gradient of a weight (K, F) from g, that of the divided one.
// g, dweight (rows, channels), v (rows), u (channels). Thread -> element: channel c of some rows (for_rows_of_block).
extern "C" __global__ void backward(real* dweight, const real* g, const real* inner, const real* sigma, const real* u,
                                    const real* v, int rows, int channels) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    const real along = inner[0] * u[c], share = 1 / sigma[0];
    const Column<real> to{dweight + c, channels};
    const auto body = [=](int row, real g, real v) { to[row] = (g - along * v) * share; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, rows, body, Column<const real>{g + c, channels},
                      v);
}
