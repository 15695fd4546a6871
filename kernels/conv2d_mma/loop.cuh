// One block's tile of out[m, n] = sum over k of a[m, k] * b[k, n].
//
//            k ->            n ->
//        +---------+     +-----+                 fetch     #0       #1       #2       #3     ...
//      m | a tiles | x k | b   |                 multiply                    #0       #1              (STAGES = 3)
//        +---------+     |tiles|
//                        +-----+                 one barrier per stage: "#i has arrived, and all have used #i-1".
//                                                Then #i+2 is copied to where #i-1 lay.
//
// A stage holds a tile of a and a tile of b. Where two taps read the same pixels it holds a tile of b for each of them,
// and the tile of a is multiplied twice, the second time a line further on (strips.cuh). TAPS is how many tiles of b
// there is room for. A weight gradient has a tap in each of its four stages, the other passes have three stages.

// The result takes the sums. Either `out` or `rounded` is given: floats, or factors for the next convolution.
struct Result {
    float* out;
    Number* rounded;
    const float* bias;   // or null; added to the sums
    const Number* mask;  // or null: as large as the result. Where it is not positive, numbers are multiplied by slope:
    float slope;         // the derivative of a leaky ReLU. Without a mask: leaky_relu(number, slope)

    __device__ float activated(float number, long long at) const {
        return (mask ? to_float(mask[at]) : number) > 0 ? number : slope * number;
    }
    // Write two neighbours; left and right become what is written.
    __device__ void write(long long row, int n, float& left, float& right) const {
        const long long at = row + n;
        if (bias) left += bias[n], right += bias[n + 1];
        if (slope != 1) left = activated(left, at), right = activated(right, at + 1);
        if (out) *reinterpret_cast<float2*>(out + at) = float2{left, right};
        if (rounded) {
            struct alignas(2 * sizeof(Number)) Pair { Number left, right; };
            const Pair pair = {factor_of<Number>(left), factor_of<Number>(right)};
            *reinterpret_cast<Pair*>(rounded + at) = pair;
            left = to_float(pair.left), right = to_float(pair.right);
        }
    }
};

struct Nothing {
    template <class Pass, class Sums>
    __device__ void operator()(const Pass&, const Sums&, int, int) const {}
};

// then(pass, sums, m0, n0) is called behind the result, by the block that has written a tile of it: sums hold what it
// has written.
// written: a Result, or another one that has `write` (of_cells.cuh).
template <class Shape, class Pass, class Written, class Then = Nothing>
__device__ void convolve(Pass pass, const Written& result, float* parts, int* counters, int splits, int row_tile,
                         Then then = {}) {
    extern __shared__ uint4 memory[];
    constexpr int STAGES = Pass::STAGES, STAGE = Pass::A::BYTES + Pass::TAPS * Pass::B::BYTES;
    const SharedAddress ring = shared_address(memory);
    const int m0 = row_tile * Shape::ROWS, n0 = blockIdx.y * Shape::COLUMNS;
    if (m0 >= pass.M()) return;
    const int share = (pass.stages() + splits - 1) / splits;
    const int begin = min(pass.stages(), int(blockIdx.z) * share), end = min(pass.stages(), begin + share);
    pass.start(m0, n0, begin);
    Sums<Shape, Pass> sums(pass);
    const SharedAddress last = ring + (STAGES - 1) * STAGE;
    unsigned pairs = 0;  // bit i: the stage i later than the one that is multiplied has two taps
#pragma unroll 1
    for (int i = 0; i < STAGES - 1; ++i) {  // fill the ring up to its last place
        if (begin + i < end) pairs |= pass.fetch(ring + i * STAGE, ring + i * STAGE + Pass::A::BYTES) << i;
        copy_async_commit();
    }
    SharedAddress use = ring, fill = last;  // which stage is read, and where the one STAGES - 1 later is written
    for (int stage = begin; stage < end; ++stage) {
        copy_async_wait<STAGES - 2>();  // this thread's copies of `stage` have arrived
        __syncthreads();                // everybody's have; and nobody reads the stage before it any more
        if (stage + STAGES - 1 < end) pairs |= pass.fetch(fill, fill + Pass::A::BYTES) << (STAGES - 1);
        copy_async_commit();
        if constexpr (Pass::TAPS == 1) sums.multiply(use, use + Pass::A::BYTES);
        else sums.multiply_taps(pass, use, use + Pass::A::BYTES, pairs & 1);
        pairs >>= 1;
        fill = use;  // this stage has been used when the next one is written
        use = use == last ? ring : use + STAGE;
    }
    float (&flat)[Sums<Shape, Pass>::COUNT] = reinterpret_cast<float (&)[Sums<Shape, Pass>::COUNT]>(sums.sums);
    const int tile = blockIdx.x + gridDim.x * blockIdx.y;
    if (!add_splits<Shape::THREADS>(flat, parts, counters, tile, blockIdx.z, splits)) return;
    pass.after_loop();
    sums.for_pairs([&](int row, int column, float& left, float& right) {
        const int m = m0 + row, n = n0 + column;
        if (m >= pass.M() || n >= pass.N()) return;
        const long long at = pass.out(m);
        if (at >= 0) result.write(at, n, left, right);  // else the sum is of padding (of_cells.cuh)
    });
    then(pass, sums, m0, n0);
}
