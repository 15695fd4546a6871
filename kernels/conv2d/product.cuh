// One block's tile of out[m, n] = sum over k of a[m, k] * b[k, n]: the loop over k, the sum of split k's, the result.
//
//            k ->            n ->                       tile 0   tile 1   tile 2   tile 3  ...
//        +---------+     +-----+                 fetch    #0       #1       #2       #3
//      m | a tiles | x k | b   |                 multiply          #0       #1       #2        (STAGES = 2)
//        +---------+     |tiles|
//                        +-----+                 one barrier per tile: "#i has arrived, and all have used #i-1"
//
// Split k. Where out has too few tiles to occupy a GPU, `splits` blocks share each tile, and each block takes its own
// range of k's. They write their sums to `parts`. The last block to arrive in a group of GROUP adds up the group, in
// the group's order; then the groups' sums are added in the same way, until one is left. Example: 40 splits make groups
// of 16, 16 and 8; three sums are left, which the last of their three blocks adds. Which block is last varies from run
// to run; the order of the additions does not, so results repeat bit for bit.

constexpr int GROUP = 16;

#include "device/last_to_arrive.cuh"

// Add up the sums of all splits; true in the block that holds the total. parts (tiles, splits, COUNT, THREADS): so
// neighbouring threads write neighbouring numbers. Split `first` stands for its group on the next level, `step` apart.
template <class Sums>
__device__ bool add_splits(Sums& sums, real* parts, int* counters, int split, int splits) {
    const int tile = blockIdx.x + gridDim.x * blockIdx.y, tiles = gridDim.x * gridDim.y;
    for (int step = 1, level = 0; step < splits; step *= GROUP, ++level) {
        const int first = split - split % (step * GROUP), end = min(splits, first + step * GROUP);
        real* const mine = parts + (size_t(tile) * splits + split) * Sums::COUNT * Sums::THREADS + threadIdx.x;
UNROLL_ALL
        for (int i = 0; i < Sums::COUNT; ++i) mine[i * Sums::THREADS] = sums[i];
        int* const counter = &counters[(level * tiles + tile) * splits + first];
        if (!last_block_to_arrive(counter, (end - first + step - 1) / step)) return false;
UNROLL_ALL
        for (int i = 0; i < Sums::COUNT; ++i) sums[i] = 0;
        for (int other = first; other < end; other += step) {
            const real* const theirs = mine + ((long long) other - split) * Sums::COUNT * Sums::THREADS;
UNROLL_ALL
            for (int i = 0; i < Sums::COUNT; ++i) sums[i] += read_shared_by_all(&theirs[i * Sums::THREADS]);
        }
        split = first;
    }
    return true;
}

// Write the sums plus the bias. Where rows are aligned, RUN neighbouring numbers of a thread go in one instruction.
template <class Sums, class Pass>
__device__ void write(const Pass& pass, Sums& sums, real* out, const real* bias, int m0, int n0) {
    struct alignas(Sums::RUN * sizeof(real)) Run { real numbers[Sums::RUN]; };
    const bool aligned = pass.N % Sums::RUN == 0 && reinterpret_cast<size_t>(out) % sizeof(Run) == 0;
UNROLL_ALL
    for (int i = 0; i < Sums::COUNT; i += Sums::RUN) {
        const int m = m0 + Sums::row(i), n = n0 + Sums::column(i);
        if (m >= pass.M || n >= pass.N) continue;
        Run run;
UNROLL_ALL
        for (int e = 0; e < Sums::RUN; ++e) run.numbers[e] = sums[i + e] + (bias && n + e < pass.N ? bias[n + e] : 0);
        real* const to = out + pass.out(m) + n;
        if (aligned) *reinterpret_cast<Run*>(to) = run;
        else
UNROLL_ALL
            for (int e = 0; e < Sums::RUN; ++e)
                if (n + e < pass.N) to[e] = run.numbers[e];
    }
}

// All the work of one block. Sums holds a thread's sums in registers and multiplies two tiles into them. `pass` has
// been set and lies in shared memory: in registers it would take the place of sums. row_tile: the tile's number along
// m.
template <class Sums, class Pass>
__device__ void convolve(const Pass& pass, real* out, const real* bias, real* parts, int* counters, int splits,
                         int row_tile) {
    constexpr int STAGES = Sums::STAGES, THREADS = Sums::THREADS;
    __shared__ Stream<Sums::ROWS, Pass::A_ALONG_K, STAGES, THREADS> a;
    __shared__ Stream<Sums::COLUMNS, Pass::B_ALONG_K, STAGES, THREADS> b;
    const int m0 = row_tile * Sums::ROWS, n0 = blockIdx.y * Sums::COLUMNS;
    if (m0 >= pass.M) return;
    const int all = (pass.K + DEPTH - 1) / DEPTH, share = (all + splits - 1) / splits;
    const int begin = min(all, int(blockIdx.z) * share), end = min(all, begin + share);  // this block's tiles along k

    // DEPTH threads follow the k's, and find their Places one turn before all threads need them.
    Digits k;
    if (threadIdx.x < DEPTH) k = pass.order.at(begin * DEPTH + threadIdx.x);
    const auto place_ks = [&](int tile) {
        if (threadIdx.x >= DEPTH) return;
        const bool any = tile * DEPTH + threadIdx.x < pass.K;
        a.place_k(tile, threadIdx.x, any ? pass.a_k(k) : NOWHERE);
        b.place_k(tile, threadIdx.x, any ? pass.b_k(k) : NOWHERE);
        pass.order.next(k);
    };
    a.place_rows(m0, pass.M, [&](int m) { return pass.a_row(m); });
    b.place_rows(n0, pass.N, [&](int n) { return pass.b_row(n); });
    place_ks(begin);
    Sums sums;
    for (int tile = begin - STAGES + 1, stage = 0; tile < end; ++tile) {
        copy_async_wait<STAGES - 2>();
        __syncthreads();  // `tile` has arrived, and nobody reads the tile before it any more
        const int next = tile + STAGES - 1;
        if (next < end) {
            a.fetch(stage, next, pass.a);
            b.fetch(stage, next, pass.b);
        }
        copy_async_commit();
        place_ks(next + 1);
        stage = stage + 1 < STAGES ? stage + 1 : 0;  // the ring's next stage holds `tile`, the oldest one
        if (tile >= begin) sums.multiply(a.tiles[stage], b.tiles[stage]);
    }
    if (add_splits(sums, parts, counters, blockIdx.z, splits)) write(pass, sums, out, bias, m0, n0);
}
