// Tiles in shared memory, and how they are filled while the tiles before them are being multiplied.
//
// A tile holds ROWS rows of a (or columns of b) times DEPTH k's. It keeps the order of the array that it comes from, so
// that a copy moves 16 bytes at once. ALONG_K = true: numbers along k are neighbours, (row, k). Otherwise numbers along
// the rows are, (k, row).
//
// Shared memory has 32 banks of 4 bytes. A read of a warp takes as many turns as there are different words in one bank.
// With ALONG_K readers take 16 bytes of each of 8 rows. Several of these would share banks, so an xor stores them in
// different ones. Otherwise readers take whole 16-byte runs of rows, and need no xor.
//
//   ALONG_K: 16-byte chunks c0 to c3 of a row, 2 rows fill the banks
//     row 0 | c0 c1 c2 c3   row 1 | c0 c1 c2 c3
//     row 2 | c1 c0 c3 c2   row 3 | c1 c0 c3 c2
//     row 4 | c2 c3 c0 c1   row 5 | c2 c3 c0 c1
//     row 6 | c3 c2 c1 c0   row 7 | c3 c2 c1 c0

#include "device/copy_async.cuh"

template <int ROWS, bool ALONG_K>
struct SharedTile {
    alignas(16) real numbers[ROWS * DEPTH];

    __device__ static int index(int row, int k) {
        if (ALONG_K) return row * DEPTH + (k ^ ((row >> 1 & 3) * VEC));
        return k * ROWS + row;
    }
    // The index of (row + more, k), where `first` is that of (row, 0). row and more have no binary digit in common. So
    // the xor of their sum is that of row and then that of more, a constant: 8 rows cost a thread one xor, not 8.
    __device__ static int index_from(int first, int more, int k) {
        if (ALONG_K) return (first ^ k ^ (more >> 1 & 3) * VEC) + more * DEPTH;
        return first + more + k * ROWS;
    }
};

// One of the two matrices on its way through shared memory: STAGES tiles in a ring, and the Places of rows and k's. The
// Places of k's are kept twice: for the tile that is being fetched and for the next one.
template <int ROWS, bool ALONG_K, int STAGES, int THREADS>
struct Stream {
    SharedTile<ROWS, ALONG_K> tiles[STAGES];
    Place rows[ROWS], ks[2][DEPTH];

    // Where Place i is kept. Wide copies ask for every VEC-th Place of the axis along which they run, so these lie side
    // by side, in different banks. Example: VEC = 4, size = 16: Places 0, 4, 8, 12 are kept first, then 1, 5, 9, 13.
    __device__ static int slot(int i, int size, bool wide_axis) {
        return wide_axis ? i % VEC * (size / VEC) + i / VEC : i;
    }
    __device__ static int row_slot(int row) { return slot(row, ROWS, !ALONG_K); }
    __device__ static int k_slot(int k) { return slot(k, DEPTH, ALONG_K); }

    // Find the Places of this block's rows, once.
    template <class PlaceOf>
    __device__ void place_rows(int first, int end, PlaceOf place_of) {
        for (int r = threadIdx.x; r < ROWS; r += THREADS)
            rows[row_slot(r)] = first + r < end ? place_of(first + r) : NOWHERE;
    }
    __device__ void place_k(int tile, int k, const Place& place) { ks[tile & 1][k_slot(k)] = place; }

    // Start to fill a stage with a tile of an Image or a Matrix.
    template <class Factor>
    __device__ void fetch(int stage, int tile, const Factor& factor) {
        if (factor.wide) fill<VEC>(tiles[stage], ks[tile & 1], factor);
        else fill<1>(tiles[stage], ks[tile & 1], factor);
    }

    // Copy WIDTH neighbouring numbers at a time; neighbouring threads copy from neighbouring addresses. A line of the
    // tile (a row with ALONG_K, otherwise a k) takes ACROSS copies; a thread copies the same part of lines STEP apart.
    template <int WIDTH, class Factor>
    __device__ void fill(SharedTile<ROWS, ALONG_K>& tile, const Place* ks, const Factor& shared_factor) {
        using Tile = SharedTile<ROWS, ALONG_K>;
        constexpr int COPIES = ROWS * DEPTH / WIDTH, EACH = (COPIES + THREADS - 1) / THREADS;
        constexpr int ACROSS = (ALONG_K ? DEPTH : ROWS) / WIDTH, STEP = THREADS / ACROSS;
        int thread = threadIdx.x;
        keep(thread);  // otherwise what follows from it would stay in registers that the sums need
        if (COPIES < THREADS && thread >= COPIES) return;
        const int line = unsigned(thread) / ACROSS, part = unsigned(thread) % ACROSS * WIDTH;
        const int first = ALONG_K ? Tile::index(line, part) : Tile::index(part, line);
        const Place same = ALONG_K ? ks[k_slot(part)] : rows[row_slot(part)];
        const Place* const lines = (ALONG_K ? rows : ks) + line;
        const Factor factor = shared_factor;  // read once: copies change memory, for all that the compiler knows
        constexpr int UNROLL = WIDTH == 1 ? 1 : EACH;
#pragma unroll UNROLL
        for (int i = 0; i < EACH; ++i) {
            const Place place = lines[i * STEP] + same;
            real* const to = &tile.numbers[Tile::index_from(first, ALONG_K ? i * STEP : 0, ALONG_K ? 0 : i * STEP)];
            copy_async<WIDTH * sizeof(real)>(to, element(factor.data, place.offset), factor.holds(place));
        }
    }
};
