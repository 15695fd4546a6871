// The last convolution of a discriminator: its kernel covers the image and it has one filter. So each answer is the inner
// product of a picture's numbers with the weight. Both are factors; products and sums are of floats.
//
//     y[n]       = bias + sum over k of x[n, k] weight[k]        x (n, k), weight (k), bias (1), y (n)
//     dx[n, k]   = dy[n] weight[k]                               dy (n)
//     dweight[k] = sum over n of dy[n] x[n, k]
//
// k is a multiple of 8, as the launch makes sure (gpunet/backend/inner_products.py).

#include "batchnorm_channel.cuh"
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

using Four = Group<4, Number>;

// Write dy weight at `to`, in one of both types; leave in `numbers` what the next reader will read.
__device__ void write_dx(float* dx, Number* rounded_dx, long long to, Group<4, float>& numbers) {
    if (dx) *reinterpret_cast<Group<4, float>*>(dx + to) = numbers;
    if (!rounded_dx) return;
    Four rounded;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        rounded.at[e] = factor_of<Number>(numbers.at[e]);
        numbers.at[e] = to_float(rounded.at[e]);
    }
    *reinterpret_cast<Four*>(rounded_dx + to) = rounded;
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
    const Four weights = *reinterpret_cast<const Four*>(weight + at);
    float sums[4] = {};
    const auto write = [&](int row, float dy, const float (&derivative)[4]) {
        Group<4, float> numbers;
#pragma unroll
        for (int e = 0; e < 4; ++e) numbers.at[e] = dy * to_float(weights.at[e]) * derivative[e];
        write_dx(dx, rounded_dx, (long long) row * k + at, numbers);
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

// Add the parts (batches, 2, k) of channel c over all pixels; write its sums as batch norm's backward pass takes them.
__device__ void finish_channel(float* dscale, float* dshift, float* per_batch, const float* parts, int c, int k,
                               int channels, int batches) {
    float totals[2] = {};
    for (int i = 0; i < 2 * batches; ++i) {
        float sum = 0;
#pragma unroll 8
        for (int at = c; at < k; at += channels) sum += read_shared_by_all(parts + (long long) i * k + at);
        per_batch[i * channels + c] = sum;
        totals[i % 2] += sum;
    }
    dshift[c] = totals[0], dscale[c] = totals[1];
}

// inner_products_backward where batch norm stands in front: with the sums that its backward pass begins with, sum dz and
// sum dz x_hat (batchnorm.cu). norm_x (n, k) is batch norm's x, k = pixels * channels; the rows are of `batches`
// batches. A block leaves its parts; the last one to arrive of those with the same channels adds them up.
extern "C" __global__ void __launch_bounds__(256)
    inner_products_backward_and_sums(optional float* dx, optional Number* rounded_dx, optional float* dweight,
                                     float* dscale, float* dshift, float* per_batch, float* parts, int* arrivals,
                                     optional const Number* x, const Number* weight, const float* dy,
                                     const Number* norm_x, const float* mean, const float* rstd,
                                     optional const float* scale, optional const float* shift, int n, int k,
                                     int channels, int batches, float slope) {
    const int lane = threadIdx.y, lanes = blockDim.y, thread = lane * blockDim.x + threadIdx.x;
    const int owned = 4 * blockDim.x, first = blockIdx.x * owned + 4 * threadIdx.x, rows = n / batches;
    const bool inside = first < k;
    const int at = inside ? first : 0;
    const Four weights = *reinterpret_cast<const Four*>(weight + at);
    float dweights[4] = {};
    for (int batch = 0; batch < batches; ++batch) {
        Channel channel[4];
#pragma unroll
        for (int e = 0; e < 4; ++e)
            channel[e] = Channel((at + e) % channels, batch * channels, mean, rstd, scale, shift);
        const long long begin = (long long) batch * rows * k + at;
        float sums[8] = {};  // dz, then dz (x - mean)
        const auto add = [&](int row, float dy, const Four& norm_x) {
            Group<4, float> numbers;
#pragma unroll
            for (int e = 0; e < 4; ++e) numbers.at[e] = dy * to_float(weights.at[e]);
            write_dx(dx, rounded_dx, begin + (long long) row * k, numbers);
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const float x_e = to_float(norm_x.at[e]);
                const float dz = numbers.at[e] * channel[e].activation_grad(x_e, slope);
                sums[e] += dz;
                sums[4 + e] += dz * (x_e - channel[e].mean);
            }
        };
        const auto both = [&](int row, float dy, const Four& norm_x, const Four& x) {
#pragma unroll
            for (int e = 0; e < 4; ++e) dweights[e] += dy * to_float(x.at[e]);
            add(row, dy, norm_x);
        };
        const auto fours = [&](const Number* from) {
            return Column<const Four>{reinterpret_cast<const Four*>(from + begin), k / 4};
        };
        const float* const dys = dy + batch * rows;
        if (x) for_lane<4>(lane, lanes, inside ? rows : 0, both, dys, fours(norm_x), fours(x));
        else for_lane<4>(lane, lanes, inside ? rows : 0, add, dys, fours(norm_x));
        add_lanes(sums, thread, blockDim.x);
        if (lane == 0 && inside) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                float* const to = parts + 2 * (long long) batch * k + at + e;
                to[0] = sums[e], to[k] = sums[4 + e] * channel[e].rstd;
            }
        }
    }
    if (dweight) {
        add_lanes(dweights, thread, blockDim.x);
        if (lane == 0 && inside) {
#pragma unroll
            for (int e = 0; e < 4; ++e) dweight[at + e] = dweights[e];
        }
    }
    // Example: 512 channels make 4 groups of 128, and 16 pixels make 16 blocks in each.
    const int groups = channels % owned ? 1 : channels / owned, group = blockIdx.x % groups;
    if (!last_block_to_arrive(arrivals + group, gridDim.x / groups)) return;
    const int end = groups > 1 ? (group + 1) * owned : channels;
    for (int c = (groups > 1 ? group * owned : 0) + thread; c < end; c += BLOCK_THREADS)
        finish_channel(dscale, dshift, per_batch, parts, c, k, channels, batches);
}
