// One block's tile of out[m, n] = sum over k of a[m, k] * b[k, n].
//
//            k ->            n ->                       tile 0   tile 1   tile 2   tile 3  ...
//        +---------+     +-----+                 fetch    #0       #1       #2       #3
//      m | a tiles | x k | b   |                 multiply                            #0        (STAGES = 4)
//        +---------+     |tiles|
//                        +-----+                 one barrier per tile: "#i has arrived, and all have used #i-1".
//                                                Then #i+3 is copied to where #i-1 lay.

constexpr int STAGES = 4;  // tiles of both factors that shared memory holds

template <class Shape, class Pass>
__device__ void convolve(Pass pass, float* out, const float* bias, float* parts, int* counters, int splits,
                         int row_tile) {
    extern __shared__ uint4 memory[];
    constexpr int STAGE = Pass::A::BYTES + Pass::B::BYTES;
    const SharedAddress ring = shared_address(memory);
    const int m0 = row_tile * Shape::ROWS, n0 = blockIdx.y * Shape::COLUMNS;
    if (m0 >= pass.M()) return;
    const int share = (pass.tiles() + splits - 1) / splits;
    const int begin = min(pass.tiles(), int(blockIdx.z) * share), end = min(pass.tiles(), begin + share);
    pass.start(m0, n0, begin);
    Sums<Shape, Pass> sums;
    keep(sums.a_first), keep(sums.b_first);
    int fill = 0, use = STAGE;  // where in the ring the next tiles are written and read: STAGES - 1 apart
    for (int tile = begin - STAGES + 1; tile < end; ++tile) {  // the first STAGES - 1 turns only copy
        copy_async_wait<STAGES - 2>();  // this thread's copies of `tile` have arrived
        __syncthreads();                // everybody's have; and nobody reads the tile before any more
        if (tile + STAGES - 1 < end) pass.fetch(ring + fill, ring + fill + Pass::A::BYTES);
        copy_async_commit();
        if (tile >= begin) sums.multiply(ring + use, ring + use + Pass::A::BYTES);
        fill = fill < STAGE * (STAGES - 1) ? fill + STAGE : 0;
        use = use < STAGE * (STAGES - 1) ? use + STAGE : 0;
    }
    pass.after_loop();
    float (&flat)[Sums<Shape, Pass>::COUNT] = reinterpret_cast<float (&)[Sums<Shape, Pass>::COUNT]>(sums.sums);
    if (!add_splits<Shape::THREADS>(flat, parts, counters, blockIdx.z, splits)) return;
    sums.for_pairs([&](int row, int column, float left, float right) {
        const int m = m0 + row, n = n0 + column;
        if (m >= pass.M() || n >= pass.N()) return;
        if (bias) left += bias[n], right += bias[n + 1];
        *reinterpret_cast<float2*>(out + pass.out(m) + n) = float2{left, right};
    });
}
