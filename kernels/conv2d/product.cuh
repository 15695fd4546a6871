// One block's part of out[m, n] = sum over k of a[m, k] * b[k, n]: the loop over k, the sum over split k's, the result.
//
//            k ->            n ->                       tile 0   tile 1   tile 2   tile 3  ...
//        +---------+     +-----+                 fetch    #0       #1       #2       #3
//      m | a tiles | x k | b   |                 multiply          #0       #1       #2        (STAGES = 2)
//        +---------+     |tiles|
//                        +-----+                 one barrier per tile: "#i has arrived, and all are through with #i-1"
//
// Split k: where out has too few tiles to occupy a GPU, `splits` blocks share each, every one with its own range of
// k's. They write their sums to `parts`, and the block that finds itself the last of a group of GROUP adds up the
// group, in the group's order; the groups' sums likewise, till one is left: a tree. Who is last depends on the weather,
// what is added to what does not: results repeat bit for bit. The counters are zero before a launch, and are left zero.

constexpr int GROUP = 16;

// Read what another block wrote: from the L2 cache, which all blocks share, past this multiprocessor's own.
__device__ real read_shared_by_all(const real* from) {
#ifdef ON_CPU
    return *from;
#else
    return __ldcg(from);
#endif
}

// Count the calling block. True, for all of its threads, in the last of `members` blocks, which from then on sees what
// the others wrote before their calls. The counter is zero before the launch, and zero again after it.
__device__ bool last_block_to_arrive(int* counter, int members) {
    __shared__ bool last;
    __threadfence();  // my part is written, for all to see ...
    __syncthreads();  // ... so is every thread's
    if (threadIdx.x == 0) {
        last = atomicAdd(counter, 1) == members - 1;
        if (last) *counter = 0;
    }
    __syncthreads();
    __threadfence();
    return last;
}

// Add up the sums of all splits. Returns whether this block holds the total.
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

// Write the sums, and the bias with them; neighbouring numbers of one thread in one instruction where they are aligned.
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

// The whole of a block's work. Sums: the sums a thread keeps in registers, and how it multiplies two tiles into them.
// `pass` lies in shared memory and is set: in registers it would crowd out sums.
template <class Sums, class Pass>
__device__ void convolve(const Pass& pass, real* out, const real* bias, real* parts, int* counters, int splits,
                         int row_tile) {
    constexpr int STAGES = Sums::STAGES, THREADS = Sums::THREADS;
    __shared__ Stream<Sums::ROWS, Pass::A_ALONG_K, STAGES, THREADS> a;
    __shared__ Stream<Sums::COLUMNS, Pass::B_ALONG_K, STAGES, THREADS> b;
    const int m0 = row_tile * Sums::ROWS, n0 = blockIdx.y * Sums::COLUMNS;
    if (m0 >= pass.M) return;
    const int all = (pass.K + DEPTH - 1) / DEPTH, share = (all + splits - 1) / splits;
    const int begin = min(all, int(blockIdx.z) * share), end = min(all, begin + share);  // my tiles along k

    const auto place_ks = [&](int tile) {
        a.place_ks(threadIdx.x, tile, pass.K, [&](int k) { return pass.a_k(k); });
        b.place_ks(threadIdx.x - DEPTH, tile, pass.K, [&](int k) { return pass.b_k(k); });
    };
    a.place_rows(m0, pass.M, [&](int m) { return pass.a_row(m); });
    b.place_rows(n0, pass.N, [&](int n) { return pass.b_row(n); });
    place_ks(begin);
    Sums sums;
    for (int tile = begin - STAGES + 1, stage = 0; tile < end; ++tile) {
        copy_async_wait<STAGES - 2>();
        __syncthreads();  // `tile` has arrived, and the place of the one before it is free
        const int next = tile + STAGES - 1;
        if (next < end) {
            a.fetch(stage, next, pass.a);
            b.fetch(stage, next, pass.b);
        }
        copy_async_commit();
        place_ks(next + 1);
        stage = stage + 1 < STAGES ? stage + 1 : 0;  // after one round through the ring: where `tile` is
        if (tile >= begin) sums.multiply(a.tiles[stage], b.tiles[stage]);
    }
    if (add_splits(sums, parts, counters, blockIdx.z, splits)) write(pass, sums, out, bias, m0, n0);
}
