// Convolution for the CPU without a matrix of patches: the patches are read where they lie.
//
// Along a line of an image with its zeros around it, patches are rows of KW * C numbers, SW * C apart: they overlap,
// and are a matrix all the same. So the tiles of register_tile.h multiply them as they would any matrix, KH lines one
// after another. What im2col writes and reads again, KH * KW / (SH * SW) times the image, is never made; a single image
// with its zeros stays in the cache.
//
// A task is an image; weights (KH, KW, C, F) are (KH, KW * C) lines of F numbers.
#include "register_tile.h"

// The sizes of kernels/conv_sizes.py, in its order.
struct Conv {
    int N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left;
    int run() const { return KW * C; }                               // numbers of a patch in one line
    int64 line() const { return ((OW - 1) * SW + KW) * (int64) C; }  // numbers in a line that patches reach
    int lines() const { return (OH - 1) * SH + KH; }
    int64 padded() const { return lines() * line(); }
};

// Call body(numbers of a line inside the image, where they begin in it, in the padded line, how many) for every line.
template <class Body>
static void for_lines(const Conv& g, Body body) {
    const int64 first = std::min<int64>(g.left * g.C, g.line()), count = std::min<int64>(g.line() - first, g.W * g.C);
    for (int y = 0; y < g.lines(); ++y) {
        const int h = y - g.top;
        body(y * g.line(), first, h >= 0 && h < g.H ? count : 0, (int64) h * g.W * g.C);
    }
}

static void pad(real* padded, const real* image, const Conv& g) {
    std::fill(padded, padded + g.padded(), real(0));
    for_lines(g, [&](int64 line, int64 first, int64 count, int64 at) {
        if (count) memcpy(padded + line + first, image + at, count * sizeof(real));
    });
}

// Every pixel becomes the bias, or zero.
static void fill(real* image, const real* bias, int64 pixels, int channels) {
    std::fill(image, image + pixels * channels, real(0));
    for (int64 at = 0; bias && at < pixels; ++at) memcpy(image + at * channels, bias, channels * sizeof(real));
}

// b (depth x n) as panels of COLS columns, one after another.
static Memory pack(const Matrix& b, int depth, int n) {
    Memory panels = memory((int64) depth * ((n + COLS - 1) / COLS * COLS));
    for (int first = 0; first < n; first += COLS)
        pack_columns(panels.get() + (int64) first * depth, b.from(0, first), depth, std::min(COLS, n - first));
    return panels;
}

EXPORT void conv2d(real* y, const real* x, const real* weight, const real* bias, const Conv* sizes, int threads) {
    const Conv g = *sizes;
    const int depth = g.KH * g.run();
    const Memory panels = pack({weight, g.F, 1}, depth, g.F);
#pragma omp parallel num_threads(threads)
    {
        const Memory padded = memory(g.padded());
#pragma omp for schedule(dynamic)
        for (int n = 0; n < g.N; ++n) {
            pad(padded.get(), x + (int64) n * g.H * g.W * g.C, g);
            real* const out = y + (int64) n * g.OH * g.OW * g.F;
            if (bias) fill(out, bias, (int64) g.OH * g.OW, g.F);
            for (int first = 0; first < g.F; first += COLS)
                for (int i = 0; i < g.OH; ++i) {
                    const int cols = std::min(COLS, g.F - first);
                    const Target target = {out + (int64) i * g.OW * g.F + first, g.F, cols, bias != nullptr};
                    const Left patches = {&padded[i * g.SH * g.line()], g.SW * g.C, ROWS * g.SW * g.C};
                    const Sum sum = {&panels[(int64) first * depth], width_of(cols), g.run(), g.KH, g.line()};
                    column<true>(target, g.OW, patches, sum);
                }
        }
    }
}

// Line i of dy times the weights is what its patches receive: they add it up where they overlap.
static void send_back(real* padded, real* columns, const real* dy, const real* panels, const Conv& g, int i) {
    const int run = g.run(), width = g.KH * run;
    for (int first = 0; first < width; first += COLS) {
        const Target target = {columns + first, width, std::min(COLS, width - first), false};
        column<true>(target, g.OW, {dy, g.F, ROWS * g.F}, {panels + (int64) first * g.F, width_of(target.cols), g.F});
    }
    const int apart = (g.KW + g.SW - 1) / g.SW;  // patches so far apart do not overlap: none waits for another's store
    for (int p = 0; p < g.KH; ++p)
        for (int first = 0; first < apart; ++first)
            for (int j = first; j < g.OW; j += apart)
                add(padded + (i * g.SH + p) * g.line() + j * g.SW * g.C, columns + (int64) j * width + p * run, run);
}

EXPORT void conv2d_input_grad(real* dx, const real* dy, const real* weight, const real* bias, const Conv* sizes,
                              int threads) {
    const Conv g = *sizes;
    const int width = g.KH * g.run();
    const Memory panels = pack({weight, 1, g.F}, g.F, width);
#pragma omp parallel num_threads(threads)
    {
        const Memory padded = memory(g.padded()), columns = memory((int64) g.OW * width);
#pragma omp for schedule(dynamic)
        for (int n = 0; n < g.N; ++n) {
            std::fill(padded.get(), padded.get() + g.padded(), real(0));
            for (int i = 0; i < g.OH; ++i)
                send_back(padded.get(), columns.get(), dy + ((int64) n * g.OH + i) * g.OW * g.F, panels.get(), g, i);
            real* const image = dx + (int64) n * g.H * g.W * g.C;
            fill(image, bias, (int64) g.H * g.W, g.C);
            for_lines(g, [&](int64 line, int64 first, int64 count, int64 at) {
                add(image + at, &padded[line + first], count);
            });
        }
    }
}

// What an image adds to sums (KH, KW * C, F), or sets where it is the first. right: room for its dy as a panel.
static void add_image(real* sums, const real* padded, const real* dy, real* right, const Conv& g, bool first_image) {
    for (int first = 0; first < g.F; first += COLS) {
        const int cols = std::min(COLS, g.F - first);
        Sum sum = {dy + first, g.F, g.OW, g.OH, g.SH * g.line()};
        if (cols != width_of(cols)) {  // a tile would read beyond the last row
            pack_columns(right, {sum.right, g.F, 1}, g.OH * g.OW, cols);
            sum.right = right, sum.pitch = width_of(cols);
        }
        for (int p = 0; p < g.KH; ++p) {
            const Target target = {sums + (int64) p * g.run() * g.F + first, g.F, cols, !first_image};
            column<false>(target, g.run(), {padded + p * g.line(), g.SW * g.C, ROWS}, sum);
        }
    }
}

// dweight is the sum of `groups` sums, each over some neighbouring images: the same ones on every machine.
EXPORT void conv2d_weight_grad(real* dweight, const real* x, const real* dy, const Conv* sizes, int groups,
                               int threads) {
    const Conv g = *sizes;
    const int64 size = (int64) g.KH * g.run() * g.F, pixels = (int64) g.OH * g.OW;
    const Memory sums = memory(groups * size);
#pragma omp parallel num_threads(threads)
    {
        const Memory padded = memory(g.padded()), right = memory(pixels * COLS);
#pragma omp for schedule(dynamic)
        for (int group = 0; group < groups; ++group) {
            const int begin = (int64) g.N * group / groups, end = (int64) g.N * (group + 1) / groups;
            for (int n = begin; n < end; ++n) {
                pad(padded.get(), x + (int64) n * g.H * g.W * g.C, g);
                add_image(&sums[group * size], padded.get(), dy + n * pixels * g.F, right.get(), g, n == begin);
            }
        }
#pragma omp for schedule(static)
        for (int64 k = 0; k < size; ++k) {
            dweight[k] = sums[k];
            for (int group = 1; group < groups; ++group) dweight[k] += sums[group * size + k];
        }
    }
}
