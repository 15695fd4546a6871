// The kernels of conv2d.cuh ask here which numbers they read, where these lie in shared memory, and where results go.
// It is plain arithmetic, which also runs on a CPU. tests/kernels/test_wgmma.py plays the TMA and the products there,
// with these functions.
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

// The TMA writes lines one after another, but exchanges the 16-byte chunks of a line: chunk c of line l lies at
// c xor (l % 8), so that 8 lines' chunks c lie in different banks. wgmma does the same when it reads. It is told the
// address of the first number and two distances: from 8 lines to the next 8, 1024 bytes, and, where a square is turned,
// from square to square; else 1. Bits 0-13, 16-29 and 32-45 of a description: address, the second distance, the first,
// each in units of 16 bytes. Bits 62-63: 1, chunks are exchanged within 128 bytes. (PTX ISA, "Matrix Descriptor
// Format")
template <bool TURNED>
__device__ unsigned long long description(unsigned address) {
    const unsigned long long next_lines = 1024 >> 4, next_square = TURNED ? SQUARE >> 4 : 1;
    return 1ull << 62 | next_lines << 32 | next_square << 16 | (address & 0x3ffff) >> 4;
}
// Bytes from the first k's of a square to the product's: 16 numbers of each line, or 16 lines.
template <bool TURNED>
__device__ constexpr unsigned to_product(int product) { return product * DEPTH * (TURNED ? 2 * SIDE : 2); }

// Sum i of a thread of a group: its row in the square of a, and its column in the tile. (PTX ISA, wgmma: "accumulator
// D") With g = thread / 4 % 8 and w = thread / 32 % 4, sums 4 j and 4 j + 1 lie in row 16 w + g, sums 4 j + 2 and 4 j +
// 3 in row 16 w + g + 8; their columns are 8 j + 2 (thread % 4) and the next one.
__device__ int row_of_sum(int thread, int i) { return thread / 32 % 4 * 16 + thread / 4 % 8 + i / 2 % 2 * 8; }
__device__ int column_of_sum(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

struct Conv { int N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left; };

__device__ int pieces(int size, int piece) { return (size + piece - 1) / piece; }

// A square of a: the arguments of copy_pixels (device/hopper.cuh). A square of b: those of copy_box. Part of them
// follows from the row or column where the square begins, which a piece of work keeps, and part from the step: the sums
// of both are the arguments. So a step costs two divisions, whatever the number of squares.
struct Pixels {
    int c, w, h, n, across, down;
    __device__ Pixels operator+(const Pixels& p) const {
        return {c + p.c, w + p.w, h + p.h, n + p.n, across + p.across, down + p.down};
    }
};
struct Corner {
    int x, y, z;
    __device__ Corner operator+(const Corner& c) const { return {x + c.x, y + c.y, z + c.z}; }
};

struct Forward {
    static constexpr bool A_TURNED = false, B_TURNED = true;
    Conv g;

    __device__ int phases() const { return 1; }
    __device__ void enter(int) {}
    __device__ int M() const { return g.N * g.OH * g.OW; }
    __device__ int N() const { return g.F; }
    __device__ int steps() const { return g.KH * g.KW * pieces(g.C, SIDE); }
    __device__ Pixels of_row(int row) const {
        return {0, row % g.OW * g.SW - g.left, row / g.OW % g.OH * g.SH - g.top, row / g.OW / g.OH, 0, 0};
    }
    __device__ Corner of_column(int column) const { return {column, 0, 0}; }
    __device__ void of_step(int step, Pixels& a, Corner& b) const {  // all taps, then the next channels
        const int taps = g.KH * g.KW, tap = step % taps, c = step / taps * SIDE;
        a = {c, 0, 0, 0, tap % g.KW, tap / g.KW}, b = {0, c, tap};
    }
    __device__ long long out(int row) const { return row < M() ? (long long) row * g.F : -1; }
};

// Pixels with the same row and column modulo the stride are a phase, a product of its own (docs/convolution.md 2). All
// phases are as large as the largest one; what lies outside the image is not written.
//
// Tap (t, u) of a phase reads dy t rows above the pixel's own row. The TMA knows offsets downwards only. So its
// bounding box begins `above` rows before, as many as the largest phase has taps but one, and tap t is above - t rows
// below that. Example: 4 taps, stride 2, padding 1: phases have 2 taps, and the box begins 1 row above the image. Image
// row 5 is in phase 1 and has the box's row 2. Its own row of dy is (5 + 1) / 2 = 3: tap 0 reads row 3, tap 1 reads row
// 2.
struct InputGrad {
    static constexpr bool A_TURNED = false, B_TURNED = false;
    Conv g;
    int h0, w0;         // the phase's first pixel
    int p0, q0;         // its first tap
    int height, width;  // its taps
    int down, across;   // from a pixel of the box to what tap (0, 0) reads

    __device__ int phases() const { return smaller(g.SH, g.H) * smaller(g.SW, g.W); }
    __device__ void enter(int phase) {
        h0 = phase / smaller(g.SW, g.W), w0 = phase % smaller(g.SW, g.W);
        p0 = (h0 + g.top) % g.SH, q0 = (w0 + g.left) % g.SW;
        height = p0 < g.KH ? pieces(g.KH - p0, g.SH) : 0, width = q0 < g.KW ? pieces(g.KW - q0, g.SW) : 0;
        down = (h0 + g.top) / g.SH + above(), across = (w0 + g.left) / g.SW + before();
    }
    __device__ static int smaller(int a, int b) { return a < b ? a : b; }
    __device__ int above() const { return pieces(g.KH, g.SH) - 1; }
    __device__ int before() const { return pieces(g.KW, g.SW) - 1; }
    __device__ int PH() const { return pieces(g.H, g.SH); }
    __device__ int PW() const { return pieces(g.W, g.SW); }
    __device__ int M() const { return g.N * PH() * PW(); }
    __device__ int N() const { return g.C; }
    __device__ int steps() const { return height * width * pieces(g.F, SIDE); }
    __device__ Pixels of_row(int row) const {
        return {0, row % PW() - before(), row / PW() % PH() - above(), row / PW() / PH(), 0, 0};
    }
    __device__ Corner of_column(int column) const { return {0, column, 0}; }
    __device__ void of_step(int step, Pixels& a, Corner& b) const {
        const int taps = height * width, tap = step % taps, t = tap / width, u = tap % width, f = step / taps * SIDE;
        a = {f, 0, 0, 0, across - u, down - t}, b = {f, 0, (p0 + t * g.SH) * g.KW + q0 + u * g.SW};
    }
    __device__ long long out(int row) const {
        const int w = w0 + row % PW() * g.SW, h = h0 + row / PW() % PH() * g.SH;
        return row < M() && h < g.H && w < g.W ? (((long long) row / PW() / PH() * g.H + h) * g.W + w) * g.C : -1;
    }
};

// Rows are taps and channels. Each tap begins with a square of its own, so that a square has one tap.
struct WeightGrad {
    static constexpr bool A_TURNED = true, B_TURNED = true;
    Conv g;

    __device__ int phases() const { return 1; }
    __device__ void enter(int) {}
    __device__ int M() const { return g.KH * g.KW * pieces(g.C, SIDE) * SIDE; }
    __device__ int N() const { return g.F; }
    __device__ int steps() const { return pieces(g.N * g.OH * g.OW, SIDE); }
    __device__ int tap(int row) const { return row / SIDE / pieces(g.C, SIDE); }
    __device__ int channel(int row) const { return row / SIDE % pieces(g.C, SIDE) * SIDE + row % SIDE; }
    __device__ Pixels of_row(int row) const {
        if (row >= M()) return {pieces(g.C, SIDE) * SIDE, 0, 0, 0, 0, 0};  // channels that are not there: zeros
        return {channel(row), 0, 0, 0, tap(row) % g.KW, tap(row) / g.KW};
    }
    __device__ Corner of_column(int column) const { return {column, 0, 0}; }
    __device__ void of_step(int step, Pixels& a, Corner& b) const {
        const int k = step * SIDE, line = k / g.OW, image = line / g.OH;
        a = {0, (k - line * g.OW) * g.SW - g.left, (line - image * g.OH) * g.SH - g.top, image, 0, 0}, b = {0, k, 0};
    }
    __device__ long long out(int row) const {
        return row < M() && channel(row) < g.C ? ((long long) tap(row) * g.C + channel(row)) * g.F : -1;
    }
};

// A piece of work: a tile of the result, in a phase, and a range of its sum. Neighbouring pieces share the rows of a.
struct Work { int row, column, begin, end, tile, split; };

template <class Pass, int COLUMNS>
__device__ int works(const Pass& pass, int splits) {
    return pieces(pass.M(), ROWS) * pass.phases() * pieces(pass.N(), COLUMNS) * splits;
}
// Return a piece of work; the pass enters its phase.
template <class Pass, int COLUMNS>
__device__ Work work(Pass& pass, int number, int splits) {
    const int columns = pieces(pass.N(), COLUMNS), rows = pieces(pass.M(), ROWS) * pass.phases();
    const int row = number / columns % rows, split = number / columns / rows;
    pass.enter(row % pass.phases());
    const int steps = pass.steps(), share = pieces(steps, splits), begin = split * share, end = begin + share;
    return {row / pass.phases() * ROWS, number % columns * COLUMNS, begin < steps ? begin : steps,
            end < steps ? end : steps, number % (columns * rows), split};
}
