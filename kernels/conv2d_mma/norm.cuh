// Batch norm needs sums of a result. The launch that computes the result adds them up, too: its numbers are in
// registers then, and a launch that reads them all again is saved. There are two kinds of sums, both over the rows, for
// every column (= channel):
//
//     statistics   the result is batch norm's x:    its mean, and the sum of its squared deviations from the mean
//     gradients    the result is batch norm's dy:   sum dz and sum dz (x - mean)              (formulas: batchnorm.cu)
//
//     a thread     its 2 TM rows of a column, in registers: 8 for TM = 4
//     a warp       the 8 lanes that have the same columns, by shuffles
//     a block      its warps, one below the other, through shared memory: then it writes its part, of ROWS rows
//     the launch   the block that arrives last of all with the same columns adds their parts and finishes the columns
//
// All of them add in a fixed order, so results repeat bit for bit. Deviations are taken from the mean of the warp's rows;
// then means and deviations are put together by Chan's formula (Moments in batchnorm_moments.cuh).
//
// Where x holds several batches, each has tiles of its own: the launch makes sure that no tile lies in two of them. The
// phases of an input gradient have equally many pixels here.

#include "batchnorm_channel.cuh"
#include "batchnorm_moments.cuh"

// The kernels' parameters for it. norm_parts (row tiles, 2, N): room for the blocks' parts, null where nothing is summed.
// norm_arrivals (column tiles): zeros, and zeros afterwards.
// Statistics: found (3, batches, N) gets mean, var and rstd; running_mean and running_var (N) may be null.
// Gradients: `found` is null; per_batch (batches, 2, N) gets dshift and dscale of each batch, dshift and dscale (N) the
// totals. norm_x or norm_floats, of the result's shape, is batch norm's x; norm_mean, norm_rstd (batches, N), norm_scale,
// norm_shift (N) and norm_slope are what it was normalised with.
#define NORM_PARAMETERS \
    optional float *norm_parts, optional int *norm_arrivals, int batches, optional float *found, \
    optional float *running_mean, optional float *running_var, float eps, float momentum, optional float *per_batch, \
    optional float *dscale, optional float *dshift, optional const Number *norm_x, optional const float *norm_floats, \
    optional const float *norm_mean, optional const float *norm_rstd, optional const float *norm_scale, \
    optional const float *norm_shift, float norm_slope
#define NORM \
    {norm_parts, norm_arrivals, batches, found, running_mean, running_var, eps, momentum, per_batch, dscale, dshift, \
     norm_x, norm_floats, norm_mean, norm_rstd, norm_scale, norm_shift, norm_slope}

struct Norm {
    float* parts;
    int *arrivals, batches;
    float *found, *running_mean, *running_var, eps, momentum;
    float *per_batch, *dscale, *dshift;
    const Number* x;
    const float *floats, *mean, *rstd, *scale, *shift;
    float slope;
};

// The sum over the lanes of a warp that have the same columns: lane 4 g + t for all g. Every lane gets it.
__device__ float over_lanes(float x) {
UNROLL_ALL
    for (int lane = 4; lane < 32; lane *= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
    return x;
}

// A block's tile: what it has of the rows and columns, and how threads share them. The sums of the product lie in
// registers as fragments.cuh says: sums[i][j][2 half + e] is row 16 i + 8 half + g of the warp, column 8 j + 2 t + e.
template <class Shape, class Pass>
struct NormTile {
    static_assert(Pass::A::ALONG_K, "threads have other rows");
    static constexpr int ROWS_OF_WARP = 16 * Shape::TM, WARPS = Shape::ROWS / ROWS_OF_WARP;  // warps below each other
    static constexpr int ROWS = 2 * Shape::TM;  // of a thread
    const Norm& norm;
    const Pass& pass;
    float* shared;  // (WARPS, 2, COLUMNS)
    int m0, n0, batch;

    __device__ int rows_of_warp(int warp) const {
        return max(0, min(ROWS_OF_WARP, pass.M() - m0 - warp * ROWS_OF_WARP));
    }
    // Row r of this thread's, which counts within the block's tile; and whether the result has it.
    __device__ int row(int r) const { return Shape::first_row() + threadIdx.x % 32 / 4 + r / 2 * 16 + r % 2 * 8; }
    __device__ bool has_row(int r) const { return m0 + row(r) < pass.M(); }
    // Mean and squared deviations of the warp's rows, for columns j.
    template <class Sums>
    __device__ void statistics(const Sums& of, int j, float (&mean)[2], float (&m2)[2]) const {
        const float count = max(1, rows_of_warp(Shape::first_row() / ROWS_OF_WARP));
UNROLL_ALL
        for (int e = 0; e < 2; ++e) {
UNROLL_ALL
            for (int r = 0; r < ROWS; ++r) mean[e] += has_row(r) ? of.sums[r / 2][j][r % 2 * 2 + e] : 0;
            mean[e] = over_lanes(mean[e]) / count;
UNROLL_ALL
            for (int r = 0; r < ROWS; ++r) {
                const float d = has_row(r) ? of.sums[r / 2][j][r % 2 * 2 + e] - mean[e] : 0;
                m2[e] += d * d;
            }
            m2[e] = over_lanes(m2[e]);
        }
    }
    // Where this thread's rows begin in the result, < 2^31; -1 for rows beyond its end.
    __device__ void begin_of_rows(int (&begin)[ROWS]) const {
UNROLL_ALL
        for (int r = 0; r < ROWS; ++r) begin[r] = has_row(r) ? int(pass.out(m0 + row(r))) : -1;
    }
    // Two neighbours of batch norm's x.
    __device__ float2 x_at(int at) const {
        struct alignas(2 * sizeof(Number)) Pair { Number left, right; };
        if (!norm.x) return *reinterpret_cast<const float2*>(norm.floats + at);
        const Pair pair = *reinterpret_cast<const Pair*>(norm.x + at);
        return float2{to_float(pair.left), to_float(pair.right)};
    }
    // sum dz and sum dz (x - mean) of the warp's rows, for columns j, whose first is column n of the result.
    template <class Sums>
    __device__ void gradients(const Sums& of, int j, int n, const int (&begin)[ROWS], float (&dz)[2],
                              float (&with_x)[2]) const {
        float2 x[ROWS];  // all are loaded first
UNROLL_ALL
        for (int r = 0; r < ROWS; ++r) x[r] = begin[r] < 0 ? float2{0, 0} : x_at(begin[r] + n);
UNROLL_ALL
        for (int e = 0; e < 2; ++e) {
            const Channel channel(n + e, batch * pass.N(), norm.mean, norm.rstd, norm.scale, norm.shift);
UNROLL_ALL
            for (int r = 0; r < ROWS; ++r) {
                const float x_here = e ? x[r].y : x[r].x, dy = begin[r] < 0 ? 0 : of.sums[r / 2][j][r % 2 * 2 + e];
                const float term = dy * channel.activation_grad(x_here, norm.slope);
                dz[e] += term;
                with_x[e] += term * (x_here - channel.mean);
            }
            dz[e] = over_lanes(dz[e]), with_x[e] = over_lanes(with_x[e]);
        }
    }
    // Call body(j, column, first sums, second sums), which finds both sums, for the columns of this thread; leave them in
    // `shared`.
    template <class Body>
    __device__ void for_columns_of_thread(Body body) const {
        const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4, warp = Shape::first_row() / ROWS_OF_WARP;
UNROLL_ALL
        for (int j = 0; j < Shape::TN; ++j) {
            const int column = Shape::first_column() + j * 8 + t * 2;
            if (n0 + column >= pass.N()) continue;  // N is a multiple of 8: the same for all lanes
            float first[2] = {}, second[2] = {};
            body(j, n0 + column, first, second);
            float* const to = shared + warp * 2 * Shape::COLUMNS + column;
            if (g == 0) to[0] = first[0], to[1] = first[1];
            if (g == 0) to[Shape::COLUMNS] = second[0], to[Shape::COLUMNS + 1] = second[1];
        }
    }
    // Leave both sums of all columns of the warp in `shared`.
    template <class Sums>
    __device__ void add_rows(const Sums& of) const {
        if (norm.found)
            for_columns_of_thread([&](int j, int, float (&mean)[2], float (&m2)[2]) { statistics(of, j, mean, m2); });
        else {
            int begin[ROWS];
            begin_of_rows(begin);
            for_columns_of_thread([&](int j, int n, float (&dz)[2], float (&with_x)[2]) {
                gradients(of, j, n, begin, dz, with_x);
            });
        }
    }
    // Put together what the warps have left of column c of the tile, and write it as the block's part.
    __device__ void write_part(int c) const {
        const float* const from = shared + c;
        float* const to = norm.parts + (long long) 2 * blockIdx.x * pass.N() + n0 + c;
        float first = 0, second = 0;
        Moments moments(from[0]);
        for (int warp = 0; warp < WARPS; ++warp) {
            const float a = from[2 * warp * Shape::COLUMNS], b = from[(2 * warp + 1) * Shape::COLUMNS];
            if (norm.found) moments.add(rows_of_warp(warp), a, b);
            else first += a, second += b;
        }
        to[0] = norm.found ? moments.mean() : first;
        to[pass.N()] = norm.found ? moments.m2() : second;
    }
};

// The parts of the columns that a block finishes: a thread takes 4 neighbouring columns of every LANES-th part.
template <class Shape>
struct NormColumns {
    static constexpr int ACROSS = Shape::COLUMNS / 4, LANES = Shape::THREADS / ACROSS, AHEAD = 2;  // loads under way
    struct Parts {
        const float* first;
        long long apart;
        __device__ float4 operator[](int part) const {
            return read_shared_by_all(reinterpret_cast<const float4*>(first + part * apart));
        }
    };
    const Norm& norm;
    float* shared;    // (LANES, 3, COLUMNS)
    int M, N, n0;     // M: rows of a phase
    int phases;       // the tiles of a row tile lie side by side, one for each phase

    __device__ NormColumns(const Norm& norm, float* shared, int M, int N, int n0)
        : norm(norm), shared(shared), M(M), N(N), n0(n0), phases(gridDim.x / ((M + Shape::ROWS - 1) / Shape::ROWS)) {}
    __device__ int column() const { return threadIdx.x % ACROSS * 4; }
    __device__ int rows_of_part(int part) const { return min(Shape::ROWS, M - part / phases * Shape::ROWS); }

    // Call body(part, first sums, second sums) for this thread's parts of a batch.
    template <class Body>
    __device__ void for_parts(int batch, Body body) const {
        const int each = gridDim.x / norm.batches, end = (batch + 1) * each;
        const Parts first{norm.parts + n0 + column(), 2 * N}, second{first.first + N, 2 * N};
        for (int part = batch * each + threadIdx.x / ACROSS; part < end; part += AHEAD * LANES)
            for_each<AHEAD>(false, part, LANES, end, body, first, second);
    }
    // Leave COUNT sums of 4 columns for `total`.
    template <int COUNT>
    __device__ void leave(const float (&sums)[4][COUNT]) const {
UNROLL_ALL
        for (int e = 0; e < 4; ++e)
UNROLL_ALL
            for (int i = 0; i < COUNT; ++i)
                shared[(threadIdx.x / ACROSS * 3 + i) * Shape::COLUMNS + column() + e] = sums[e][i];
    }
    // The total of sum number i over all lanes, of column c.
    __device__ float total(int i, int c) const {
        float sum = 0;
        for (int lane = 0; lane < LANES; ++lane) sum += shared[(lane * 3 + i) * Shape::COLUMNS + c];
        return sum;
    }
    __device__ void finish_statistics(int batch) const {
        const int c = threadIdx.x, n = n0 + c, all = norm.batches * N, to = batch * N + n;
        const long long origin = 2ll * (gridDim.x / norm.batches * batch) * N;  // the first part's means
        if (n0 + column() < N) {
            const float* const from = norm.parts + origin + n0 + column();
            const float4 o = read_shared_by_all(reinterpret_cast<const float4*>(from));
            Moments m[4] = {Moments(o.x), Moments(o.y), Moments(o.z), Moments(o.w)};
            for_parts(batch, [&](int part, const float4& mean, const float4& m2) {
                const float count = rows_of_part(part);
                m[0].add(count, mean.x, m2.x), m[1].add(count, mean.y, m2.y);
                m[2].add(count, mean.z, m2.z), m[3].add(count, mean.w, m2.w);
            });
            leave<3>({{m[0].count, m[0].sum, m[0].squares}, {m[1].count, m[1].sum, m[1].squares},
                      {m[2].count, m[2].sum, m[2].squares}, {m[3].count, m[3].sum, m[3].squares}});
        }
        __syncthreads();
        if (c >= Shape::COLUMNS || n >= N) return;
        Moments moments(read_shared_by_all(norm.parts + origin + n));
        moments.count = total(0, c), moments.sum = total(1, c), moments.squares = total(2, c);
        write_statistics(n, to, norm.found, norm.found + all, norm.found + 2 * all, norm.running_mean,
                         norm.running_var, moments, M * phases / norm.batches, norm.eps, norm.momentum);
    }
    __device__ void finish_gradients(int batch, float (&totals)[2]) const {
        const int c = threadIdx.x, n = n0 + c;
        if (n0 + column() < N) {
            float sums[4][2] = {};
            for_parts(batch, [&](int, const float4& dz, const float4& with_x) {
                sums[0][0] += dz.x, sums[1][0] += dz.y, sums[2][0] += dz.z, sums[3][0] += dz.w;
                sums[0][1] += with_x.x, sums[1][1] += with_x.y, sums[2][1] += with_x.z, sums[3][1] += with_x.w;
            });
            leave<2>(sums);
        }
        __syncthreads();
        if (c >= Shape::COLUMNS || n >= N) return;
        const float sums[2] = {total(0, c), total(1, c) * norm.rstd[batch * N + n]};
UNROLL_ALL
        for (int which = 0; which < 2; ++which) {
            norm.per_batch[(2 * batch + which) * N + n] = sums[which];
            totals[which] += sums[which];
        }
    }
};

// Sum up a tile of the result, whose numbers are in `of`; all threads of the block that holds them call this.
template <class Shape>
struct SumForNorm {
    const Norm& norm;

    template <class Pass, class Sums>
    __device__ void operator()(const Pass& pass, const Sums& of, int m0, int n0) const {
        extern __shared__ uint4 memory[];
        float* const shared = reinterpret_cast<float*>(memory);
        static_assert(Shape::THREADS >= Shape::COLUMNS, "a thread finishes one column");
        if (!norm.parts) return;
        const int c = threadIdx.x, batch = blockIdx.x / (gridDim.x / norm.batches);
        const NormTile<Shape, Pass> tile{norm, pass, shared, m0, n0, batch};
        __syncthreads();  // nobody reads the factors' tiles any more
        tile.add_rows(of);
        __syncthreads();
        if (c < Shape::COLUMNS && n0 + c < pass.N()) tile.write_part(c);
        if (!last_block_to_arrive(norm.arrivals + blockIdx.y, gridDim.x)) return;
        const NormColumns<Shape> columns(norm, shared, pass.M(), pass.N(), n0);
        float totals[2] = {};
        for (int batch = 0; batch < norm.batches; ++batch) {
            if (norm.found) columns.finish_statistics(batch);
            else columns.finish_gradients(batch, totals);
            __syncthreads();  // the next batch writes to `shared`
        }
        if (norm.found || c >= Shape::COLUMNS || n0 + c >= pass.N()) return;
        norm.dshift[n0 + c] = totals[0], norm.dscale[n0 + c] = totals[1];
    }
};
