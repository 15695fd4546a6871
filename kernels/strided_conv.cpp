// Convolution for the CPU without a matrix of patches: the patches are read where they lie in the image.
//
// Take a line of an image that has zeros around it (its padding). The patches of one output line are rows of KW * C
// numbers in it, SW * C numbers apart. They overlap, but they are the rows of a matrix all the same, so register_tile.h
// multiplies them as it would any matrix, line after line of the patch. Example: KW = 4, SW = 2, C = 3: rows of 12
// numbers that begin at 0, 6, 12, ... The matrix that im2col writes and reads again, KH * KW / (SH * SW) times as large
// as the image, is never made, and one padded image stays in the cache.
//
// Thread -> element: a task is one image (in the weight gradient, a group of images).
// Arrays: x, dx (N, H, W, C); y, dy (N, OH, OW, F); weight, dweight (KH, KW, C, F), read as KH * KW * C rows of F
// numbers.
#include "register_tile.h"

// The sizes of a convolution, in the order in which Python passes them.
struct Conv {
    int N, H, W, C, OH, OW, F, KH, KW, SH, SW, top, left;
    int run() const { return KW * C; }                               // numbers of a patch in one line of the image
    int64 line() const { return ((OW - 1) * SW + KW) * (int64) C; }  // numbers in a padded line
    int lines() const { return (OH - 1) * SH + KH; }                 // lines in a padded image
    int64 padded() const { return lines() * line(); }                // numbers in a padded image
};

// Call body(line, first, count, at) for every line of the padded image. The line begins at number `line` of the padded
// image. Its numbers first to first + count - 1 are inside the image, where they begin at number `at`; count is 0 for
// lines of padding.
template <class Body>
static void for_lines(const Conv& g, Body body) {
    const int64 first = std::min<int64>(g.left * g.C, g.line()), count = std::min<int64>(g.line() - first, g.W * g.C);
    for (int y = 0; y < g.lines(); ++y) {
        const int h = y - g.top;
        body(y * g.line(), first, h >= 0 && h < g.H ? count : 0, (int64) h * g.W * g.C);
    }
}

// Copy an image (H, W, C) into a padded one (lines, line), zeros around it.
static void pad(real* padded, const real* image, const Conv& g) {
    std::fill(padded, padded + g.padded(), real(0));
    for_lines(g, [&](int64 line, int64 first, int64 count, int64 at) {
        if (count) memcpy(padded + line + first, image + at, count * sizeof(real));
    });
}

// Set every pixel of an image to bias (channels), or to zero where it is null.
static void fill(real* image, const real* bias, int64 pixels, int channels) {
    std::fill(image, image + pixels * channels, real(0));
    for (int64 at = 0; bias && at < pixels; ++at) memcpy(image + at * channels, bias, channels * sizeof(real));
}

// Copy b (depth, n) to panels (depth, COLS), one after another, so that a tile finds its columns side by side.
static Memory pack(const Matrix& b, int depth, int n) {
    Memory panels = memory((int64) depth * ((n + COLS - 1) / COLS * COLS));
    for (int first = 0; first < n; first += COLS)
        pack_columns(panels.get() + (int64) first * depth, b.from(0, first), depth, std::min(COLS, n - first));
    return panels;
}

// y = x convolved with weight, + bias (F) unless it is null
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
                    multiply_column<true>(target, g.OW, patches, sum);
                }
        }
    }
}

// Add to a padded dx what line i of one image's dy contributes. dy's line (OW, F) times the weights gives OW patches,
// columns (OW, KH * KW * C), which are then added to the places that they were read from.
static void send_back(real* padded, real* columns, const real* dy, const real* panels, const Conv& g, int i) {
    const int run = g.run(), width = g.KH * run;
    for (int first = 0; first < width; first += COLS) {
        const Target target = {columns + first, width, std::min(COLS, width - first), false};
        const Sum sum = {panels + (int64) first * g.F, width_of(target.cols), g.F};
        multiply_column<true>(target, g.OW, {dy, g.F, ROWS * g.F}, sum);
    }
    const int apart = (g.KW + g.SW - 1) / g.SW;  // such patches do not overlap: no addition waits for another
    for (int p = 0; p < g.KH; ++p)
        for (int first = 0; first < apart; ++first)
            for (int j = first; j < g.OW; j += apart)
                add(padded + (i * g.SH + p) * g.line() + j * g.SW * g.C, columns + (int64) j * width + p * run, run);
}

// dx = the sum of what each pixel contributed to, + bias (C) unless it is null (a transposed convolution has one)
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

// Add one image's part of the weight gradient to sums (KH, KW * C, F), or set sums to it where the image is the first
// of its group. padded: the padded image; right: room for one panel (OH * OW, COLS) of dy.
static void add_image(real* sums, const real* padded, const real* dy, real* right, const Conv& g, bool first_image) {
    for (int first = 0; first < g.F; first += COLS) {
        const int cols = std::min(COLS, g.F - first);
        Sum sum = {dy + first, g.F, g.OW, g.OH, g.SH * g.line()};
        if (cols != width_of(cols)) {  // whole vectors of dy's rows would reach beyond its end: take a padded copy
            pack_columns(right, {sum.right, g.F, 1}, g.OH * g.OW, cols);
            sum.right = right, sum.pitch = width_of(cols);
        }
        for (int p = 0; p < g.KH; ++p) {
            const Target target = {sums + (int64) p * g.run() * g.F + first, g.F, cols, !first_image};
            multiply_column<false>(target, g.run(), {padded + p * g.line(), g.SW * g.C, ROWS}, sum);
        }
    }
}

// dweight = the sum over all images. They are added in `groups` groups of neighbouring images, then the groups: the
// same groups, and so the same bits, on every machine.
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
