// The norm of a gradient that lies in flat arrays, and the factor that shortens it (gpunet/backend/gradient_norm.py).
//
// Every block sums the squares of `each` neighbouring numbers and leaves its part; one thread adds the parts in their
// order. So every run gives the same bits. Example: 1000 numbers and 256 blocks make each = 4, so that blocks 0 to 249
// have four numbers each and the other six have none.

#include "device/block_sums.cuh"

constexpr int FACTOR = 0, NORM = 1;  // indices in `clip`
constexpr int SKIP = 2;              // index in `scaling` (loss_scale.cu)

// One thread per block, on the CPU: parts (blocks), grad (count)
extern "C" __global__ void squares(double* parts, const real* grad, int count, int each) {
    const int first = min(blockIdx.x * each, count), end = min(first + each, count);
    double sum = 0;
    for (int i = first; i < end; ++i) sum += double(grad[i]) * grad[i];
    parts[blockIdx.x] = sum;
}

// The same by 256 threads per block, on the GPU: neighbouring threads read neighbouring numbers.
extern "C" __global__ void __launch_bounds__(256)
    squares_by_blocks(double* parts, const real* grad, int count, int each) {
    const int first = min(blockIdx.x * each, count), rest = min(each, count - first);
    real sum[1] = {};
    const auto add = [&](int, real g) { sum[0] += g * g; };
    for_lane<AHEAD>(threadIdx.x, blockDim.x, rest, add, grad + first);
    add_lanes(sum, threadIdx.x, 1);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum[0];
}

// One thread: clip (2), parts (count). After an overflow (loss_scale.cu) Adam takes no step: then the norm is 0.
extern "C" __global__ void factor(double* clip, const double* parts, optional const double* scaling, int count,
                                  double most, double tiny) {
    if (blockIdx.x + threadIdx.x > 0) return;
    double sum = 0;
#pragma unroll 8
    for (int i = 0; i < count; ++i) sum += parts[i];
    const double norm = scaling && scaling[SKIP] != 0 ? 0 : sqrt(sum), wanted = most / (norm + tiny);
    clip[NORM] = norm;
    clip[FACTOR] = wanted > 1 ? 1 : wanted;
}
