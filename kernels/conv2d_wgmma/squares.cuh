// What the kernels of conv2d.cuh read, where it lies in shared memory, and where results go: plain arithmetic, which
// also runs on a CPU. tests/kernels/test_wgmma.py plays the TMA and the products there, with these functions.
//
// Every factor is cut into squares: 64 lines of 64 numbers of 16 bits, 128 bytes a line, 8 KB. A block's tile has 4
// squares of a, one below the other, and COLUMNS / 64 of b, side by side. What a line is depends on the pass:
//
//   pass           result (M x N)              k's              square of a: lines, numbers    of b: lines, numbers
//   forward        y: pixels x F               taps and C       pixels, channels               channels, filters
//   input grad     dx: pixels of a phase x C   taps and F       pixels, filters                channels, filters
//   weight grad    dweight: taps and C x F     output pixels    pixels, channels               pixels, filters
//
// Where a line is one k, the square is turned: neighbours in memory belong to neighbouring rows of a (columns of b).

constexpr int SIDE = 64, SQUARE = SIDE * SIDE * 2;  // numbers; bytes
constexpr int ROWS = 4 * SIDE;                      // of a tile
constexpr int DEPTH = 16;                           // k's of a product

// The TMA writes lines one after another, but exchanges the 16-byte chunks of a line: chunk c of line l lies at c ^ l % 8,
// so that 8 lines' chunks c lie in different banks. wgmma does the same when it reads; what it needs is the address of the
// first number, and two distances: 1024 bytes from 8 lines to the next 8, and from square to square where lines are k's
// and a product needs more than one of them. Bits 0-13, 16-29, 32-45 of a description: these three in units of 16 bytes.
// Bits 62-63: 1, chunks are exchanged within 128 bytes. (PTX ISA, "Matrix Descriptor Format")
__device__ unsigned long long description(unsigned address) {
    const unsigned long long next_square = SQUARE >> 4, next_lines = 1024 >> 4;
    return 1ull << 62 | next_lines << 32 | next_square << 16 | (address & 0x3ffff) >> 4;
}
// Bytes from the first k's of a square to the product's: 16 numbers of each line, or 16 lines.
template <bool TURNED>
__device__ constexpr unsigned to_product(int product) { return product * DEPTH * (TURNED ? 2 * SIDE : 2); }

// Sum i of a thread of a group: its row in the square of a, and its column in the tile. (PTX ISA, wgmma: "accumulator D")
// With g = thread / 4 % 8 and w = thread / 32 % 4, sums 4 j and 4 j + 1 lie in row 16 w + g, sums 4 j + 2 and 4 j + 3 in row
// 16 w + g + 8; their columns are 8 j + 2 (thread % 4) and the next one.
__device__ int row_of_sum(int thread, int i) { return thread / 32 % 4 * 16 + thread / 4 % 8 + i / 2 % 2 * 8; }
__device__ int column_of_sum(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

struct Conv { int N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left; };

__device__ int pieces(int size, int piece) { return (size + piece - 1) / piece; }

struct Pixels { int c, w, h, n, across, down; };  // a square of a: the arguments of copy_pixels (device/hopper.cuh)
struct Corner { int x, y, z; };                   // a square of b: those of copy_box

struct Forward {
    static constexpr bool A_TURNED = false, B_TURNED = true;
    Conv g;

    __device__ int phases() const { return 1; }
    __device__ int M() const { return g.N * g.OH * g.OW; }
    __device__ int N() const { return g.F; }
    __device__ int steps(int) const { return g.KH * g.KW * pieces(g.C, SIDE); }
    __device__ Pixels a(int, int row, int step) const {
        const int taps = g.KH * g.KW, tap = step % taps;
        return {step / taps * SIDE, row % g.OW * g.SW - g.left, row / g.OW % g.OH * g.SH - g.top, row / g.OW / g.OH,
                tap % g.KW, tap / g.KW};
    }
    __device__ Corner b(int, int column, int step) const {
        const int taps = g.KH * g.KW;
        return {column, step / taps * SIDE, step % taps};
    }
    __device__ long long out(int, int row) const { return row < M() ? (long long) row * g.F : -1; }
};

// Pixels with the same row and column modulo the stride are a phase, a product of its own (docs/convolution.md 2). All
// phases are as large as the largest one; what lies outside the image is not written.
//
// Tap (t, u) of a phase reads dy t rows above the pixel's own. The TMA knows offsets downwards only: so the map begins
// DOWN - 1 rows above, where DOWN is the number of taps, and tap t is DOWN - 1 - t rows below that.
struct InputGrad {
    static constexpr bool A_TURNED = false, B_TURNED = false;
    Conv g;

    __device__ int phases() const { return down() * across(); }
    __device__ int down() const { return g.SH < g.H ? g.SH : g.H; }
    __device__ int across() const { return g.SW < g.W ? g.SW : g.W; }
    __device__ int PH() const { return pieces(g.H, g.SH); }
    __device__ int PW() const { return pieces(g.W, g.SW); }
    __device__ int M() const { return g.N * PH() * PW(); }
    __device__ int N() const { return g.C; }
    // The taps of a phase on an axis: first, first + stride, ... below `size`.
    __device__ static int taps(int size, int first, int stride) { return first < size ? pieces(size - first, stride) : 0; }
    __device__ int h0(int phase) const { return phase / across(); }
    __device__ int w0(int phase) const { return phase % across(); }
    __device__ int height(int phase) const { return taps(g.KH, (h0(phase) + g.top) % g.SH, g.SH); }
    __device__ int width(int phase) const { return taps(g.KW, (w0(phase) + g.left) % g.SW, g.SW); }
    __device__ int steps(int phase) const { return height(phase) * width(phase) * pieces(g.F, SIDE); }

    __device__ Pixels a(int phase, int row, int step) const {
        const int tap = step % (height(phase) * width(phase)), t = tap / width(phase), u = tap % width(phase);
        const int above = pieces(g.KH, g.SH) - 1, before = pieces(g.KW, g.SW) - 1;
        return {step / (height(phase) * width(phase)) * SIDE, row % PW() - before, row / PW() % PH() - above,
                row / PW() / PH(), (w0(phase) + g.left) / g.SW + before - u, (h0(phase) + g.top) / g.SH + above - t};
    }
    __device__ Corner b(int phase, int column, int step) const {
        const int tap = step % (height(phase) * width(phase)), t = tap / width(phase), u = tap % width(phase);
        const int p = (h0(phase) + g.top) % g.SH + t * g.SH, q = (w0(phase) + g.left) % g.SW + u * g.SW;
        return {step / (height(phase) * width(phase)) * SIDE, column, p * g.KW + q};
    }
    __device__ long long out(int phase, int row) const {
        const int w = w0(phase) + row % PW() * g.SW, h = h0(phase) + row / PW() % PH() * g.SH;
        return row < M() && h < g.H && w < g.W ? (((long long) row / PW() / PH() * g.H + h) * g.W + w) * g.C : -1;
    }
};

// Rows are taps and channels. Each tap begins with a square of its own, so that a square has one tap.
struct WeightGrad {
    static constexpr bool A_TURNED = true, B_TURNED = true;
    Conv g;

    __device__ int phases() const { return 1; }
    __device__ int M() const { return g.KH * g.KW * pieces(g.C, SIDE) * SIDE; }
    __device__ int N() const { return g.F; }
    __device__ int steps(int) const { return pieces(g.N * g.OH * g.OW, SIDE); }
    __device__ int tap(int row) const { return row / SIDE / pieces(g.C, SIDE); }
    __device__ int channel(int row) const { return row / SIDE % pieces(g.C, SIDE) * SIDE + row % SIDE; }
    __device__ Pixels a(int, int row, int step) const {
        const int k = step * SIDE, w = k % g.OW * g.SW - g.left, h = k / g.OW % g.OH * g.SH - g.top;
        if (row >= M()) return {pieces(g.C, SIDE) * SIDE, w, h, k / g.OW / g.OH, 0, 0};  // no such channel: zeros
        return {channel(row), w, h, k / g.OW / g.OH, tap(row) % g.KW, tap(row) / g.KW};
    }
    __device__ Corner b(int, int column, int step) const { return {column, step * SIDE, 0}; }
    __device__ long long out(int, int row) const {
        return row < M() && channel(row) < g.C ? ((long long) tap(row) * g.C + channel(row)) * g.F : -1;
    }
};

// A piece of work: a tile of the result, and a range of its sum. Neighbouring pieces share the rows of a.
struct Work { int phase, row, column, begin, end, tile, split; };

template <class Pass, int COLUMNS>
__device__ int works(const Pass& pass, int splits) {
    return pieces(pass.M(), ROWS) * pass.phases() * pieces(pass.N(), COLUMNS) * splits;
}
template <class Pass, int COLUMNS>
__device__ Work work(const Pass& pass, int number, int splits) {
    const int columns = pieces(pass.N(), COLUMNS), rows = pieces(pass.M(), ROWS) * pass.phases();
    const int row = number / columns % rows, phase = row % pass.phases(), split = number / columns / rows;
    const int steps = pass.steps(phase), share = pieces(steps, splits), begin = split * share, end = begin + share;
    return {phase, row / pass.phases() * ROWS, number % columns * COLUMNS, begin < steps ? begin : steps,
            end < steps ? end : steps, number % (columns * rows), split};
}
