// Convolution on the tensor cores of Hopper GPUs: the three passes of conv2d_mma/ for bf16 and fp16. Multiprocessors
// that copy by the TMA and multiply by wgmma spend hardly an instruction on either, which is the only way to their full
// rate.
//
// NO GPU HAS RUN THIS YET. It compiles, and its arithmetic is tested on a CPU (squares.cuh); so it is off unless asked
// for (--conv wgmma), and compares itself with conv2d_mma/ at its first use (gpunet/backend/hopper.py).
//
// C and F are multiples of 8, arrays begin at multiples of 16 bytes. It needs compute capability 9.0, architecture
// sm_90a.
//
//   one thread, the producer                ring of 4 stages            warps 0-3 and 4-7, two groups of consumers
//   wait until stage i is empty             full[i], empty[i]           wait until stage i is full
//   let the TMA fill it with 4 squares      count arrivals              start 2 x 4 products of 64 x COLUMNS x 16
//   of a and COLUMNS / 64 of b; its                                     wait for those of the stage before, and
//   bytes make it full                                                  arrive at its empty barrier
//
// Blocks stay: there is one for each multiprocessor, and block i takes the pieces of work i, i + blocks, ... While the
// consumers write a result, the producer fills the ring for the next one.
//
// Read squares.cuh first: what lies in a square. device/hopper.cuh has the instructions.
//
// Result: as in conv2d_mma/loop.cuh. parts (tiles, ceil(splits / 2), numbers of a tile) and counters (tiles * splits)
// add up splits as in conv2d_mma/splits.cuh; both may be null if splits is 1. a: the im2col map of the left factor, b:
// the tiled map of the right one (gpunet/backend/tensor_maps.py).
#include "device/factor.cuh"
#define UNROLL_ALL _Pragma("unroll")
#include "conv2d_mma/splits.cuh"
#include "squares.cuh"
#include "device/hopper.cuh"

constexpr int STAGES = 4;
constexpr int CONSUMERS = 256;  // threads

struct Result {
    float* out;
    Number* rounded;
    const float* bias;   // or null
    const Number* mask;  // or null
    float slope;

    __device__ float activated(float number, long long at) const {
        return (mask ? to_float(mask[at]) : number) > 0 ? number : slope * number;
    }
    __device__ void write(long long row, int n, float left, float right) const {
        const long long at = row + n;
        if (bias) left += bias[n], right += bias[n + 1];
        if (slope != 1) left = activated(left, at), right = activated(right, at + 1);
        if (out) *reinterpret_cast<float2*>(out + at) = float2{left, right};
        if (rounded)
            *reinterpret_cast<unsigned*>(rounded + at) = pack(factor_of<Number>(left), factor_of<Number>(right));
    }
};

// The ring's place: which stage, and the parity of its phase. It goes on from one piece of work to the next.
struct Place {
    int stage = 0, parity = 0;
    __device__ void next() {
        if (++stage < STAGES) return;
        stage = 0, parity ^= 1;
    }
};

template <int COLUMNS>
struct Ring {
    static constexpr int BYTES = (ROWS + COLUMNS) / SIDE * SQUARE;  // of a stage
    SharedAddress memory, barriers;  // full[STAGES], empty[STAGES]

    __device__ SharedAddress a(int stage) const { return memory + stage * BYTES; }
    __device__ SharedAddress b(int stage) const { return a(stage) + ROWS / SIDE * SQUARE; }
    __device__ SharedAddress full(int stage) const { return barriers + 8 * stage; }
    __device__ SharedAddress empty(int stage) const { return barriers + 8 * (STAGES + stage); }
};

template <class Pass, int COLUMNS>
__device__ void produce(Pass pass, const Ring<COLUMNS>& ring, const TensorMap& a, const TensorMap& b, int splits) {
    Place place;
    for (int number = blockIdx.x; number < works<Pass, COLUMNS>(pass, splits); number += gridDim.x) {
        const Work w = work<Pass, COLUMNS>(pass, number, splits);
        Pixels of_rows[ROWS / SIDE];
#pragma unroll
        for (int i = 0; i < ROWS / SIDE; ++i) of_rows[i] = pass.of_row(w.row + i * SIDE);
        for (int step = w.begin; step < w.end; ++step, place.next()) {
            const SharedAddress full = ring.full(place.stage);
            Pixels of_step;
            Corner corner;
            pass.of_step(step, of_step, corner);
            barrier_wait(ring.empty(place.stage), place.parity ^ 1);
            barrier_arrive_expecting(full, ring.BYTES);
#pragma unroll
            for (int i = 0; i < ROWS / SIDE; ++i)
                copy_pixels(ring.a(place.stage) + i * SQUARE, a, full, of_rows[i] + of_step);
#pragma unroll
            for (int i = 0; i < COLUMNS / SIDE; ++i)
                copy_box(ring.b(place.stage) + i * SQUARE, b, full, pass.of_column(w.column + i * SIDE) + corner);
        }
    }
}

// The producer takes no part when splits are added up (conv2d_mma/splits.cuh): so the consumers have a barrier of their
// own.
struct AllConsumers {
    __device__ void operator()() const { asm volatile("bar.sync 1, %0;" ::"n"(CONSUMERS) : "memory"); }
};

// A consumer's group multiplies two of the four squares of a with all of b.
template <class Pass, int COLUMNS>
__device__ void multiply_stage(float (&sums)[2][COLUMNS / 2], SharedAddress a, SharedAddress b) {
    products_begin();
#pragma unroll
    for (int i = 0; i < SIDE / DEPTH; ++i) {
        const unsigned long long of_b = description<Pass::B_TURNED>(b + to_product<Pass::B_TURNED>(i));
#pragma unroll
        for (int square = 0; square < 2; ++square) {
            const SharedAddress from = a + square * SQUARE + to_product<Pass::A_TURNED>(i);
            multiply_group<Pass::A_TURNED, Pass::B_TURNED>(sums[square], description<Pass::A_TURNED>(from), of_b);
        }
    }
    products_commit();
}

template <int COUNT>
__device__ void write_square(const float (&sums)[COUNT], const Result& result, const long long (&rows)[2], int column,
                             int N) {
#pragma unroll
    for (int i = 0; i < COUNT; i += 2) {
        const int n = column + column_of_sum(threadIdx.x, i);
        const long long row = rows[i / 2 % 2];
        if (row >= 0 && n < N) result.write(row, n, sums[i], sums[i + 1]);
    }
}

template <class Pass, int COLUMNS>
__device__ void consume(Pass pass, const Ring<COLUMNS>& ring, const Result& result, float* parts, int* counters,
                        int splits) {
    const int squares = threadIdx.x / 128 * 2;  // of a, before those of this group
    const bool speaks = threadIdx.x % 32 == 0;  // for its warp
    Place place;
    for (int number = blockIdx.x; number < works<Pass, COLUMNS>(pass, splits); number += gridDim.x) {
        const Work w = work<Pass, COLUMNS>(pass, number, splits);
        float sums[2][COLUMNS / 2] = {};
        int before = -1;  // the stage of the step before
        for (int step = w.begin; step < w.end; ++step, place.next()) {
            barrier_wait(ring.full(place.stage), place.parity);
            multiply_stage<Pass, COLUMNS>(sums, ring.a(place.stage) + squares * SQUARE, ring.b(place.stage));
            products_wait<1>();  // the group of the step before has read its stage
            if (speaks && before >= 0) barrier_arrive(ring.empty(before));
            before = place.stage;
        }
        products_wait<0>();
        products_end(sums[0]), products_end(sums[1]);
        if (speaks && before >= 0) barrier_arrive(ring.empty(before));
        float (&all)[COLUMNS] = reinterpret_cast<float (&)[COLUMNS]>(sums);
        if (!add_splits<CONSUMERS, AllConsumers>(all, parts, counters, w.tile, w.split, splits)) continue;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int row = w.row + (squares + i) * SIDE;  // of the square
            const long long rows[2] = {pass.out(row + row_of_sum(threadIdx.x, 0)),
                                       pass.out(row + row_of_sum(threadIdx.x, 2))};
            write_square(sums[i], result, rows, w.column, pass.N());
        }
    }
}

template <class Pass, int COLUMNS>
__device__ void convolve(const Pass& pass, const Result& result, const TensorMap& a, const TensorMap& b, float* parts,
                         int* counters, int splits) {
    extern __shared__ uint4 dynamic[];
    __shared__ unsigned long long barriers[2 * STAGES];
    // Squares begin at multiples of 1024 bytes: the exchange of chunks goes by the address.
    const Ring<COLUMNS> ring = {(shared_address(dynamic) + 1023) & ~1023u, shared_address(barriers)};
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; ++i) barrier_init(ring.full(i), 1), barrier_init(ring.empty(i), CONSUMERS / 32);
        barriers_are_ready();
    }
    __syncthreads();
    if (threadIdx.x < CONSUMERS) {
        take_registers<224>();
        consume<Pass, COLUMNS>(pass, ring, result, parts, counters, splits);
    } else {
        give_back_registers<56>();  // 128 * 56 + 256 * 224 = 384 * 168, the registers that a block starts with
        if (threadIdx.x == CONSUMERS) produce<Pass, COLUMNS>(pass, ring, a, b, splits);
    }
}

#define CONV {N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left}

extern "C" __global__ void __launch_bounds__(384, 1) conv2d_forward_128(
    optional float* y, optional Number* rounded, const __grid_constant__ TensorMap a,
    const __grid_constant__ TensorMap b, optional const float* bias, optional const Number* mask, float slope,
    optional float* parts, optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW,
    int SH, int SW, int top, int left, int splits) {
    convolve<Forward, 128>({CONV}, {y, rounded, bias, mask, slope}, a, b, parts, counters, splits);
}
extern "C" __global__ void __launch_bounds__(384, 1) conv2d_forward_64(
    optional float* y, optional Number* rounded, const __grid_constant__ TensorMap a,
    const __grid_constant__ TensorMap b, optional const float* bias, optional const Number* mask, float slope,
    optional float* parts, optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW,
    int SH, int SW, int top, int left, int splits) {
    convolve<Forward, 64>({CONV}, {y, rounded, bias, mask, slope}, a, b, parts, counters, splits);
}
extern "C" __global__ void __launch_bounds__(384, 1) conv2d_input_grad_128(
    optional float* dx, optional Number* rounded, const __grid_constant__ TensorMap a,
    const __grid_constant__ TensorMap b, optional const float* bias, optional const Number* mask, float slope,
    optional float* parts, optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW,
    int SH, int SW, int top, int left, int splits) {
    convolve<InputGrad, 128>({CONV}, {dx, rounded, bias, mask, slope}, a, b, parts, counters, splits);
}
extern "C" __global__ void __launch_bounds__(384, 1) conv2d_input_grad_64(
    optional float* dx, optional Number* rounded, const __grid_constant__ TensorMap a,
    const __grid_constant__ TensorMap b, optional const float* bias, optional const Number* mask, float slope,
    optional float* parts, optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW,
    int SH, int SW, int top, int left, int splits) {
    convolve<InputGrad, 64>({CONV}, {dx, rounded, bias, mask, slope}, a, b, parts, counters, splits);
}
extern "C" __global__ void __launch_bounds__(384, 1) conv2d_weight_grad_128(
    float* dweight, const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    convolve<WeightGrad, 128>({CONV}, {dweight, nullptr, nullptr, nullptr, 1}, a, b, parts, counters, splits);
}
extern "C" __global__ void __launch_bounds__(384, 1) conv2d_weight_grad_64(
    float* dweight, const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits) {
    convolve<WeightGrad, 64>({CONV}, {dweight, nullptr, nullptr, nullptr, 1}, a, b, parts, counters, splits);
}
