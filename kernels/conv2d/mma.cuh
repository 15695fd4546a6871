// Sums on the tensor cores: a warp multiplies 16 x K by K x 8 numbers in one instruction, into float sums.
//
// Thread -> element: WARPS_M x WARPS_N warps share the block's tile; a warp computes its part as products of 16 x 8.
//
//            <- COLUMNS ->        of each product, lane = 4 g + t (tensor_core.cuh)
//          +-------+-------+        reads of a   rows g and g + 8, k's t and t + 4
//     ROWS | warp 0| warp 1|        reads of b   column g, k's t and t + 4
//          +-------+-------+        holds        rows g and g + 8, columns 2t and 2t + 1 of the sums
//          | warp 2| warp 3|
//          +-------+-------+
//
// The 16-bit formats take K = 16 k's, two in a register. The instruction means the neighbours k = 2t and 2t + 1 by
// these; we give it t and t + 4 instead, in a and in b alike. The sum is the same in another order, and the threads
// read the same words as for tf32, which lie in 32 different banks.

constexpr int ROW_SHIFT = 8;  // the xor along rows: see SharedTile
#include "passes.cuh"
#include "tiles.cuh"
#include "product.cuh"
#include "registers.cuh"

template <class Format, class Pass, int ROWS_, int COLUMNS_, int WARPS_M, int WARPS_N, int STAGES_>
struct TensorSums {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, STAGES = STAGES_, THREADS = WARPS_M * WARPS_N * 32;
    static constexpr int PART_M = ROWS / WARPS_M, PART_N = COLUMNS / WARPS_N;  // rows and columns of a warp
    static constexpr int TM = PART_M / 16, TN = PART_N / 8;                    // products of a warp
    static constexpr int COUNT = TM * TN * 4, RUN = 2;                         // sums of a thread; RUN neighbours
    float sums[TM][TN][4] = {};

    __device__ float& operator[](int i) { return sums[i / 4 / TN][i / 4 % TN][i % 4]; }
    __device__ static int group() { return threadIdx.x % 32 / 4; }
    __device__ static int member() { return threadIdx.x % 4; }
    __device__ static int first_row() { return threadIdx.x / 32 / WARPS_N * PART_M; }
    __device__ static int first_column() { return threadIdx.x / 32 % WARPS_N * PART_N; }
    __device__ static int row(int i) { return first_row() + i / 4 / TN * 16 + i % 4 / 2 * 8 + group(); }
    __device__ static int column(int i) { return first_column() + i / 4 % TN * 8 + member() * 2 + i % 2; }

    // A register of an operand: one number, or two that are 4 k's apart.
    template <class Tile>
    __device__ static unsigned pack(const Tile& tile, int row, int k) {
        return Format::K == 8 ? Format::pack(tile.at(row, k), 0) : Format::pack(tile.at(row, k), tile.at(row, k + 4));
    }

    template <class ATile, class BTile>
    __device__ void multiply(const ATile& a_tile, const BTile& b_tile) {
#pragma unroll 1  // unrolled, this would need twice the registers
        for (int first_k = 0; first_k < DEPTH; first_k += Format::K) {
            const int k = first_k + member();
            unsigned b[TN][2];
UNROLL_ALL
            for (int j = 0; j < TN; ++j)
UNROLL_ALL
                for (int r = 0; r < 2; ++r)
                    b[j][r] = pack(b_tile, first_column() + j * 8 + group(), k + r * Format::K / 2);
UNROLL_ALL
            for (int i = 0; i < TM; ++i) {
                unsigned a[4];
UNROLL_ALL
                for (int r = 0; r < 4; ++r)
                    a[r] = pack(a_tile, first_row() + i * 16 + r % 2 * 8 + group(), k + r / 2 * Format::K / 2);
UNROLL_ALL
                for (int j = 0; j < TN; ++j) Format::multiply(sums[i][j], a, b[j]);
            }
        }
    }
};

// The tensor cores here would round float64, so float64 stays on the CUDA cores.
template <class Tensor, class Registers, bool FLOAT = sizeof(real) == 4>
struct Choice { using Sums = Tensor; };
template <class Tensor, class Registers>
struct Choice<Tensor, Registers, false> { using Sums = Registers; };

template <class Pass>
using Wide = typename Choice<TensorSums<Format, Pass, 128, 128, 2, 4, 2>, RegisterSums<Pass, 128, 128, 8, 8, 2>>::Sums;
template <class Pass>
using Tall = typename Choice<TensorSums<Format, Pass, 128, 64, 2, 2, 2>, RegisterSums<Pass, 128, 64, 8, 8, 2>>::Sums;
template <class Pass>
using Small = typename Choice<TensorSums<Format, Pass, 64, 64, 2, 2, 3>, RegisterSums<Pass, 64, 64, 8, 4, 3>>::Sums;
template <class Pass>
using Narrow = typename Choice<TensorSums<Format, Pass, 128, 8, 4, 1, 3>, RegisterSums<Pass, 128, 8, 4, 2, 3>>::Sums;
constexpr int WIDE_BLOCKS = sizeof(real) == 4 ? 2 : 1;

#include "entries.cuh"
