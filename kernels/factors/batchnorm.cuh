// Batch norm's passes over all numbers (batchnorm.cu), where what they read or write is a factor.
//
// An array is of floats where a layer in full precision has written it, or will read it. So an entry takes two pointers
// for each array: `x`, or `rounded_x` for factors, and the other one is null.
//
// Thread -> element: RUN neighbouring channels of some rows, blockDim.y apart. RUN numbers are loaded and stored at once:
// 16 bytes of factors. RUN is 1 where channels or addresses are no multiples of that. A block has blockDim.x * RUN
// channels (blockIdx.y) and rows_per_block rows (blockIdx.x) of a batch (blockIdx.z). Its threads share out the numbers of
// its channels by shared memory, so that each is loaded once per block and not once per thread.
#include "device/factor.cuh"
#include "device/block_sums.cuh"
#include "batchnorm_channel.cuh"

// x as an array of type To holds it: rounded, or as it is where floats stand beside factors of 16 bits
template <class To>
__device__ To stored(float x) {
    if constexpr (sizeof(Number) < sizeof(To)) return x;
    else return factor_of<To>(x);
}

// Call body with the one of two pointers that is not null.
template <class Plain, class Body>
__device__ void given(Plain* plain, Number* rounded, const Body& body) {
    if (rounded) body(rounded);
    else if constexpr (sizeof(Number) < sizeof(float)) body(plain);
}
template <class Plain, class Body>
__device__ void given(const Plain* plain, const Number* rounded, const Body& body) {
    if constexpr (sizeof(Number) < sizeof(float)) {
        if (rounded) return body(rounded);
    }
    body(plain);
}

// Call body(row, a[row], b[row], ...) for the rows of one thread, AHEAD rows at a time; a, b, ... are Rows that begin at
// the batch's first row.
template <int AHEAD, class Body, class... Inputs>
__device__ void for_some_rows(int rows_per_block, int rows, const Body& body, const Inputs&... inputs) {
    const int first = blockIdx.x * rows_per_block, end = min(rows, first + rows_per_block), lanes = blockDim.y;
    for (int row = first + threadIdx.y; row < end; row += AHEAD * lanes)
        for_each<AHEAD>(false, row, lanes, end, body, inputs...);
}

constexpr int MOST_CHANNELS = 512;  // of a block: 64 threads with 8 each (ACROSS in gpunet/backend/batchnorm_factors.py)

// The passes use these numbers of RUN neighbouring channels: z = (x - mean) a + shift,
// dx = a dz + by_x (x - mean) + constant
template <int RUN>
struct Channels {
    Run<RUN, float> mean, a, shift, by_x, constant;

    __device__ float z(int e, float x) const { return (x - mean.at[e]) * a.at[e] + shift.at[e]; }
    __device__ float dx(int e, float dz, float x) const {
        return a.at[e] * dz + (by_x.at[e] * (x - mean.at[e]) + constant.at[e]);
    }
};

// The numbers of all channels of a block, in shared memory
struct SharedChannels {
    float (*numbers)[MOST_CHANNELS];  // mean, a, shift, by_x, constant

    // All threads call this: first: the block's first channel, width: their count. per_batch is null in the forward pass.
    __device__ void fill(int first, int width, const float* means, const float* rstds, const float* scales,
                         const float* shifts, const float* per_batch, int rows, int channels) const {
        for (int i = thread_of_block(); i < width; i += blockDim.x * blockDim.y) {
            const Channel channel(first + i, blockIdx.z * channels, means, rstds, scales, shifts);
            numbers[0][i] = channel.mean;
            numbers[1][i] = channel.rstd * channel.scale;
            numbers[2][i] = channel.shift;
            if (!per_batch) continue;
            const ApplyBackward of(channel, per_batch + 2 * blockIdx.z * channels, first + i, rows, channels);
            numbers[3][i] = of.by_x;
            numbers[4][i] = of.constant;
        }
        __syncthreads();
    }
    template <int RUN>
    __device__ Run<RUN, float> run(int which, int channel) const {
        return *reinterpret_cast<const Run<RUN, float>*>(numbers[which] + channel);
    }
};

// normalise for one thread, whose first channel is the c-th of the block; x and y point to it in the batch's first row
template <int RUN, class Y, class X>
__device__ void normalise_rows(Y* y, const X* x, const SharedChannels& shared, int c, int rows_per_block, int rows,
                               int channels, float slope) {
    const Channels<RUN> of{shared.template run<RUN>(0, c), shared.template run<RUN>(1, c), shared.template run<RUN>(2, c)};
    const auto body = [&](int row, const Run<RUN, X>& x) {
        Run<RUN, Y> run;
#pragma unroll
        for (int e = 0; e < RUN; ++e) {
            const float z = of.z(e, to_float(x.at[e]));
            run.at[e] = stored<Y>(z > 0 ? z : slope * z);
        }
        *reinterpret_cast<Run<RUN, Y>*>(y + (long long) row * channels) = run;
    };
    for_some_rows<4>(rows_per_block, rows, body, Rows<RUN, X>{x, channels});
}

// batchnorm.cu's normalise: y = leaky_relu(z, slope)
extern "C" __global__ void __launch_bounds__(256, 2)
    normalise(optional float* y, optional Number* rounded_y, optional const float* x, optional const Number* rounded_x,
              const float* mean, const float* rstd, optional const float* scale, optional const float* shift,
              int rows_per_block, int rows, int channels, float slope) {
    __shared__ alignas(16) float numbers[3][MOST_CHANNELS];
    const int width = channels / gridDim.y, c = threadIdx.x * (width / blockDim.x);
    const SharedChannels shared{numbers};
    shared.fill(blockIdx.y * width, width, mean, rstd, scale, shift, nullptr, rows, channels);
    const long long first = (long long) blockIdx.z * rows * channels + blockIdx.y * width + c;
    given(y, rounded_y, [&](auto y) {
        given(x, rounded_x, [&](auto x) {
            if (width > blockDim.x)
                normalise_rows<WIDE<Number>>(y + first, x + first, shared, c, rows_per_block, rows, channels, slope);
            else normalise_rows<1>(y + first, x + first, shared, c, rows_per_block, rows, channels, slope);
        });
    });
}

// backward_apply for one thread, whose first channel is the c-th of the block; the pointers as in normalise_rows
template <int RUN, class Dx, class Dy, class X>
__device__ void apply_rows(Dx* dx, const Dy* dy, const X* x, const SharedChannels& shared, int c, int rows_per_block,
                           int rows, int channels, float slope) {
    const Channels<RUN> of{shared.template run<RUN>(0, c), shared.template run<RUN>(1, c), shared.template run<RUN>(2, c), shared.template run<RUN>(3, c),
                           shared.template run<RUN>(4, c)};
    const auto body = [&](int row, const Run<RUN, Dy>& dy, const Run<RUN, X>& x) {
        Run<RUN, Dx> run;
#pragma unroll
        for (int e = 0; e < RUN; ++e) {
            const float x_e = to_float(x.at[e]), dz = to_float(dy.at[e]) * (of.z(e, x_e) > 0 ? 1.0f : slope);
            run.at[e] = stored<Dx>(of.dx(e, dz, x_e));
        }
        *reinterpret_cast<Run<RUN, Dx>*>(dx + (long long) row * channels) = run;
    };
    for_some_rows<ROWS_AHEAD<RUN, Dy, X>>(rows_per_block, rows, body, Rows<RUN, Dy>{dy, channels},
                                          Rows<RUN, X>{x, channels});
}

// batchnorm.cu's backward_apply: dx = a dz + by_x (x - mean) + constant. dx may be dy.
extern "C" __global__ void __launch_bounds__(256, 2)
    backward_apply(optional float* dx, optional Number* rounded_dx, optional const float* dy,
                   optional const Number* rounded_dy, optional const float* x, optional const Number* rounded_x,
                   const float* mean, const float* rstd, optional const float* scale, optional const float* shift,
                   const float* per_batch, int rows_per_block, int rows, int channels, float slope) {
    __shared__ alignas(16) float numbers[5][MOST_CHANNELS];
    const int width = channels / gridDim.y, c = threadIdx.x * (width / blockDim.x);
    const SharedChannels shared{numbers};
    shared.fill(blockIdx.y * width, width, mean, rstd, scale, shift, per_batch, rows, channels);
    const long long first = (long long) blockIdx.z * rows * channels + blockIdx.y * width + c;
    given(dx, rounded_dx, [&](auto dx) {
        given(dy, rounded_dy, [&](auto dy) {
            given(x, rounded_x, [&](auto x) {
                if (width > blockDim.x)
                    apply_rows<WIDE<Number>>(dx + first, dy + first, x + first, shared, c, rows_per_block, rows,
                                             channels, slope);
                else apply_rows<1>(dx + first, dy + first, x + first, shared, c, rows_per_block, rows, channels, slope);
            });
        });
    });
}
