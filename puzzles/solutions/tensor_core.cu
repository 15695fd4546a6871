// A solution of the puzzle `tensor_core`.

#include "device/tensor_core.cuh"

extern "C" __global__ void product(float* c, const float* a, const float* b, int K) {
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    float d[4] = {0, 0, 0, 0};
    for (int k = 0; k < K; k += 8) {
        unsigned left[4], right[2];
        for (int r = 0; r < 4; ++r) left[r] = to_tf32(a[(g + r % 2 * 8) * K + k + t + r / 2 * 4]);
        for (int r = 0; r < 2; ++r) right[r] = to_tf32(b[(k + t + r * 4) * 8 + g]);
        mma_tf32(d, left, right);
    }
    for (int r = 0; r < 4; ++r) c[(g + r / 2 * 8) * 8 + 2 * t + r % 2] = d[r];
}
