// The last convolution of a discriminator: its kernel covers the image and it has one filter, so that each answer is the
// inner product of a picture's numbers with the weight. Both are factors; products and sums are of floats.
//
//     y[n]       = bias + sum over k of x[n, k] weight[k]        x (n, k), weight (k), bias (1), y (n)
//     dx[n, k]   = dy[n] weight[k]                               dy (n)
//     dweight[k] = sum over n of dy[n] x[n, k]
//
// k is a multiple of 8, as the launch makes sure (gpunet/backend/inner_products.py).

#include "device/block_sums.cuh"
#include "loss_terms.cuh"

constexpr int BCE = 3;  // the loss that is not one of OfAnswers

template <int COUNT, class Element>
struct alignas(COUNT * sizeof(Element)) Group {
    Element at[COUNT];
};

// One block of 256 threads per picture: y[blockIdx.x]. A thread takes 16 bytes of every 4096; a tree adds the threads.
__device__ void inner_product(float* y, const Number* x, const Number* weight, const float* bias, int k) {
    constexpr int COUNT = 16 / sizeof(Number);
    using Chunk = Group<COUNT, Number>;
    const Chunk* const row = reinterpret_cast<const Chunk*>(x + (long long) blockIdx.x * k);
    float sum[1] = {};
    const auto add = [&](int, const Chunk& a, const Chunk& b) {
#pragma unroll
        for (int e = 0; e < COUNT; ++e) sum[0] += to_float(a.at[e]) * to_float(b.at[e]);
    };
    for_lane<4>(threadIdx.x, BLOCK_THREADS, k / COUNT, add, row, reinterpret_cast<const Chunk*>(weight));
    add_lanes(sum, threadIdx.x, 1);
    if (threadIdx.x == 0) y[blockIdx.x] = sum[0] + (bias ? bias[0] : 0);
}

extern "C" __global__ void __launch_bounds__(256)
    inner_products(float* y, aligned16 const Number* x, aligned16 const Number* weight, optional const float* bias,
                   int k) {
    inner_product(y, x, weight, bias, k);
}

// inner_products and, by the last block to arrive, the loss of y with its gradient: what losses.cu computes for up to
// 8192 answers in a batch, bit for bit. numbers (1 + batches), dlogits (n); formula: BCE or one of OfAnswers.
extern "C" __global__ void __launch_bounds__(256)
    inner_products_and_loss(float* y, float* numbers, float* dlogits, int* arrivals, aligned16 const Number* x,
                            aligned16 const Number* weight, optional const float* bias, int k, int formula,
                            float target, float second_target, int batches) {
    __shared__ float sums[2 * 2 * LANES];  // two batches' losses and answers
    inner_product(y, x, weight, bias, k);
    if (!last_block_to_arrive(arrivals, gridDim.x)) return;
    const int lane = threadIdx.x % LANES, batch = threadIdx.x / LANES, count = gridDim.x / batches;
    const int rows = (count + LANES - 1) / LANES;
    const auto of = [&](const auto& term) {
        const float t = batch ? second_target : target;
        sums_of_group(term, false, dlogits, sums, y, nullptr, t, count, rows, 0, rows, batch, lane);
    };
    if (batch < batches) {
        if (formula == BCE) of(Bce{});
        else of(OfAnswers{formula});
    }
    __syncthreads();
    if (threadIdx.x == 0) write_means(numbers, sums, batches, count);
}

// Both gradients, or one: dx as floats or as factors; where it is a leaky ReLU's result that x is, times its derivative
// (slope, 1 for none). A block of 32 x 8 threads owns 128 neighbouring k's: a thread takes four of them in every eighth
// row, and a tree adds the eight lanes.
extern "C" __global__ void __launch_bounds__(256)
    inner_products_backward(optional float* dx, optional Number* rounded_dx, optional float* dweight,
                            optional const Number* x, const Number* weight, const float* dy, int n, int k,
                            float slope) {
    const int first = 4 * (blockIdx.x * blockDim.x + threadIdx.x), lane = threadIdx.y, lanes = blockDim.y;
    const bool inside = first < k;
    const int at = inside ? first : 0, rows = inside ? n : 0;
    using Four = Group<4, Number>;
    const Four weights = *reinterpret_cast<const Four*>(weight + at);
    float sums[4] = {};
    const auto write = [&](int row, float dy, const float (&derivative)[4]) {
        Group<4, float> numbers;
        Four factors;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            numbers.at[e] = dy * to_float(weights.at[e]) * derivative[e];
            factors.at[e] = factor_of<Number>(numbers.at[e]);
        }
        const long long to = (long long) row * k + at;
        if (dx) *reinterpret_cast<Group<4, float>*>(dx + to) = numbers;
        if (rounded_dx) *reinterpret_cast<Four*>(rounded_dx + to) = factors;
    };
    const auto both = [&](int row, float dy, const Four& x) {
        float derivative[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const float number = to_float(x.at[e]);
            sums[e] += dy * number;
            derivative[e] = number > 0 ? 1 : slope;
        }
        write(row, dy, derivative);
    };
    if (x) for_lane<4>(lane, lanes, rows, both, dy, Column<const Four>{reinterpret_cast<const Four*>(x + at), k / 4});
    else for_lane<4>(lane, lanes, rows, [&](int row, float dy) { write(row, dy, {1, 1, 1, 1}); }, dy);
    if (!dweight) return;
    add_lanes(sums, lane * blockDim.x + threadIdx.x, blockDim.x);
    if (lane == 0 && inside) {
#pragma unroll
        for (int e = 0; e < 4; ++e) dweight[at + e] = sums[e];
    }
}
