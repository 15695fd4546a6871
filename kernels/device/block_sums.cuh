// Sums over the rows of a matrix by whole blocks, finished in the launch that begins them: the GPU's way to sum.
//
// A block of 256 threads owns 32 neighbouring columns (blockIdx.y) of some neighbouring rows (blockIdx.x). threadIdx.x
// goes along the columns, RUN of them at a time. threadIdx.y is the lane: a lane takes every blockDim.y-th row.
//
//     columns     0..3     4..7   ...  28..31        RUN = 4 floats, which are one load of 16 bytes (of 16-bit
//                                                    numbers RUN = 8, 4 threads across, 64 lanes):
//     row 0     <---------- lane 0 ---------->       8 threads across, 32 lanes
//     row 1     <---------- lane 1 ---------->
//      ...                                           RUN = 1, where the rows are not aligned to 16 bytes:
//     row 32    <---------- lane 0 ---------->       32 threads across, 8 lanes
//
// Then a tree in shared memory adds up the lanes, and the block writes one part of the sum for each of its columns. The
// block that arrives last adds up the parts: in the same way, with a tree over 8 lanes or more for each channel. Which
// block is last varies from run to run, the order of the additions does not: every run gives the same bits.

#include "device/last_to_arrive.cuh"

constexpr int BLOCK_THREADS = 256, BLOCK_COLUMNS = 32;  // also in gpunet/backend/launches.py
constexpr int AHEAD = 8;                                // loads of a thread that are under way at a time
template <class Number>
constexpr int WIDE = 16 / sizeof(Number);  // the numbers of a 16-byte load

// Rows of two arrays that a thread loads at once, RUN numbers of each: as many as registers are left for
template <int RUN, class Number, class Other>
constexpr int ROWS_AHEAD = RUN * (sizeof(Number) + sizeof(Other)) <= 32 ? 4 : 2;

// Sums are of type `real`, whatever is added; half.cuh has this function for numbers of 16 bits.
__device__ real to_real(real x) { return x; }

// RUN numbers that are loaded, or stored, at once: 16 bytes, or 8 floats as twice 16 bytes.
template <int RUN, class Number = real>
struct alignas(RUN * sizeof(Number) < 16 ? RUN * sizeof(Number) : 16) Run {
    Number at[RUN];
};

// Some neighbouring columns of a matrix whose rows have `width` numbers: rows[row] loads RUN numbers at once. `first`
// points to them in the first row.
template <int RUN, class Number = real>
struct Rows {
    const Number* first;
    int width;

    __device__ Run<RUN, Number> operator[](int row) const {
        return *reinterpret_cast<const Run<RUN, Number>*>(first + (long long) row * width);
    }
};

__device__ int thread_of_block() { return threadIdx.y * blockDim.x + threadIdx.x; }

// Call body(row, a[row], b[row], ...) for the rows of one lane, which are lane, lane + lanes, ... < rows. AHEAD rows of
// every input are loaded before body is called for the first of them.
template <int AHEAD, class Body, class... Inputs>
__device__ void for_lane(int lane, int lanes, int rows, const Body& body, const Inputs&... inputs) {
    for (int first = lane; first < rows; first += AHEAD * lanes)
        for_each<AHEAD>(false, first, lanes, rows, body, inputs...);
}

// Add up the sums of all threads whose numbers are equal modulo `across`, a power of two up to 32; thread < across gets
// the total. Example: with 8 across, thread 3 gets the total of threads 3, 11, 19, ..., 251.
template <int COUNT>
__device__ void add_lanes(real (&sums)[COUNT], int thread, int across) {
    __shared__ real shared[COUNT][BLOCK_THREADS];
#pragma unroll
    for (int i = 0; i < COUNT; ++i) shared[i][thread] = sums[i];
    __syncthreads();
    for (int half = BLOCK_THREADS / 2; half >= across; half /= 2) {
        if (thread < half) {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) shared[i][thread] += shared[i][thread + half];
        }
        __syncthreads();
    }
    if (thread < across) {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) sums[i] = shared[i][thread];
    }
    __syncthreads();  // the next call writes to `shared`
}

// The columns and rows of the calling thread's block. rows (width) are those of a batch, blockIdx.z counts batches.
template <int RUN>
struct BlockPart {
    int column;       // the thread's first
    bool inside;      // columns too many read column 0 and write nothing
    int rows;         // of the block
    long long start;  // where the block's first row begins, at the thread's column
    int to;           // where the thread writes, in parts (batches, groups, width)

    __device__ BlockPart(int all_rows, int width, int rows_per_block)
        : column(blockIdx.y * BLOCK_COLUMNS + threadIdx.x * RUN), inside(column < width) {
        if (!inside) column = 0;
        const int first = blockIdx.x * rows_per_block;
        rows = min(rows_per_block, all_rows - first);
        start = ((long long) blockIdx.z * all_rows + first) * width + column;
        to = (blockIdx.z * gridDim.x + blockIdx.x) * width + column;
    }
    __device__ bool writes() const { return threadIdx.y == 0 && inside; }
};

// The channels [begin, end) that a block finishes if it is the last to arrive of all blocks that have a part of them.
// A block's columns are its channels, but where k rows lie side by side (width = k * channels, common.cuh), every block
// may have a part of every channel: then the last block of all finishes all channels.
//
// Threads are across * lanes, with the channels across. Where a channel has k columns, part i is that of group i / k.
struct Finish {
    int begin, end, across, lane, lanes, parts;
    bool alone;

    __device__ Finish(int width, int channels) : parts(gridDim.x * (width / channels)), alone(width == channels) {
        begin = alone ? blockIdx.y * BLOCK_COLUMNS : 0;
        end = alone ? min(begin + BLOCK_COLUMNS, channels) : channels;
        across = 1;
        while (across < min(end - begin, BLOCK_COLUMNS)) across *= 2;
        lane = thread_of_block() / across;
        lanes = BLOCK_THREADS / across;
    }
    // Count the block; all its threads call this, and get the same answer. arrivals: zeros, one for each blockIdx.y
    __device__ bool mine(int* arrivals) const {
        return last_block_to_arrive(arrivals + (alone ? blockIdx.y : 0), gridDim.x * gridDim.z * (alone ? 1 : gridDim.y));
    }
    // Call body(channel, writes) for the channel of every thread. Threads too many repeat the last channel, and
    // threads of other lanes than the first help to add: `writes` is false in both.
    template <class Body>
    __device__ void for_channels(const Body& body) const {
        const int thread = thread_of_block();
        for (int first = begin; first < end; first += across) {
            const int channel = first + thread % across;
            body(min(channel, end - 1), thread < across && channel < end);
        }
    }
};
