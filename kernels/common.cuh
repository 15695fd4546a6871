// What every kernel file starts with, on both machines. The loader puts this text first.
//
// `real` is float or double: every file is compiled once for each (-DREAL=float, -DREAL=double).
// ON_CPU is defined where the C++ compiler reads this (see cuda_on_cpu.h), and not where NVRTC does.

typedef REAL real;

// Marks in a parameter list, read by the loader and empty for the compiler:
#define optional   // None may be passed for this array; the kernel gets a null pointer
#define aligned16  // the address must be a multiple of 16 bytes

#ifdef ON_CPU
constexpr bool ON_GPU = false;
#else
constexpr bool ON_GPU = true;
#endif

// On the CPU's fast path the loader gives every kernel a parameter of this name, a constant: true where no thread of
// the block is left without work, which is so for every block but perhaps the last along x (run_fast in cuda_on_cpu.h).
constexpr bool whole_block = false;

// A number or 0 (`masked`), or one of two (`chosen`), without a condition: g++ turns no loop over threads into SIMD in which a condition that is the same for
// all of them chooses numbers. So a valid place is read in any case, and its bits are kept or not. mask_of_range returns
// all bits if 0 <= i < n, else none; it takes the sign by a shift, since g++ would see through a comparison.
__device__ int mask_of_range(int i, int n) { return ~((i | (n - 1 - i)) >> 31); }
__device__ float masked(float x, int mask) { return __int_as_float(__float_as_int(x) & mask); }
__device__ double masked(double x, int mask) { return __longlong_as_double(__double_as_longlong(x) & mask); }
__device__ float chosen(float x, float other, int mask) {
    return __int_as_float((__float_as_int(x) & mask) | (__float_as_int(other) & ~mask));
}
__device__ double chosen(double x, double other, int mask) {
    return __longlong_as_double((__double_as_longlong(x) & mask) | (__double_as_longlong(other) & ~mask));
}

// Elementwise kernels: a block owns 1024 neighbouring elements; on the CPU of 1024 threads one each, on the GPU of 256
// threads four each, a block's width apart, so that each has four loads under way.
constexpr int ELEMENTS_PER_BLOCK = 1024;

// Call body(i) for the elements i < count of one thread.
template <class Body>
__device__ void for_elements(bool whole, int block, int thread, int count, Body body) {
    constexpr int EACH = ON_GPU ? 4 : 1;
#pragma unroll
    for (int k = 0; k < EACH; ++k) {
        const int i = block * ELEMENTS_PER_BLOCK + k * (ELEMENTS_PER_BLOCK / EACH) + thread;
        if (whole || i < count) body(i);
    }
}

// Elementwise kernels with something per channel: a block owns some neighbouring channels (threadIdx.x) of some
// neighbouring rows, of which a thread takes one on the CPU and four, blockDim.y apart, on the GPU.
// Call body(row) for the rows < `rows` of one thread.
template <class Body>
__device__ void for_rows_of_block(bool whole, int block, int block_size, int thread, int rows, Body body) {
    constexpr int EACH = ON_GPU ? 4 : 1;
#pragma unroll
    for (int k = 0; k < EACH; ++k) {
        const int row = (block * EACH + k) * block_size + thread;
        if (whole || row < rows) body(row);
    }
}

// Sums over rows: a thread owns a channel of ROWS_ON_CPU rows on the CPU, of as many as the launch says
// (rows_per_thread) on the GPU; kernels/launches.py chooses.
constexpr int ROWS_ON_CPU = 16;

// Call body(row) for the rows first, first + 1, ... < rows of one thread.
template <class Body>
__device__ void for_rows(bool whole, int first, int rows_per_thread, int rows, Body body) {
    if (whole) {  // g++ turns the loop over threads into SIMD only if no loop is left inside it
#pragma unroll
        for (int k = 0; k < ROWS_ON_CPU; ++k) body(first + k);
    } else {
        const int end = min(first + rows_per_thread, rows);
#pragma unroll 8
        for (int row = first; row < end; ++row) body(row);
    }
}

// a / b for 0 <= a < 2^22: exact, since (a + 1/2) / b is at least 1 / 2b from any integer. The machine's integer
// division would keep the loop over threads from becoming SIMD.
__device__ int quotient(int a, int b) { return int((a + 0.5f) / b); }

// Where few channels are few neighbours, rows are taken together: (rows, channels) is then seen as (rows / k,
// k * channels), and this is the channel of a column of that.
__device__ int channel_of(int column, int channels) { return column - channels * quotient(column, channels); }
