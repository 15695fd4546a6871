// Batch norm's passes over all numbers (batchnorm.cu), where what they read or write is a factor.
//
// An array is of floats where a layer in full precision has written it, or will read it. So an entry takes two pointers
// for each array: `x`, or `rounded_x` for factors, and the other one is null.
//
// Thread -> element: RUN neighbouring channels of some rows, blockDim.y apart. RUN numbers are loaded and stored at once:
// 16 bytes of factors. RUN is 1 where channels or addresses are no multiples of that. A block has blockDim.x * RUN
// channels (blockIdx.y) and rows_per_block rows (blockIdx.x) of a batch (blockIdx.z).
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
__device__ void for_some_rows(int block, int lane, int lanes, int rows_per_block, int rows, const Body& body,
                              const Inputs&... inputs) {
    const int first = block * rows_per_block, end = min(rows, first + rows_per_block);
    for (int row = first + lane; row < end; row += AHEAD * lanes)
        for_each<AHEAD>(false, row, lanes, end, body, inputs...);
}

// normalise for one thread, whose first channel is c
template <int RUN, class Y, class X>
__device__ void normalise_rows(Y* y, const X* x, const float* mean, const float* rstd, const float* scale,
                               const float* shift, int block, int batch, int c, int lane, int lanes, int rows_per_block,
                               int rows, int channels, float slope) {
    Channel channel[RUN];
#pragma unroll
    for (int e = 0; e < RUN; ++e) channel[e] = Channel(c + e, batch * channels, mean, rstd, scale, shift);
    const long long first = (long long) batch * rows * channels + c;
    const auto body = [&](int row, const Run<RUN, X>& x) {
        Run<RUN, Y> run;
#pragma unroll
        for (int e = 0; e < RUN; ++e) {
            const float z = channel[e].z(to_float(x.at[e]));
            run.at[e] = stored<Y>(z > 0 ? z : slope * z);
        }
        *reinterpret_cast<Run<RUN, Y>*>(y + first + (long long) row * channels) = run;
    };
    for_some_rows<4>(block, lane, lanes, rows_per_block, rows, body, Rows<RUN, X>{x + first, channels});
}

// batchnorm.cu's normalise: y = leaky_relu(z, slope)
extern "C" __global__ void __launch_bounds__(256, 2)
    normalise(optional float* y, optional Number* rounded_y, optional const float* x, optional const Number* rounded_x,
              const float* mean, const float* rstd, optional const float* scale, optional const float* shift,
              int rows_per_block, int rows, int channels, float slope) {
    const int width = channels / gridDim.y, c = blockIdx.y * width + threadIdx.x * (width / blockDim.x);
    given(y, rounded_y, [&](auto y) {
        given(x, rounded_x, [&](auto x) {
            if (width > blockDim.x)
                normalise_rows<WIDE<Number>>(y, x, mean, rstd, scale, shift, blockIdx.x, blockIdx.z, c, threadIdx.y,
                                             blockDim.y, rows_per_block, rows, channels, slope);
            else
                normalise_rows<1>(y, x, mean, rstd, scale, shift, blockIdx.x, blockIdx.z, c, threadIdx.y, blockDim.y,
                                  rows_per_block, rows, channels, slope);
        });
    });
}

// backward_apply for one thread, whose first channel is c
template <int RUN, class Dx, class Dy, class X>
__device__ void apply_rows(Dx* dx, const Dy* dy, const X* x, const float* mean, const float* rstd, const float* scale,
                           const float* shift, const float* per_batch, int block, int batch, int c, int lane, int lanes,
                           int rows_per_block, int rows, int channels, float slope) {
    Channel channel[RUN];
    ApplyBackward of[RUN];
#pragma unroll
    for (int e = 0; e < RUN; ++e) {
        channel[e] = Channel(c + e, batch * channels, mean, rstd, scale, shift);
        of[e] = ApplyBackward(channel[e], per_batch + 2 * batch * channels, c + e, rows, channels);
    }
    const long long first = (long long) batch * rows * channels + c;
    const auto body = [&](int row, const Run<RUN, Dy>& dy, const Run<RUN, X>& x) {
        Run<RUN, Dx> run;
#pragma unroll
        for (int e = 0; e < RUN; ++e) {
            const float x_e = to_float(x.at[e]), dz = to_float(dy.at[e]) * channel[e].activation_grad(x_e, slope);
            run.at[e] = stored<Dx>(of[e].dx(dz, x_e));
        }
        *reinterpret_cast<Run<RUN, Dx>*>(dx + first + (long long) row * channels) = run;
    };
    for_some_rows<ROWS_AHEAD<RUN, Dy, X>>(block, lane, lanes, rows_per_block, rows, body,
                                          Rows<RUN, Dy>{dy + first, channels}, Rows<RUN, X>{x + first, channels});
}

// batchnorm.cu's backward_apply: dx = a dz + by_x (x - mean) + constant. dx may be dy.
extern "C" __global__ void __launch_bounds__(256, 2)
    backward_apply(optional float* dx, optional Number* rounded_dx, optional const float* dy,
                   optional const Number* rounded_dy, optional const float* x, optional const Number* rounded_x,
                   const float* mean, const float* rstd, optional const float* scale, optional const float* shift,
                   const float* per_batch, int rows_per_block, int rows, int channels, float slope) {
    const int width = channels / gridDim.y, c = blockIdx.y * width + threadIdx.x * (width / blockDim.x);
    given(dx, rounded_dx, [&](auto dx) {
        given(dy, rounded_dy, [&](auto dy) {
            given(x, rounded_x, [&](auto x) {
                if (width > blockDim.x)
                    apply_rows<WIDE<Number>>(dx, dy, x, mean, rstd, scale, shift, per_batch, blockIdx.x, blockIdx.z, c,
                                             threadIdx.y, blockDim.y, rows_per_block, rows, channels, slope);
                else
                    apply_rows<1>(dx, dy, x, mean, rstd, scale, shift, per_batch, blockIdx.x, blockIdx.z, c, threadIdx.y,
                                  blockDim.y, rows_per_block, rows, channels, slope);
            });
        });
    });
}
