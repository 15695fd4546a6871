// Sums on the CUDA cores, in full precision: a thread multiplies TM rows by TN columns from its registers.
//
// Thread -> element: the block's ROWS x COLUMNS sums are dealt out to LANES_M x LANES_N threads.
//
//              columns of lane tx         for VEC k's a thread reads TM + TN packs of 16 bytes
//           +----------------------+      and makes TM * TN * VEC multiplications of them
//   rows    | TM x TN sums of one  |
//   of lane | thread, in registers |      rows of a lane: lane, lane + LANES, ... where a row is contiguous in memory,
//   ty      +----------------------+      otherwise VEC neighbours, and VEC more every LANES * VEC rows
//
// Example of the second kind, floats: VEC = 4, LANES = 16, TM = 8: lane 1 has the rows 4 to 7 and 68 to 71.

// A thread's T rows of a tile, in registers; LANES threads share the tile's rows.
template <int T, int LANES, bool ALONG_K>
struct Share {
    static constexpr int RUN = ALONG_K ? 1 : T < VEC ? T : VEC;  // neighbouring rows in one thread
    static constexpr int PACK = ALONG_K ? VEC : RUN;             // numbers per read: k's of one row, or rows of one k
    static constexpr int KS = ALONG_K ? VEC : 1;                 // k's that are in registers at a time
    struct alignas(PACK * sizeof(real)) Pack { real numbers[PACK]; };
    Pack packs[T * KS / PACK];

    __device__ static int row(int lane, int i) { return (i / RUN * LANES + lane) * RUN + i % RUN; }
    __device__ real at(int i, int e) const { return ALONG_K ? packs[i].numbers[e] : packs[i / RUN].numbers[i % RUN]; }

    // Read the numbers of k + e. With ALONG_K they came with those of k already. `first`: the index of row(lane, 0), k 0.
    template <class Tile>
    __device__ void read(const Tile& tile, int first, int k, int e) {
        if (ALONG_K && e > 0) return;
UNROLL_ALL
        for (int i = 0; i < T; i += RUN) {
            const int index = Tile::index_from(first, i * LANES, k + e);
            packs[i / RUN] = *reinterpret_cast<const Pack*>(&tile.numbers[index]);
        }
    }
};

// A thread's TM x TN sums.
template <class Pass, int ROWS_, int COLUMNS_, int TM, int TN, int STAGES_>
struct RegisterSums {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, STAGES = STAGES_, COUNT = TM * TN;
    static constexpr int LANES_M = ROWS / TM, LANES_N = COLUMNS / TN, THREADS = LANES_M * LANES_N;
    using A = Share<TM, LANES_M, Pass::A_ALONG_K>;
    using B = Share<TN, LANES_N, Pass::B_ALONG_K>;
    static constexpr int RUN = B::RUN;
    real sums[COUNT] = {};

    __device__ real& operator[](int i) { return sums[i]; }
    __device__ static int row(int i) { return A::row(threadIdx.x / LANES_N, i / TN); }
    __device__ static int column(int i) { return B::row(threadIdx.x % LANES_N, i % TN); }

    template <class ATile, class BTile>
    __device__ void multiply(const ATile& a_tile, const BTile& b_tile) {
        const int a_first = ATile::index(A::row(threadIdx.x / LANES_N, 0), 0);
        const int b_first = BTile::index(B::row(threadIdx.x % LANES_N, 0), 0);
#pragma unroll 1
        for (int k = 0; k < DEPTH; k += VEC) {
            A a;
            B b;
UNROLL_ALL
            for (int e = 0; e < VEC; ++e) {
                a.read(a_tile, a_first, k, e);
                b.read(b_tile, b_first, k, e);
UNROLL_ALL
                for (int i = 0; i < TM; ++i)
UNROLL_ALL
                    for (int j = 0; j < TN; ++j) sums[i * TN + j] += a.at(i, e) * b.at(j, e);
            }
        }
    }
};
