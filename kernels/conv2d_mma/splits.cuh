// The sum of what several blocks computed of one tile. Where the result has too few tiles to occupy a GPU, `splits`
// blocks share each, and each takes its own range of k's. Their sums are added in pairs, then pairs of pairs:
//
//   splits   0   1   2   3   4
//            0 + 1   2 + 3   4        the later of two blocks adds what the earlier one has left in memory,
//            0   +   2       4        and stands for both from then on; the earlier one has finished
//            0       +       4
//
// Which of two blocks is the later one varies from run to run. a + b and b + a are the same number, so results repeat
// bit for bit.

#include "device/last_to_arrive.cuh"

// The barrier of all threads of a block. (Others: of a part of them, who alone call add_splits.)
struct WholeBlock {
    __device__ void operator()() const { __syncthreads(); }
};

// Add up the sums of all splits; true in the block that holds the total. The first THREADS threads of the block call
// this; `together` is their barrier.
//
// parts (tiles, ceil(splits / 2), COUNT, THREADS): a place for each of the first pairs. Splits 0 and 1 have place 0.
// The earlier of them leaves its sums there. Once the later one has read them, the place is free: if it is the earlier
// one of the next pair, it leaves its own sums there.
//
// counters (tiles * splits): zeros, and zeros afterwards. A pair has the number of the first split of its right half:
// 0 + 1 is pair 1, (0 + 1) + (2 + 3) is pair 2. Its counter grows by 1 for each of its two blocks, and by 2 when the
// earlier block's sums are in memory; so it is 4 when the later block may read them.
template <int THREADS, class Together = WholeBlock, int COUNT>
__device__ bool add_splits(float (&sums)[COUNT], float* parts, int* counters, int tile, int split, int splits) {
    __shared__ bool later;
    const Together together;
    const long long places = (splits + 1) / 2;
    float4* const here = reinterpret_cast<float4*>(parts + tile * places * COUNT * THREADS) + threadIdx.x;
    for (int reach = 1; reach < splits; reach *= 2) {
        const int pair = split | reach, mine = split / 2, others = (split ^ reach) / 2;
        split &= ~reach;
        if (pair >= splits) continue;  // nobody to add
        int* const counter = counters + (long long) tile * splits + pair;
        if (threadIdx.x == 0) later = atomicAdd(counter, 1) % 2;  // it was 1 or 3: the other block came before
        together();
        if (!later) {
            float4* const part = here + mine * COUNT / 4 * THREADS;
UNROLL_ALL
            for (int i = 0; i < COUNT / 4; ++i)
                part[i * THREADS] = float4{sums[4 * i], sums[4 * i + 1], sums[4 * i + 2], sums[4 * i + 3]};
            __threadfence();  // the part reaches memory ...
            together();
            if (threadIdx.x == 0) __threadfence(), atomicAdd(counter, 2);  // ... before the other block hears of it
            return false;
        }
        if (threadIdx.x == 0) {
            while (atomicAdd(counter, 0) < 4) {}  // the earlier block is running, and waits for nobody
            __threadfence();  // what it wrote before is seen from here on
            *counter = 0;
        }
        together();
        __threadfence();
        const float4* const part = here + others * COUNT / 4 * THREADS;
UNROLL_ALL
        for (int i = 0; i < COUNT / 4; ++i) {
            const float4 other = read_shared_by_all(part + i * THREADS);
            sums[4 * i] += other.x, sums[4 * i + 1] += other.y, sums[4 * i + 2] += other.z, sums[4 * i + 3] += other.w;
        }
    }
    return true;
}
