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
    static constexpr int TAPS = 1, STAGES = 4;
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
    __device__ int stages() const { return (g.N * g.OH * g.OW + DEPTH - 1) / DEPTH; }
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

    __device__ bool fetch(SharedAddress a, SharedAddress b) {
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
        return false;
    }
};
