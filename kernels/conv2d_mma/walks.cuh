// Where the numbers of the tiles lie. Each pass walks along its sums: `fetch` starts the copies of both tiles, and
// moves on to the next ones.
//
//   pass         a (M x K)              b (K x N)        M         N   K           out
//   Forward      patches of x           weight           N*OH*OW   F   KH*KW*C     y
//   InputGrad    patches of dy          weight, turned   N*PH*PW   C   taps*F      dx, the pixels of one phase
//   WeightGrad   patches of x, turned   dy               KH*KW*C   F   N*OH*OW     dweight
//
// (conv2d/passes.cuh explains the passes and the phases.) Forward and InputGrad take DEPTH channels of every tap, then
// the next DEPTH channels of every tap, so that pixels which neighbouring patches share are copied again while they are
// in the L1 cache. Then the address of a chunk is the sum of two numbers: where the row begins, which a thread knows
// from the start, and how far the tap and the channels lie from there, which is the same for all rows.
//
// Whether a tap of a row lies inside the image is known from the start, too: bit p of a row's mask says so for row p of
// the kernel, and bit 16 + q for its column q.
// Example: a 4x4 kernel, a patch that begins one pixel above and one to the left of the image: 0x000e000e.

struct Conv {
    int N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left;
};

// Ones in bits `from` to `to` - 1, of 16.
__device__ unsigned bits(int from, int to) {
    from = max(0, min(from, 16)), to = max(0, min(to, 16));
    return from < to ? (1u << to) - (1u << from) : 0;
}
constexpr unsigned NO_TAP = 0x80008000u;  // no row has this tap: kernels have 15 x 15 taps at most

// The walk through taps and channels that Forward and InputGrad share.
struct Walk {
    int height, width;  // taps
    int y, x, channel;

    __device__ void start(int tile) {
        const int taps = max(1, height * width);
        y = tile % taps / max(1, width), x = tile % taps % max(1, width), channel = tile / taps * DEPTH;
    }
    __device__ void next() {
        if (++x < width) return;
        x = 0;
        if (++y < height) return;
        y = 0, channel += DEPTH;
    }
    __device__ unsigned tap() const { return 1u << y | 0x10000u << x; }
};

// Rows of patches: where each row of this thread begins, and which taps are inside.
template <class Tile>
struct Rows {
    int place, channel;  // of the thread's chunk: in the tile, and among the channels
    int begin[Tile::EACH];
    unsigned inside[Tile::EACH];

    __device__ void set() {
        place = place_of_thread<Tile>(), channel = chunk_of_thread<Tile>() * VEC;
        keep(place), keep(channel);
    }
    __device__ void fetch(SharedAddress tile, const Number* from, unsigned tap) const {
UNROLL_ALL
        for (int i = 0; i < Tile::EACH; ++i)
            copy_chunk<Tile>(tile, place, i, from + begin[i], (inside[i] & tap) == tap);
    }
};

// Lines of a matrix, `pitch` numbers apart.
template <class Tile>
struct Lines {
    int place, line;   // of the thread's first chunk: in the tile, and among the lines
    int begin, pitch;  // where it lies in the matrix; from one of the thread's lines to the next

    __device__ void set(int first_column, int columns, int line_pitch) {
        const int column = first_column + chunk_of_thread<Tile>() * VEC;
        place = place_of_thread<Tile>(), line = column < columns ? line_of_thread<Tile>(0) : 1 << 30;
        begin = line_of_thread<Tile>(0) * line_pitch + column, pitch = Tile::STEP * line_pitch;
        keep(place), keep(line), keep(begin), keep(pitch);
    }
    // Copy the lines before `count`.
    __device__ void fetch(SharedAddress tile, const Number* from, int count) const {
UNROLL_ALL
        for (int i = 0; i < Tile::EACH; ++i)
            copy_chunk<Tile>(tile, place, i, from + begin + i * pitch, line < count - i * Tile::STEP);
    }
};

template <class Shape>
struct Forward {
    using A = AlongK<Shape::ROWS, Shape::THREADS>;
    using B = AlongRows<Shape::COLUMNS, Shape::THREADS>;
    Conv g;
    const Number *x, *weight;
    Walk walk;
    Rows<A> rows;
    Lines<B> lines;

    __device__ Forward(const Conv& conv, const Number* x, const Number* weight) : g(conv), x(x), weight(weight) {
        walk.height = g.KH, walk.width = g.KW;
    }
    __device__ int M() const { return g.N * g.OH * g.OW; }
    __device__ int N() const { return g.F; }
    __device__ int tiles() const { return g.KH * g.KW * ((g.C + DEPTH - 1) / DEPTH); }
    __device__ void after_loop() {}
    __device__ long long out(int m) const { return (long long) m * g.F; }

    __device__ void start(int m0, int n0, int tile) {
        walk.start(tile);
        rows.set();
UNROLL_ALL
        for (int i = 0; i < A::EACH; ++i) {
            const int m = m0 + line_of_thread<A>(i);
            const int j = m % g.OW * g.SW - g.left, h = m / g.OW % g.OH * g.SH - g.top, n = m / g.OW / g.OH;
            rows.begin[i] = ((n * g.H + h) * g.W + j) * g.C + chunk_of_thread<A>() * VEC;
            rows.inside[i] = m < M() ? bits(-h, min(g.KH, g.H - h)) | bits(-j, min(g.KW, g.W - j)) << 16 : 0;
        }
        lines.set(n0, g.F, g.F);
    }
    __device__ void fetch(SharedAddress a, SharedAddress b) {
        const bool none = walk.channel + rows.channel >= g.C;
        rows.fetch(a, x + ((walk.y * g.W + walk.x) * g.C + walk.channel), none ? NO_TAP : walk.tap());
        lines.fetch(b, weight + ((walk.y * g.KW + walk.x) * g.C + walk.channel) * g.F, g.C - walk.channel);
        walk.next();
    }
};

template <class Shape>
struct InputGrad {
    using A = AlongK<Shape::ROWS, Shape::THREADS>;
    using B = AlongK<Shape::COLUMNS, Shape::THREADS>;
    Conv g;
    const Number *dy, *weight;
    int phase, h0, w0;   // the phase, and its first pixel
    int PH, PW;          // pixels of the phase
    int by_row, by_column;  // from a tap of the phase to the next in the weight: numbers
    Walk walk;
    Rows<A> rows;
    Rows<B> columns;

    __device__ InputGrad(const Conv& conv, const Number* dy, const Number* weight, int phase)
        : g(conv), dy(dy), weight(weight), phase(phase) {
        set_phase();
        const int p0 = (h0 + g.top) % g.SH, q0 = (w0 + g.left) % g.SW, tap = g.C * g.F;  // its first tap
        walk.height = max(0, (g.KH - p0 + g.SH - 1) / g.SH), walk.width = max(0, (g.KW - q0 + g.SW - 1) / g.SW);
        this->weight += (p0 * g.KW + q0) * tap;
        by_row = g.SH * g.KW * tap, by_column = g.SW * tap;
        keep(by_row), keep(by_column);
    }
    __device__ void set_phase() {
        h0 = phase / min(g.SW, g.W), w0 = phase % min(g.SW, g.W);
        PH = (g.H - h0 + g.SH - 1) / g.SH, PW = (g.W - w0 + g.SW - 1) / g.SW;
    }
    // Work out again what the result needs, so that it takes no registers during the loop.
    __device__ void after_loop() { keep(phase), set_phase(); }
    __device__ int M() const { return g.N * PH * PW; }
    __device__ int N() const { return g.C; }
    __device__ int tiles() const { return walk.height * walk.width * ((g.F + DEPTH - 1) / DEPTH); }
    __device__ long long out(int m) const {
        const int j = m % PW, i = m / PW % PH, n = m / PW / PH;
        return ((long long) (n * g.H + h0 + i * g.SH) * g.W + w0 + j * g.SW) * g.C;
    }

    __device__ void start(int m0, int n0, int tile) {
        walk.start(tile);
        rows.set(), columns.set();
UNROLL_ALL
        for (int i = 0; i < A::EACH; ++i) {  // tap (t, u) of the phase comes from t rows and u columns before
            const int m = m0 + line_of_thread<A>(i), n = m / PW / PH;
            const int j = m % PW + (w0 + g.left) / g.SW, h = m / PW % PH + (h0 + g.top) / g.SH;
            rows.begin[i] = ((n * g.OH + h) * g.OW + j) * g.F + chunk_of_thread<A>() * VEC;
            rows.inside[i] = m < M() ? bits(h - g.OH + 1, min(walk.height, h + 1)) |
                                           bits(j - g.OW + 1, min(walk.width, j + 1)) << 16 : 0;
        }
UNROLL_ALL
        for (int i = 0; i < B::EACH; ++i) {
            const int c = n0 + line_of_thread<B>(i);
            columns.begin[i] = c * g.F + chunk_of_thread<B>() * VEC;
            columns.inside[i] = c < g.C ? ~NO_TAP : 0;
        }
    }
    __device__ void fetch(SharedAddress a, SharedAddress b) {
        const unsigned tap = walk.channel + rows.channel >= g.F ? NO_TAP : walk.tap();
        rows.fetch(a, dy + (walk.channel - (walk.y * g.OW + walk.x) * g.F), tap);
        columns.fetch(b, weight + (walk.y * by_row + walk.x * by_column + walk.channel), tap);
        walk.next();
    }
};

// The sum runs over output pixels here, DEPTH of them in a tile, and a row of the result is a tap and a channel. A
// thread copies two chunks of each of its lines (tiles.cuh). Each chunk has the same tap and channels in every line, so
// all that changes from tile to tile is the pixel, and the two share it.
//
// Steps. The next tile's pixel lies DEPTH pixels further on, counted along the lines of y. On its line of x that is so
// many columns to the right, or, if the line of y ends before, one line further down and back to the left.
// Example: lines of 12 pixels, DEPTH = 32, stride 1. 32 pixels are 2 lines and 8 columns: step[0]. From column 4 on
// the line ends before, and they are 3 lines and -4 columns: step[1]. So column 3 is followed by 11, 4 by 0, 11 by 7.
// The images lie below each other. Example: y has 10 lines. If the step leads to line 12 of them, it is line 2 of the
// next image: 10 lines back, and `next_image` numbers on in x. Whole images within the 32 pixels are part of `numbers`.
struct Step {
    int columns, lines;  // pixels of x
    int numbers;         // of x
    __device__ void keep_all() { keep(columns), keep(lines), keep(numbers); }
};

template <class Shape>
struct WeightGrad {
    static constexpr int OUTSIDE = -(1 << 30);  // lines up from any line of the image: still outside after many steps
    using A = AlongRows<Shape::ROWS, Shape::THREADS, 2>;
    using B = AlongRows<Shape::COLUMNS, Shape::THREADS>;
    Conv g;
    const Number *x, *x_second, *dy;  // x_second: x for the second chunk of a line
    int pixels;                       // that the sum still has to take: from this tile's first line on
    int pixels_a;                     // the same from this thread's first line of a on
    int place;                        // of this thread's first chunk in the tile of a
    int begin[A::EACH];               // where the first chunk of each line lies in x
    int h[A::EACH], w[A::EACH];       // its pixel of x, perhaps outside
    int second_h, second_w;           // from there to the pixel of the second chunk
    Step step[2];                     // to the next tile; [1]: where a line of y ends before
    int last_w;                       // from this column on, it ends before
    int end_h, back_h;                // from this line on, the pixel is in the next image: back_h lines back,
    int next_image;                   // and so many numbers on
    Lines<B> lines;

    __device__ WeightGrad(const Conv& conv, const Number* x, const Number* dy) : g(conv), x(x), dy(dy) {}
    __device__ int M() const { return g.KH * g.KW * g.C; }
    __device__ int N() const { return g.F; }
    __device__ int tiles() const { return (g.N * g.OH * g.OW + DEPTH - 1) / DEPTH; }
    __device__ void after_loop() {}
    __device__ long long out(int m) const { return (long long) m * g.F; }

    __device__ void start(int m0, int n0, int tile) {
        const int m = m0 + chunk_of_thread<A>() * VEC, c = m % g.C, q = m / g.C % g.KW, p = m / g.C / g.KW;
UNROLL_ALL
        for (int i = 0; i < A::EACH; ++i) {
            const int k = tile * DEPTH + line_of_thread<A>(i), n = k / g.OW / g.OH;
            h[i] = k / g.OW % g.OH * g.SH - g.top + p, w[i] = k % g.OW * g.SW - g.left + q;
            begin[i] = ((n * g.H + h[i]) * g.W + w[i]) * g.C + c;
        }
        pixels = g.N * g.OH * g.OW - tile * DEPTH;
        pixels_a = m < M() ? pixels - line_of_thread<A>(0) : 0;
        place = place_of_thread<A>();
        keep(place);
        set_second(m + A::CHUNKS * VEC, p, q, c);
        set_steps(p, q);
        lines.set(n0, g.F, g.F);
        dy += (long long) tile * DEPTH * g.F;
    }
    // Say where the second chunk, which begins with row m, lies from the first, which has tap (p, q) and channel c.
    __device__ void set_second(int m, int p, int q, int c) {
        const int down = m / g.C / g.KW - p;
        second_h = m < M() ? down : OUTSIDE, second_w = m / g.C % g.KW - q;
        x_second = x + ((down * g.W + second_w) * g.C + m % g.C - c);
        keep(second_h), keep(second_w);
    }
    // Set what leads from tile to tile, for a chunk with tap (p, q).
    __device__ void set_steps(int p, int q) {
        const int lines_on = DEPTH / g.OW, line = g.OW * g.SW;  // columns of x that belong to a line of y
        step[0].columns = DEPTH % g.OW * g.SW, step[0].lines = lines_on % g.OH * g.SH;
        step[0].numbers = ((lines_on / g.OH * g.H + step[0].lines) * g.W + step[0].columns) * g.C;
        step[1].columns = step[0].columns - line, step[1].lines = step[0].lines + g.SH;
        step[1].numbers = step[0].numbers + (g.SH * g.W - line) * g.C;
        last_w = line - g.left + q - step[0].columns;
        back_h = g.OH * g.SH, end_h = back_h - g.top + p, next_image = (g.H - back_h) * g.W * g.C;
        step[0].keep_all(), step[1].keep_all();
        keep(last_w), keep(end_h), keep(back_h), keep(next_image);
    }
    __device__ bool holds(int y, int x) const { return unsigned(y) < unsigned(g.H) && unsigned(x) < unsigned(g.W); }

    __device__ void fetch(SharedAddress a, SharedAddress b) {
UNROLL_ALL
        for (int i = 0; i < A::EACH; ++i) {
            const bool taken = i * A::STEP < pixels_a;
            copy_chunk<A>(a, place, i, x + begin[i], holds(h[i], w[i]) && taken);
            const bool second = holds(h[i] + second_h, w[i] + second_w);
            copy_chunk<A, true>(a, place, i, x_second + begin[i], second && taken);
            const bool line_ends = w[i] >= last_w;
            begin[i] += line_ends ? step[1].numbers : step[0].numbers;
            w[i] += line_ends ? step[1].columns : step[0].columns;
            h[i] += line_ends ? step[1].lines : step[0].lines;
            const bool image_ends = h[i] >= end_h;
            add_if(image_ends, h[i], -back_h), add_if(image_ends, begin[i], next_image);
        }
        lines.fetch(b, dy, pixels);
        pixels -= DEPTH, pixels_a -= DEPTH, dy += DEPTH * g.F;
    }
};
