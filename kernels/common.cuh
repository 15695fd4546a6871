// What every kernel file starts with, on both machines. The loader puts this text first.
//
// `real` is float or double: every file is compiled once for each (-DREAL=float, -DREAL=double).
// ON_CPU is defined where the C++ compiler reads this (see cuda_on_cpu.h), and not where NVRTC does.

typedef REAL real;

// Marks in a parameter list, read by the loader and empty for the compiler:
#define optional   // None may be passed for this array; the kernel gets a null pointer
#define aligned16  // the address must be a multiple of 16 bytes

#ifdef ON_CPU
// g++ turns the loop over the threads of a block into SIMD only if no loop is left inside it, so on the CPU a
// thread takes few rows and its loop over them is unrolled completely.
#define UNROLL _Pragma("GCC unroll 64")
#else
#define UNROLL _Pragma("unroll 8")
#endif

// Rows that one thread walks on the CPU; on the GPU the launch says how many (see reduction.py).
constexpr int ROWS_ON_CPU = 32;

// Call body(row) for the rows first, first + 1, ... of one thread: `count` of them on the GPU, ROWS_ON_CPU on the CPU,
// in either case not beyond the last of `rows`.
template <class Body>
__device__ void for_rows(int first, int count, int rows, Body body) {
#ifdef ON_CPU
    UNROLL
    for (int k = 0; k < ROWS_ON_CPU; ++k)
        if (first + k < rows) body(first + k);
#else
    const int end = min(first + count, rows);
    UNROLL
    for (int row = first; row < end; ++row) body(row);
#endif
}
