// CUDA C++ for a C++ compiler: the words of the language, its vector types and its mathematics.
//
// There are two ways to run the threads of a block:
//   fast   kernels whose threads do not cooperate. The loader turns the kernel into an inline function that gets
//          gridDim, blockDim, blockIdx and threadIdx as parameters, and calls it in a loop over threadIdx.x that the
//          compiler turns into SIMD instructions. Blocks are spread over OpenMP threads.
//   exact  kernels with barriers, shuffles, shared memory, atomics or tensor-core instructions: fibers.h.

#define ON_CPU 1

#include <cassert>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__ inline __attribute__((always_inline))
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __constant__ static const
#define __launch_bounds__(...)
#define EXPORT extern "C" __attribute__((visibility("default")))

// An index or a size. Its numbers are signed, unlike CUDA's: so the compiler may assume that index arithmetic does not
// wrap, and sees that neighbouring threads touch neighbouring elements.
struct Index3 {
    int x, y, z;
};

// The launch, which Python passes to every kernel's C function beside the kernel's own arguments.
struct Launch {
    Index3 grid, block;
    int shared_bytes, workers, whole;
};

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };

using std::cos;
using std::exp;
using std::fabs;
using std::isfinite;
using std::isinf;
using std::isnan;
using std::log;
using std::log1p;
using std::pow;
using std::sin;
using std::sqrt;
using std::tanh;

template <class T> inline __attribute__((always_inline)) T min(T a, T b) { return b < a ? b : a; }
template <class T> inline __attribute__((always_inline)) T max(T a, T b) { return a < b ? b : a; }
inline float rsqrt(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline int __float_as_int(float x) { int bits; std::memcpy(&bits, &x, 4); return bits; }
inline float __int_as_float(int bits) { float x; std::memcpy(&x, &bits, 4); return x; }
inline long long __double_as_longlong(double x) { long long bits; std::memcpy(&bits, &x, 8); return bits; }
inline double __longlong_as_double(long long bits) { double x; std::memcpy(&x, &bits, 8); return x; }
inline unsigned __float_as_uint(float x) { return (unsigned) __float_as_int(x); }
inline float __uint_as_float(unsigned bits) { return __int_as_float((int) bits); }
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// Call kernel(blockIdx, threadIdx, whole) for every thread of every block; SIMD over threadIdx.x.
//
// `whole` is a constant for the compiler. It is true where every thread of the block has work: in every block but the
// last along x, and in the last one if the launch promises it. So with SPLIT the loop over threads exists twice, and
// the copy for whole blocks needs no conditions. Kernels that do not ask for whole_block take SPLIT = false.
template <bool SPLIT, class Body>
inline __attribute__((always_inline)) void run_fast(const Launch& launch, Body kernel) {
    const Index3 grid = launch.grid, block = launch.block;
    const long long blocks = (long long) grid.x * grid.y * grid.z;
#pragma omp parallel for schedule(static) num_threads(launch.workers) if (launch.workers > 1)
    for (long long b = 0; b < blocks; ++b) {
        const Index3 here = {int(b % grid.x), int(b / grid.x % grid.y), int(b / grid.x / grid.y)};
        const Body body = kernel;  // own copy: otherwise a store through char* might change the arguments
        for (int z = 0; z < block.z; ++z)
            for (int y = 0; y < block.y; ++y)
                if (SPLIT && (here.x + 1 < grid.x || launch.whole)) {
#pragma omp simd
                    for (int x = 0; x < block.x; ++x) body(here, Index3{x, y, z}, std::true_type());
                } else {
#pragma omp simd
                    for (int x = 0; x < block.x; ++x) body(here, Index3{x, y, z}, std::false_type());
                }
    }
}
