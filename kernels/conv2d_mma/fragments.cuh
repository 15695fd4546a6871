// A warp reads fragments of both tiles and multiplies them: 16 x K by K x 8 numbers an instruction (tensor_core.cuh).
//
// Thread -> element: WARPS_M x WARPS_N warps share the block's tile; a warp computes 16 TM rows by 8 TN columns as
// TM x TN products. Lane 4 g + t of a warp holds, of each product, rows g and g + 8, columns 2t and 2t + 1.
//
// load_matrices reads four matrices of 8 lines of 16 bytes, and deals them out as a product wants them: lane 4 g + t
// gets 4 bytes of line g, which are a number of tf32 (k = t) or two of 16 bits (k = 2t and 2t + 1). It serves tiles
// whose lines are rows (AlongK). load_matrices_turned serves tiles of 16 bits whose lines are k's (AlongRows): lane
// 4 g + t gets number g of lines 2t and 2t + 1, two neighbours in k of one row.
//
// It turns 16-bit numbers only, and would tear floats into halves. So where the lines of a tile of floats are k's, each
// lane reads its numbers itself, from line t. Of operand b it reads number g. Of operand a it needs two rows of each
// product, and may choose which: it takes the neighbours 2 g and 2 g + 1, which one instruction reads, as the product's
// rows g and g + 8. Example: lane 4, with g = 1, reads rows 2 and 3 of every 16; of other tiles it gets rows 1 and 9.

// The place in a tile where a lane begins to read; `first` is the first row (or column) of its warp. Lane 8 i + j names
// line j of matrix i. For operand a, matrix 1 holds the next 8 rows and matrix 2 the next k's; for operand b, matrix 1
// holds the next k's and matrix 2 the next 8 columns; matrix 3 holds both.
template <class Tile, bool A, class Pass>
__device__ int first_place(int first, const Pass& pass) {
    const int matrix = threadIdx.x % 32 / 8, line = threadIdx.x % 8, rows = A ? matrix % 2 : matrix / 2;
    const int ks = A ? matrix / 2 : matrix % 2;
    if constexpr (Tile::ALONG_K && A) return Tile::place(pass.strips.line(first + rows * 8 + line), ks);
    if constexpr (Tile::ALONG_K) return Tile::place(first + rows * 8 + line, ks);
    if (sizeof(Number) == 2) return Tile::place(ks * 8 + line, first / VEC + rows);
    const int row = first + threadIdx.x % 32 / 4 * (A ? 2 : 1), t = threadIdx.x % 4;
    return Tile::place(t, row / VEC) + row % VEC * sizeof(Number);
}

// Read rows 16 i to 16 i + 15 of the warp (or columns, for operand b) into the four registers of a fragment, with the
// k's of product number `step` of the tile. `first`: from first_place. Where lines are rows, the next product's k's lie
// two chunks further along the line (first xor 2 CHUNK), and 16 rows further on are 16 lines. Where lines are k's, it
// is the other way round.
template <class Tile, bool A>
__device__ void read_16(unsigned (&r)[4], SharedAddress tile, int first, int i, int step) {
    if constexpr (Tile::ALONG_K && A) load_matrices(r, tile + first + step * 2 * Tile::PLANE);
    else if constexpr (Tile::ALONG_K) load_matrices(r, tile + (first ^ step * 2 * CHUNK) + i * 16 * Tile::LINE);
    else if constexpr (sizeof(Number) == 2)
        load_matrices_turned(r, tile + (first ^ i % 4 * 2 * CHUNK) + i / 4 * 8 * CHUNK + step * 16 * Tile::LINE);
    else if constexpr (A)
UNROLL_ALL
        for (int e = 0; e < 4; e += 2)
            read_two_words(r[e], r[e + 1], tile + (first ^ i % 2 * 4 * CHUNK) + i / 2 * 8 * CHUNK +
                                              (step * 8 + e * 2) * Tile::LINE);
    else
UNROLL_ALL
        for (int e = 0; e < 4; ++e) {
            const int rows = i * 2 + e / 2, k = step * 8 + e % 2 * 4;
            r[e] = read_word(tile + (first ^ rows % 4 * 2 * CHUNK) + rows / 4 * 8 * CHUNK + k * Tile::LINE);
        }
}

// A block's tile: rows and columns, and the warps that share it.
template <int ROWS_, int COLUMNS_, int WARPS_M, int WARPS_N>
struct Shape {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, THREADS = WARPS_M * WARPS_N * 32;
    static constexpr int TM = ROWS / WARPS_M / 16, TN = COLUMNS / WARPS_N / 8;
    __device__ static int first_row() { return threadIdx.x / 32 / WARPS_N * (ROWS / WARPS_M); }
    __device__ static int first_column() { return threadIdx.x / 32 % WARPS_N * (COLUMNS / WARPS_N); }
};

// The sums of one thread.
template <class Shape, class Pass>
struct Sums {
    static constexpr int TM = Shape::TM, TN = Shape::TN, COUNT = TM * TN * 4;
    static constexpr bool NEIGHBOURS = !Pass::A::ALONG_K && sizeof(Number) == 4;  // rows 2 g, 2 g + 1, not g, g + 8
    static constexpr int A_PLACES = Pass::A::ALONG_K ? TM : 1;
    float sums[TM][TN][4] = {};
    int a_first[A_PLACES], b_first;

    __device__ explicit Sums(const Pass& pass) {
UNROLL_ALL
        for (int i = 0; i < A_PLACES; ++i) {
            a_first[i] = first_place<typename Pass::A, true>(Shape::first_row() + i * 16, pass);
            keep(a_first[i]);
        }
        b_first = first_place<typename Pass::B, false>(Shape::first_column(), pass);
        keep(b_first);
    }
    __device__ void multiply(SharedAddress a_tile, SharedAddress b_tile) {
UNROLL_ALL
        for (int step = 0; step < DEPTH / Format::K; ++step) {
            unsigned a[TM][4], b[TN / 2][4];
UNROLL_ALL
            for (int i = 0; i < TM; ++i)
                read_16<typename Pass::A, true>(a[i], a_tile, a_first[i % A_PLACES], i, step);
UNROLL_ALL
            for (int j = 0; j < TN / 2; ++j) read_16<typename Pass::B, false>(b[j], b_tile, b_first, j, step);
UNROLL_ALL
            for (int i = 0; i < TM; ++i)
UNROLL_ALL
                for (int j = 0; j < TN; ++j) {
                    const unsigned of_j[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
                    Format::multiply(sums[i][j], a[i], of_j);
                }
        }
    }
    // The two taps of a stage, or the only one.
    __device__ void multiply_taps(const Pass& pass, SharedAddress a_tile, SharedAddress b_tile, bool pair) {
        const SharedAddress end = b_tile + (pair ? 2 : 1) * Pass::B::BYTES;
        a_tile += pass.first_tap();
#pragma unroll 1
        for (; b_tile != end; b_tile += Pass::B::BYTES, a_tile += pass.second_tap()) multiply(a_tile, b_tile);
    }
    // Call body(row, column, two neighbours) for all sums; rows and columns count within the block's tile.
    template <class Body>
    __device__ void for_pairs(Body body) {
        const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
UNROLL_ALL
        for (int i = 0; i < TM; ++i)
UNROLL_ALL
            for (int half = 0; half < 2; ++half)
UNROLL_ALL
                for (int j = 0; j < TN; ++j)
                    body(Shape::first_row() + i * 16 + (NEIGHBOURS ? g * 2 + half : half * 8 + g),
                         Shape::first_column() + j * 8 + t * 2, sums[i][j][half * 2], sums[i][j][half * 2 + 1]);
    }
};
