// Tensor cores: D (16 x 8) += A (16 x K) B (K x 8), one instruction of a whole warp, accumulated in float.
//
// Each lane holds a part of each matrix (a "fragment"). With g = lane / 4 and t = lane % 4:
//   D   d[0] (g, 2t)   d[1] (g, 2t+1)   d[2] (g+8, 2t)   d[3] (g+8, 2t+1)                       (row, column)
//   tf32, K = 8: a register holds one number
//     A a[0] (g, t)    a[1] (g+8, t)    a[2] (g, t+4)    a[3] (g+8, t+4)                        (row, k)
//     B b[0] (t, g)    b[1] (t+4, g)                                                            (k, column)
//   half and bfloat16, K = 16: a register holds two neighbours in k
//     A a[0] (g, 2t)   a[1] (g+8, 2t)   a[2] (g, 2t+8)   a[3] (g+8, 2t+8)                       and k+1
//     B b[0] (2t, g)   b[1] (2t+8, g)                                                           and k+1
// PTX ISA, "Matrix multiply-accumulate operation using mma instruction". Needs compute capability 8.0; all 32 lanes of
// the warp must come here together. On the CPU: the same fragments, multiplied by plain loops.

#include "factor.cuh"
#include "shared_address.cuh"

#ifdef ON_CPU
struct MmaOperands {
    unsigned a[4], b[2];
    float d[4];
};

// Element k of a fragment register: one number (tf32 keeps 10 bits of the significand), or one of two.
struct Tf32Element { static float get(unsigned r, int) { return __uint_as_float(r & 0xffffe000u); } };
struct HalfElement { static float get(unsigned r, int k) { return to_float(half{(unsigned short) (r >> 16 * k)}); } };
struct Bfloat16Element {
    static float get(unsigned r, int k) { return to_float(bfloat16{(unsigned short) (r >> 16 * k)}); }
};

template <class Element, int K>
void mma_of_warp(MmaOperands* const* lanes, unsigned) {
    constexpr int EACH = K / 8;  // numbers per register
    float a[16][K], b[K][8];
    for (int lane = 0; lane < 32; ++lane) {
        const int g = lane / 4, k = lane % 4 * EACH;
        for (int e = 0; e < EACH; ++e)
            for (int far = 0; far < 2; ++far) {  // far = 1: the second half of the k range
                a[g][k + e + far * K / 2] = Element::get(lanes[lane]->a[2 * far], e);
                a[g + 8][k + e + far * K / 2] = Element::get(lanes[lane]->a[2 * far + 1], e);
                b[k + e + far * K / 2][g] = Element::get(lanes[lane]->b[far], e);
            }
    }
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i)
            for (int k = 0; k < K; ++k) lanes[lane]->d[i] += a[lane / 4 + i / 2 * 8][k] * b[k][lane % 4 * 2 + i % 2];
}

template <class Element, int K>
void mma_collective(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    MmaOperands mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {d[0], d[1], d[2], d[3]}};
    warp_collective<MmaOperands>(0xffffffffu, mine, mma_of_warp<Element, K>);
    for (int i = 0; i < 4; ++i) d[i] = mine.d[i];
}
#define MMA(name, element, shape, types) \
    inline void name(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { \
        mma_collective<element, shape>(d, a, b); \
    }
#elif __CUDA_ARCH__ >= 800
#define MMA(name, element, shape, types) \
    __device__ __forceinline__ void name(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { \
        asm volatile("mma.sync.aligned.m16n8k" #shape ".row.col.f32." #types ".f32 " \
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); \
    }
#else
#define MMA(name, element, shape, types) \
    __device__ void name(float (&)[4], const unsigned (&)[4], const unsigned (&)[2]) { __trap(); }
#endif

MMA(mma_tf32, Tf32Element, 8, tf32.tf32)
MMA(mma_half, HalfElement, 16, f16.f16)
MMA(mma_bfloat16, Bfloat16Element, 16, bf16.bf16)

// float to tf32, rounded (factor.cuh), as a register of mma_tf32.
__device__ unsigned to_tf32(float x) { return __float_as_uint(factor_of<float>(x)); }

// Reading operands from shared memory: four matrices of 8 lines of 16 bytes, one instruction of a whole warp. Lane
// 8 i + j gives the address of line j of matrix i, a multiple of 16 bytes. Lane 4 g + t gets in r[i] of matrix i
//   load_matrices          bytes 4t to 4t + 3 of line g
//   load_matrices_turned   the g-th 16-bit numbers of lines 2t (low bits) and 2t + 1
// PTX ISA, "Warp-level matrix load instruction: ldmatrix". On the CPU each lane reads its line; the last one to arrive
// deals the numbers out.
#ifdef ON_CPU
struct alignas(16) [[gnu::may_alias]] MatrixLine { unsigned short numbers[8]; };
struct MatrixLines {
    MatrixLine line;  // what this lane reads, for others
    unsigned r[4];    // what it gets
};
inline void load_of_warp(MatrixLines* const* lanes, unsigned) {
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i)
            std::memcpy(&lanes[lane]->r[i], lanes[8 * i + lane / 4]->line.numbers + lane % 4 * 2, 4);
}
inline void load_turned_of_warp(MatrixLines* const* lanes, unsigned) {
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i) {
            MatrixLines* const* pair = lanes + 8 * i + lane % 4 * 2;
            lanes[lane]->r[i] = pair[0]->line.numbers[lane / 4] | (unsigned) pair[1]->line.numbers[lane / 4] << 16;
        }
}
#define LOAD_MATRICES(name, execute, turned) \
    inline void name(unsigned (&r)[4], SharedAddress line) { \
        MatrixLines mine = {*(const MatrixLine*) line, {}}; \
        warp_collective<MatrixLines>(0xffffffffu, mine, execute); \
        for (int i = 0; i < 4; ++i) r[i] = mine.r[i]; \
    }
#elif __CUDA_ARCH__ >= 800
#define LOAD_MATRICES(name, execute, turned) \
    __device__ __forceinline__ void name(unsigned (&r)[4], SharedAddress line) { \
        asm volatile("ldmatrix.sync.aligned.m8n8.x4" turned ".shared.b16 {%0, %1, %2, %3}, [%4];" \
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) \
                     : "r"(line)); \
    }
#else
#define LOAD_MATRICES(name, execute, turned) \
    __device__ void name(unsigned (&)[4], SharedAddress) { __trap(); }
#endif

LOAD_MATRICES(load_matrices, load_of_warp, "")
LOAD_MATRICES(load_matrices_turned, load_turned_of_warp, ".trans")
