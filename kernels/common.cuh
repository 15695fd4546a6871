// The loader puts this text in front of every kernel file, for both machines.
//
// `real` is float or double: every file is compiled once for each (-DREAL=float, -DREAL=double). ON_CPU is defined
// where the C++ compiler reads this (on_cpu/cuda_on_cpu.h), and not where NVRTC does.
//
// The three helpers for_elements, for_rows_of_block and for_rows say which thread owns what in all kernels that do
// nothing but read and write memory.

typedef REAL real;

// Marks in a parameter list: the loader reads them, for the compiler they are empty.
#define optional   // None may be passed for this array; the kernel gets a null pointer
#define aligned16  // the address must be a multiple of 16 bytes

#ifdef ON_CPU
constexpr bool ON_GPU = false;
#else
constexpr bool ON_GPU = true;
#endif

// True where every thread of the block has work, so that no thread has to check. This is false everywhere on the GPU.
// On the CPU's fast path the loader gives every kernel a parameter of this name instead, which is a constant for the
// compiler: true for every block but perhaps the last along x (run_fast in cuda_on_cpu.h).
constexpr bool whole_block = false;

// Choosing numbers without a condition. Where a condition is the same for all threads, g++ makes no SIMD code of the
// loop over them. So a kernel reads a valid number in any case and keeps its bits or drops them by a mask of 32 ones or
// zeros:
//     mask_of_range(i, n)    all ones if 0 <= i < n, else zeros. It takes the sign of i and n - 1 - i by a shift: g++
//                            would turn a comparison back into a condition.
//     masked(x, mask)        x or 0
//     chosen(x, other, mask) x or other
__device__ int mask_of_range(int i, int n) { return ~((i | (n - 1 - i)) >> 31); }
__device__ float masked(float x, int mask) { return __int_as_float(__float_as_int(x) & mask); }
__device__ double masked(double x, int mask) { return __longlong_as_double(__double_as_longlong(x) & mask); }
__device__ float chosen(float x, float other, int mask) {
    return __int_as_float((__float_as_int(x) & mask) | (__float_as_int(other) & ~mask));
}
__device__ double chosen(double x, double other, int mask) {
    return __longlong_as_double((__double_as_longlong(x) & mask) | (__double_as_longlong(other) & ~mask));
}

// Elementwise kernels: a block owns 1024 neighbouring elements. On the CPU it has 1024 threads with one element each;
// on the GPU 256 threads with four elements each. Thread 3 there owns elements 3, 259, 515 and 771 of its block.
constexpr int ELEMENTS_PER_BLOCK = 1024, EACH = ON_GPU ? 4 : 1;

// N numbers of one array that a thread has loaded.
template <int N, class Number>
struct Loaded {
    Number at[N];
};
template <class Number>
__device__ Number same(Number number) {
    return number;
}

// Load input[i] for i = first, first + step, ... < count: N numbers at most.
template <int N, class Input>
__device__ auto load_each(bool whole, int first, int step, int count, const Input& input) {
    Loaded<N, decltype(same(input[0]))> loaded;
#pragma unroll
    for (int k = 0; k < N; ++k)
        if (whole || first + k * step < count) loaded.at[k] = input[first + k * step];
    return loaded;
}
template <int N, class Body, class... Numbers>
__device__ void call_each(bool whole, int first, int step, int count, const Body& body,
                          const Loaded<N, Numbers>&... loaded) {
#pragma unroll
    for (int k = 0; k < N; ++k)
        if (whole || first + k * step < count) body(first + k * step, loaded.at[k]...);
}

// Call body(i, a[i], b[i], ...) for i = first, first + step, ... < count, N times at most; inputs: a, b, ..., which are
// arrays or anything else with [i].
//
// All numbers are loaded before body is called for the first element. So a GPU's thread has N loads under way for each
// array, and waits for memory once instead of N times. The compiler could not change the order by itself: what body
// writes might be what the next load reads.
template <int N, class Body, class... Inputs>
__device__ void for_each(bool whole, int first, int step, int count, const Body& body, const Inputs&... inputs) {
    if constexpr (N > 1)
        call_each<N>(whole, first, step, count, body, load_each<N>(whole, first, step, count, inputs)...);
    else if (whole || first < count) body(first, inputs[first]...);
}

// Call body(i, a[i], b[i], ...) for the elements i < count of one thread.
template <class Body, class... Inputs>
__device__ void for_elements(bool whole, int block, int thread, int count, const Body& body, const Inputs&... inputs) {
    for_each<EACH>(whole, block * ELEMENTS_PER_BLOCK + thread, ELEMENTS_PER_BLOCK / EACH, count, body, inputs...);
}

// Elementwise kernels with a number per channel: a block owns neighbouring channels (threadIdx.x) of neighbouring rows
// (threadIdx.y). A thread takes one row on the CPU and eight rows, blockDim.y apart, on the GPU: there it has to load
// the numbers of its channel, too.
constexpr int ROWS_EACH = ON_GPU ? 8 : 1;

// Call body(row, a[row], b[row], ...) for the rows < `rows` of one thread; inputs: a, b, ..., mostly Columns.
template <class Body, class... Inputs>
__device__ void for_rows_of_block(bool whole, int block, int block_size, int thread, int rows, const Body& body,
                                  const Inputs&... inputs) {
    for_each<ROWS_EACH>(whole, block * ROWS_EACH * block_size + thread, block_size, rows, body, inputs...);
}

// One channel of a matrix (rows, channels): column[row]. It begins at the channel's number in the first row.
template <class Number>
struct Column {
    Number* first;
    int channels;

    __device__ Number& operator[](int row) const { return first[(long long) row * channels]; }
};

// Sums over rows: a thread owns one channel of several neighbouring rows: ROWS_ON_CPU rows on the CPU, and on the GPU
// as many as the launch says by rows_per_thread (gpunet/backend/launches.py chooses).
constexpr int ROWS_ON_CPU = 16;

// Call body(row) for up to rows_per_thread rows from `first` on, as far as they are < `rows`.
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

// a / b, rounded down, for 0 <= a < 2^22. It is exact although it divides floats, since (a + 1/2) / b is at least 1 /
// 2b away from any integer. The machine's integer division would keep the loop over threads from becoming SIMD.
__device__ int quotient(int a, int b) { return int((a + 0.5f) / b); }

// The channel of a column where k rows are taken as one row, so that even few channels give many neighbouring threads:
// (rows, channels) is read as (rows / k, k * channels). Example: with 3 channels and k = 2, columns 0 to 5 are channels
// 0, 1, 2, 0, 1, 2.
__device__ int channel_of(int column, int channels) { return column - channels * quotient(column, channels); }
