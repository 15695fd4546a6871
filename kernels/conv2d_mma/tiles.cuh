// Tiles of the two factors in shared memory: ROWS rows of a (or columns of b) times DEPTH k's, 64 bytes along k.
//
// A tile keeps the order of the array that it comes from, so that a copy moves a chunk of 16 bytes at once:
//   AlongK      numbers along k are neighbours:         line = column, 4 chunks of k's
//   Planes      the same, for a of two taps:            line = pixel, 4 chunks of k's
//   AlongRows   numbers along the rows are neighbours:  line = k,   ROWS / VEC chunks of rows
//
// Shared memory has 32 banks of 4 bytes, so 8 chunks of different banks can be read or written at once. Readers ask for
// the same chunk of 8 lines (AlongK, and AlongRows in 16 bits), or for 2 chunks of each of 4 lines (AlongRows in 32
// bits). Writers ask for 8 neighbouring chunks of a line, or for 4 of each of lines 2 j and 2 j + 1. An xor of the
// chunk's number with a number that depends on the line puts these chunks into different banks:
//
//   AlongK: 2 lines fill the banks                             AlongRows: a line fills them once or more
//     line 0 | c0 c1 c2 c3   line 1 | c0 c1 c2 c3                32 bits   chunk c of line k lies at c xor 2 (k & 3)
//     line 2 | c1 c0 c3 c2   line 3 | c1 c0 c3 c2                16 bits   at c xor s, and s repeats every 8 lines:
//     line 4 | c2 c3 c0 c1   line 5 | c2 c3 c0 c1                  line k | 0 1 2 3 4 5 6 7
//     line 6 | c3 c2 c1 c0   line 7 | c3 c2 c1 c0                  s      | 0 4 1 5 2 6 3 7
//
// Why s is not k & 7: 8 threads write chunks 0 to 3 of lines 0 and 1 of AlongRows<64, 128, 2> in 16 bits. With s = 0
// and 4 the chunks lie at 0 1 2 3 and 4 5 6 7, in all banks. With s = 0 and 1 they would lie at 0 1 2 3 and 1 0 3 2:
// half of the banks would be wanted twice, the other half not at all.
//
// Planes: a row of a begins at any line, where the xor would differ from row to row, and so would the way from the
// first tap's line to the second one's. So each of the 4 chunks has a plane of its own, in which line follows line:
//     plane 0 | line 0, line 1, ...    plane 1 | line 0, line 1, ...    plane 2 | ...         each 16 bytes
// Any 8 lines that follow each other lie in different banks, and the next line lies 16 bytes further on. Threads write
// the 4 chunks of 2 lines at once: planes begin 2 lines apart, modulo 8, so that these lie in different banks, too.
//
// The xor repeats every 8 lines. So a place 8 lines further on is a constant number of bytes further on, and a place 1,
// 2 or 4 chunks to the right is place xor that many chunks. Threads work out one place, before the loop.
//
// Neighbouring threads copy neighbouring chunks. Thread t copies chunk t % CHUNKS of line t / CHUNKS, and of EACH - 1
// more lines, STEP apart. With PER_LINE = 2 it copies a second chunk of each of these lines, CHUNKS to the right of the
// first. Example: AlongRows<256, 128, 2> in 32 bits has lines of 64 chunks, so CHUNKS = 32 and STEP = 4; thread 37
// copies the chunks 5 and 37 of the lines 1, 5, 9 and 13.

constexpr int CHUNK = 16;                    // bytes
constexpr int VEC = CHUNK / sizeof(Number);  // numbers of a chunk
constexpr int DEPTH = 64 / sizeof(Number);   // k's of a tile: 16 of tf32, 32 of 16 bits

template <int ROWS, int THREADS>
struct AlongK {
    static constexpr bool ALONG_K = true;
    static constexpr int BYTES = ROWS * 64, CHUNKS = 64 / CHUNK, LINE = 64;
    static constexpr int EACH = ROWS * CHUNKS / THREADS, STEP = THREADS / CHUNKS;
    __device__ static int place(int row, int chunk) { return row * LINE + (chunk ^ (row >> 1 & 3)) * CHUNK; }
};

template <int ROWS, int THREADS>
struct Planes {
    static constexpr bool ALONG_K = true;
    static constexpr int CHUNKS = 64 / CHUNK, LINE = CHUNK, STEP = THREADS / CHUNKS, EACH = ROWS / STEP + 1;
    static_assert(EACH * STEP % 8 == 0, "planes would begin at the same banks");
    static constexpr int PLANE = (EACH * STEP + 2) * CHUNK, BYTES = CHUNKS * PLANE;
    __device__ static int place(int line, int chunk) { return chunk * PLANE + line * CHUNK; }
};

template <int ROWS, int THREADS, int PER_LINE = 1>
struct AlongRows {
    static constexpr bool ALONG_K = false;
    static constexpr int BYTES = ROWS * 64, CHUNKS = ROWS / VEC / PER_LINE, LINE = ROWS / VEC * CHUNK;
    static constexpr int EACH = DEPTH * CHUNKS / THREADS, STEP = THREADS / CHUNKS;
    __device__ static int place(int k, int chunk) {
        return k * LINE + (chunk ^ (VEC == 8 ? 4 * (k & 1) + (k >> 1 & 3) : 2 * (k & 3))) * CHUNK;
    }
};

// The chunk and the lines of the calling thread, and the place of the first.
template <class Tile> __device__ int chunk_of_thread() { return threadIdx.x % Tile::CHUNKS; }
template <class Tile> __device__ int line_of_thread(int i) { return threadIdx.x / Tile::CHUNKS + i * Tile::STEP; }
template <class Tile> __device__ int place_of_thread() {
    return Tile::place(line_of_thread<Tile>(0), chunk_of_thread<Tile>());
}

// Start to copy into a tile a chunk of the calling thread's i-th line: the first chunk, or with `second` that CHUNKS to
// the right of it. Zeros are written where it is not inside. `place`: of the thread's first chunk in its first line.
template <class Tile, bool second = false>
__device__ void copy_chunk(SharedAddress tile, int place, int i, const Number* from, bool inside) {
    constexpr int LINES = Tile::ALONG_K || VEC == 8 ? 8 : 4;  // after so many lines the xor begins again
    static_assert(Tile::STEP % LINES == 0, "a thread's lines would have different xors");
    // The xor moves a chunk among 8. So a way of 8 or more chunks to the right is added, one of 4 is one more xor.
    constexpr int WAY = second ? Tile::CHUNKS * CHUNK : 0, FAR = WAY % (8 * CHUNK) ? 0 : WAY, NEAR = WAY - FAR;
    copy_async<CHUNK>(tile + (place ^ NEAR) + FAR + i * Tile::STEP * Tile::LINE, from, inside);
}
