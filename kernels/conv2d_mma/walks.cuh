// Where the numbers of the tiles lie. Each pass walks along its sums: `fetch` starts the copies of a stage, and moves
// on to the next one. WeightGrad, whose sums run over pixels, has a page of its own (pixel_walk.cuh).
//
//   pass         a (M x K)              b (K x N)        M         N   K           out
//   Forward      patches of x           weight           N*OH*OW   F   KH*KW*C     y
//   InputGrad    patches of dy          weight, turned   N*PH*PW   C   taps*F      dx, the pixels of one phase
//   WeightGrad   patches of x, turned   dy               KH*KW*C   F   N*OH*OW     dweight
//
// (conv2d/passes.cuh explains the passes and the phases.) Forward and InputGrad take DEPTH channels of every tap, then
// the next DEPTH channels of every tap, so that pixels which neighbouring patches share are copied again while they are
// in the L1 cache. Then the address of a chunk is the sum of two numbers: where its pixel lies for tap (0, 0), which a
// thread knows from the start, and how far the tap and the channels lie from there, which is the same for all pixels.
//
// A stage holds two taps that read the same pixels, shifted by one column of the result (strips.cuh): one tile of a,
// and a tile of b for each of the two. Example: a forward pass with stride 2 and a kernel of 4 x 4. Its rows of taps are
// walked by pairs; of 5 taps one is left over, and has a stage for itself.
//
//   stage          0     1     2     3    ...                    5 taps, stride 2:    0 2    4    1 3
//   row of taps    0     0     1     1                           3 taps, stride 1:    0 1    2
//   taps          0 2   1 3   0 2   1 3
//   tile of a      x     x     x     x                           one tile of pixels serves both taps
//   tiles of b    w w   w w   w w   w w
//
// Kernels with one tap in a row, and results with very short lines, have one tap in every stage.
//
// Whether a tap of a pixel lies inside the image is known from the start, too: bit p of a mask says so for row p of the
// kernel, and bit 16 + q for its column q.
// Example: a 4x4 kernel, a patch that begins one pixel above and one to the left of the image: 0x000e000e.

struct Conv {
    int N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left;
};

// Ones in bits `from` to `to` - 1, of 16.
__device__ unsigned bits(int from, int to) {
    from = max(0, min(from, 16)), to = max(0, min(to, 16));
    return from < to ? (1u << to) - (1u << from) : 0;
}
constexpr unsigned NO_TAP = 0x80008000u;  // no mask has this tap: kernels have 15 x 15 taps at most

// The walk through taps and channels that Forward and InputGrad share, a stage at a time.
struct Walk {
    int height, width;  // taps
    int spacing, taps;  // from a tap to the next one that reads the same pixels; taps of a stage, at most: 1 or 2
    int y, x, channel;  // the stage's first tap
    int first;          // of the taps first, first + spacing, ..., which x runs through

    __device__ void set(int height_, int width_, int spacing_, int taps_) {
        height = max(0, height_), width = max(0, width_), spacing = spacing_, taps = taps_;
    }
    // Stages of a row of taps. Example: 5 taps, spacing 2: 0 2, 4, 1 3 are three stages of at most two taps.
    __device__ int of_row() const {
        const int few = width / spacing, longer = width % spacing;  // `longer` of the runs have a tap more
        return longer * ((few + taps) / taps) + (spacing - longer) * ((few + taps - 1) / taps);
    }
    __device__ int of_taps() const { return height * of_row(); }
    __device__ void start(int stage) {
        const int each = max(1, of_taps()), row = max(1, of_row());
        y = stage % each / row, x = first = 0, channel = stage / each * DEPTH;
        for (int i = stage % each % row; i > 0; --i) next();
    }
    __device__ bool pairs() const { return taps == 2 && x + spacing < width; }
    __device__ void next() {
        if ((x += taps * spacing) < width) return;
        x = ++first;
        if (first < min(spacing, width)) return;
        x = first = 0;
        if (++y < height) return;
        y = 0, channel += DEPTH;
    }
    __device__ unsigned tap() const { return 1u << y | 0x10000u << x; }
    __device__ unsigned second_tap() const { return 1u << y | 0x10000u << (x + spacing); }
};

// Pixels of patches, or rows of the weight: where each of this thread's lines begins, and which taps are inside.
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
            copy_chunk<Tile>(tile, place, i, element(from, begin[i]), (inside[i] & tap) == tap);
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
            copy_chunk<Tile>(tile, place, i, element(from, begin + i * pitch), line < count - i * Tile::STEP);
    }
};

template <class Shape>
struct Forward {
    using A = Planes<Shape::ROWS, Shape::THREADS>;
    using B = AlongRows<Shape::COLUMNS, Shape::THREADS>;
    static constexpr int TAPS = 2, STAGES = 3;
    Conv g;
    const Number *x, *weight;
    Walk walk;
    Strips<Shape> strips;
    Rows<A> rows;
    Lines<B> lines;

    __device__ Forward(const Conv& conv, const Number* x, const Number* weight) : g(conv), x(x), weight(weight) {
        walk.set(g.KH, g.KW, g.SW, strips.set(g.OW, g.KW > g.SW));
    }
    __device__ int M() const { return g.N * g.OH * g.OW; }
    __device__ int N() const { return g.F; }
    __device__ int stages() const { return walk.of_taps() * ((g.C + DEPTH - 1) / DEPTH); }
    __device__ void after_loop() {}
    __device__ long long out(int m) const { return (long long) m * g.F; }

    __device__ void start(int m0, int n0, int stage) {
        walk.start(stage), strips.start(m0), rows.set();
UNROLL_ALL
        for (int i = 0; i < A::EACH; ++i) {
            const auto [strip, column] = strips.pixel(line_of_thread<A>(i));
            const int j = column * g.SW - g.left, h = strip % g.OH * g.SH - g.top, n = strip / g.OH;
            const bool any = unsigned(strip) < unsigned(g.N * g.OH);
            rows.begin[i] = ((n * g.H + h) * g.W + j) * g.C + chunk_of_thread<A>() * VEC;
            rows.inside[i] = any ? bits(-h, min(g.KH, g.H - h)) | bits(-j, min(g.KW, g.W - j)) << 16 : 0;
        }
        lines.set(n0, g.F, g.F);
    }
    // Where the first tap's rows begin in the tile, and the second one's from there.
    __device__ int first_tap() const { return 0; }
    __device__ int second_tap() const { return strips.to_neighbour; }

    __device__ bool fetch(SharedAddress a, SharedAddress b) {
        const bool none = walk.channel + rows.channel >= g.C, pairs = walk.pairs();
        rows.fetch(a, x + ((walk.y * g.W + walk.x) * g.C + walk.channel), none ? NO_TAP : walk.tap());
        const Number* const taps = weight + ((walk.y * g.KW + walk.x) * g.C + walk.channel) * g.F;
        lines.fetch(b, taps, g.C - walk.channel);
        if (pairs) lines.fetch(b + B::BYTES, taps + walk.spacing * g.C * g.F, g.C - walk.channel);
        walk.next();
        return pairs;
    }
};

template <class Shape>
struct InputGrad {
    using A = Planes<Shape::ROWS, Shape::THREADS>;
    using B = AlongK<Shape::COLUMNS, Shape::THREADS>;
    static constexpr int TAPS = 2, STAGES = 3;
    Conv g;
    const Number *dy, *weight;
    int phase, h0, w0;   // the phase, and its first pixel
    int PH, PW;          // pixels of the phase
    int begin_weight;       // where the first tap of the phase begins in the weight: numbers
    int by_row, by_column;  // from a tap of the phase to the next one
    Walk walk;
    Strips<Shape> strips;
    Rows<A> rows;
    Rows<B> columns;

    __device__ InputGrad(const Conv& conv, const Number* dy, const Number* weight, int phase)
        : g(conv), dy(dy), weight(weight), phase(phase) {
        set_phase();
        const int p0 = (h0 + g.top) % g.SH, q0 = (w0 + g.left) % g.SW, tap = g.C * g.F;  // its first tap
        const int width = (g.KW - q0 + g.SW - 1) / g.SW;
        walk.set((g.KH - p0 + g.SH - 1) / g.SH, width, 1, strips.set(PW, width > 1));
        begin_weight = (p0 * g.KW + q0) * tap;
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
    __device__ int stages() const { return walk.of_taps() * ((g.F + DEPTH - 1) / DEPTH); }
    __device__ long long out(int m) const {
        const int j = m % PW, i = m / PW % PH, n = m / PW / PH;
        return ((long long) (n * g.H + h0 + i * g.SH) * g.W + w0 + j * g.SW) * g.C;
    }

    // Tap (t, u) of the phase comes from t rows and u columns before. So of a pair of taps, u and u + 1, the second one
    // reads the pixel to the left: a strip begins one column before the line, and the first tap is one further on.
    __device__ void start(int m0, int n0, int stage) {
        walk.start(stage), strips.start(m0), rows.set(), columns.set();
UNROLL_ALL
        for (int i = 0; i < A::EACH; ++i) {
            const auto [strip, column] = strips.pixel(line_of_thread<A>(i));
            const int j = column + PW - strips.pitch + (w0 + g.left) / g.SW, h = strip % PH + (h0 + g.top) / g.SH;
            const bool any = unsigned(strip) < unsigned(g.N * PH);
            rows.begin[i] = ((strip / PH * g.OH + h) * g.OW + j) * g.F + chunk_of_thread<A>() * VEC;
            rows.inside[i] = any ? bits(h - g.OH + 1, min(walk.height, h + 1)) |
                                       bits(j - g.OW + 1, min(walk.width, j + 1)) << 16 : 0;
        }
UNROLL_ALL
        for (int i = 0; i < B::EACH; ++i) {
            const int c = n0 + line_of_thread<B>(i);
            columns.begin[i] = begin_weight + c * g.F + chunk_of_thread<B>() * VEC;
            columns.inside[i] = c < g.C ? ~NO_TAP : 0;
        }
    }
    __device__ int first_tap() const { return strips.to_neighbour; }
    __device__ int second_tap() const { return -strips.to_neighbour; }

    __device__ bool fetch(SharedAddress a, SharedAddress b) {
        const bool none = walk.channel + rows.channel >= g.F, pairs = walk.pairs();
        const unsigned tap = none ? NO_TAP : walk.tap();
        rows.fetch(a, dy + (walk.channel - (walk.y * g.OW + walk.x) * g.F), tap);
        const Number* const taps = weight + (walk.y * by_row + walk.x * by_column + walk.channel);
        columns.fetch(b, taps, tap);
        if (pairs) columns.fetch(b + B::BYTES, taps + by_column, none ? NO_TAP : walk.second_tap());
        walk.next();
        return pairs;
    }
};
