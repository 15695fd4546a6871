// Kernels for test_exact_path.py: every way in which the threads of a block work together.

#include "device/copy_async.cuh"
#include "device/tensor_core.cuh"

// Reverse each block's piece through shared memory, static and dynamic.
extern "C" __global__ void reverse(real* y, const real* x) {
    __shared__ real forward[256];
    extern __shared__ real backward[];
    const int i = threadIdx.x + blockDim.x * threadIdx.y, size = blockDim.x * blockDim.y, start = blockIdx.x * size;
    forward[i] = x[start + i];
    __syncthreads();
    backward[i] = forward[size - 1 - i];
    __syncthreads();
    y[start + i] = backward[i];
}

// Every kind of shuffle and vote: y (9, count)
extern "C" __global__ void shuffles(int* y, int count, int width) {
    const int i = threadIdx.x;
    const unsigned mask = 0xffffffffu;
    y[i] = __shfl_sync(mask, i, 5, width);
    y[count + i] = __shfl_up_sync(mask, i, 3, width);
    y[2 * count + i] = __shfl_down_sync(mask, i, 3, width);
    y[3 * count + i] = __shfl_xor_sync(mask, i, 1, width);
    y[4 * count + i] = (int) __ballot_sync(mask, i % 3 == 0);
    y[5 * count + i] = __any_sync(mask, i == 7);
    y[6 * count + i] = __all_sync(mask, i < 32);
    if (i % 32 < 8) y[7 * count + i] = __shfl_sync(0xffu, i, 2);  // two groups of a warp wait for different things
    else y[7 * count + i] = __shfl_sync(0xffffff00u, i, 9);
    double wide = i + 0.5;
    for (int step = 16; step > 0; step /= 2) wide += __shfl_down_sync(mask, wide, step);
    y[8 * count + i] = (int) __shfl_sync(mask, wide, 0);
}

// All threads add to one place; the last one to arrive, in any order, sees the whole sum.
extern "C" __global__ void atomics(int* count, float* sum, int* largest, unsigned* last) {
    atomicAdd(sum, 1.0f);
    atomicMax(largest, (int) (blockIdx.x * blockDim.x + threadIdx.x));
    __threadfence();
    if (atomicAdd(count, 1) == (int) (gridDim.x * blockDim.x) - 1) atomicExch(last, (unsigned) *sum);
}

// d (16, 8) = a (16, K) b (K, 8), K = 16 for half and bfloat16, 8 for tf32: fragments as tensor_core.cuh says
template <class T, int K>
__device__ void load(unsigned (&A)[4], unsigned (&B)[2], const float* a, const float* b, T (*convert)(float)) {
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    for (int i = 0; i < 4; ++i) {
        const float* at = a + (g + i % 2 * 8) * K + 2 * t + i / 2 * 8;
        A[i] = pack(convert(at[0]), convert(at[1]));
    }
    for (int i = 0; i < 2; ++i) {
        const float* at = b + (2 * t + 8 * i) * 8 + g;
        B[i] = pack(convert(at[0]), convert(at[8]));
    }
}
__device__ void store(float* d, const float (&D)[4]) {
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    for (int i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = D[i];
}
extern "C" __global__ void multiply_half(float* d, const float* a, const float* b) {
    unsigned A[4], B[2];
    float D[4] = {1, 1, 1, 1};
    load<half, 16>(A, B, a, b, to_half);
    mma_half(D, A, B);
    store(d, D);
}
extern "C" __global__ void multiply_bfloat16(float* d, const float* a, const float* b) {
    unsigned A[4], B[2];
    float D[4] = {1, 1, 1, 1};
    load<bfloat16, 16>(A, B, a, b, to_bfloat16);
    mma_bfloat16(D, A, B);
    store(d, D);
}
extern "C" __global__ void multiply_tf32(float* d, const float* a, const float* b) {
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    unsigned A[4], B[2];
    float D[4] = {1, 1, 1, 1};
    for (int i = 0; i < 4; ++i) A[i] = to_tf32(a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
    for (int i = 0; i < 2; ++i) B[i] = to_tf32(b[(t + 4 * i) * 8 + g]);
    mma_tf32(D, A, B);
    store(d, D);
}

// To 16 bits and back, and to tf32: back (3, count)
extern "C" __global__ void conversions(half* h, bfloat16* b, float* back, const float* x, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    h[i] = to_half(x[i]);
    b[i] = to_bfloat16(x[i]);
    back[i] = to_float(h[i]);
    back[count + i] = to_float(b[i]);
    back[2 * count + i] = __uint_as_float(to_tf32(x[i]));
}

// r (32 lanes, 4 registers): four matrices of 8 lines of 16 bytes, line i of all at lines[order[i]]
template <class Load>
__device__ void load_lines(unsigned* r, const bfloat16* lines, const int* order, const Load& load) {
    __shared__ alignas(16) unsigned short memory[32 * 8];
    for (int i = threadIdx.x; i < 32 * 8; i += 32) memory[i] = lines[i].bits;
    __syncthreads();
    unsigned mine[4];
    load(mine, shared_address(memory) + order[threadIdx.x] * 16);
    for (int i = 0; i < 4; ++i) r[4 * threadIdx.x + i] = mine[i];
}
extern "C" __global__ void load_straight(unsigned* r, const bfloat16* lines, const int* order) {
    load_lines(r, lines, order, [](unsigned (&r)[4], SharedAddress line) { load_matrices(r, line); });
}
extern "C" __global__ void load_turned(unsigned* r, const bfloat16* lines, const int* order) {
    load_lines(r, lines, order, [](unsigned (&r)[4], SharedAddress line) { load_matrices_turned(r, line); });
}

// y = x through asynchronous copies of 16 and 4 bytes; zeros after the first `valid` numbers
extern "C" __global__ void copies(float* y, aligned16 const float* x, int valid) {
    __shared__ alignas(16) float wide[128];
    __shared__ float narrow[32];
    copy_async<16>(wide + 4 * threadIdx.x, x + 4 * threadIdx.x, 4 * (int) threadIdx.x < valid);
    copy_async_commit();
    copy_async<4>(narrow + threadIdx.x, x + 128 + threadIdx.x, 128 + (int) threadIdx.x < valid);
    copy_async_commit();
    copy_async_wait<0>();
    __syncthreads();
    for (int i = threadIdx.x; i < 128; i += 32) y[i] = wide[i];
    y[128 + threadIdx.x] = narrow[threadIdx.x];
}

// Mistakes, which must end in an error instead of a hanging program.
extern "C" __global__ void barrier_for_some(int* y) {
    if (threadIdx.x < 3) __syncthreads();
    y[threadIdx.x] = 1;
}
extern "C" __global__ void shuffle_for_some(int* y) {
    y[threadIdx.x] = threadIdx.x < 3 ? __shfl_sync(0xffffffffu, 1, 0) : 1;
}
