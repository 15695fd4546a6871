// Convolutions of pictures, which have few channels, on tensor cores: the three passes over pictures in cells.
//
// A cell is SH x SW neighbouring pixels, SH and SW being the stride, as one deep pixel (gpunet/backend/cells.py). So a
// convolution of pictures with stride S is one of cells with stride 1, whose taps are cells, too: ceil(KH / SH) x
// ceil(KW / SW) of them. Example: 4x4 taps with stride 2 over 3 channels are 2x2 cells of 2x2 pixels; in 16 bits a
// pixel is padded to 4 channels, a cell has 16 numbers, 2 chunks, and of the 64 numbers that an output sees 48 count.
//
// The weight (KH, KW, C, F) and its gradient stay as they are. `Pixels` says which of its rows, of F numbers each, a
// number of a cell meets. Numbers that pad a pixel, and pixels that pad a cell beyond the kernel (5 taps with stride 2
// are 3 cells, the last one half empty), meet none: the products take zeros there, and the gradient leaves them out.
#include "shapes.cuh"

// The pixels of a cell, and the taps of the weight that they meet.
struct Pixels {
    int channels, padded;  // of a picture, and of a pixel in a cell
    int KH, KW, SH, SW;    // of the convolution of pictures

    // The row of the weight, of F numbers, that number r of cell (0, 0) meets. Cell (y, x) meets the row `cell` numbers
    // further on. Example: S = 2, KW = 4, 3 channels padded to 4. r = 9 is channel 1 of pixel (1, 0): tap (1, 0), row
    // (1 * 4 + 0) * 3 + 1 = 13.
    __device__ int row(int r) const {
        const int pixel = r / padded, a = pixel / SW, b = pixel % SW;
        return (a * KW + b) * channels + r % padded;
    }
    __device__ int cell(int y, int x) const { return (y * SH * KW + x * SW) * channels; }
    // The cells in which number r meets a tap, as a mask of rows and columns (walks.cuh).
    __device__ unsigned cells(int r) const {
        const int pixel = r / padded, a = pixel / SW, b = pixel % SW;
        if (r % padded >= channels || a >= SH) return 0;
        return bits(0, (KH - a + SH - 1) / SH) | bits(0, (KW - b + SW - 1) / SW) << 16;
    }
};

template <class Shape>
struct ForwardOfCells : Forward<Shape> {
    using A = typename Forward<Shape>::A;
    using B = typename Forward<Shape>::B;
    Pixels pixels;
    int by_row, by_column;    // from a cell of the kernel to the next in the weight: numbers
    Rows<B> lines_of_weight;  // a line of the tile is a number of the cell

    __device__ ForwardOfCells(const Conv& conv, const Number* x, const Number* weight, const Pixels& pixels)
        : Forward<Shape>(conv, x, weight), pixels(pixels) {
        by_row = pixels.cell(1, 0) * conv.F, by_column = pixels.cell(0, 1) * conv.F;
        keep(by_row), keep(by_column);
    }
    __device__ void start(int m0, int n0, int tile) {
        Forward<Shape>::start(m0, n0, tile);
        lines_of_weight.set();
        const int column = n0 + chunk_of_thread<B>() * VEC;
UNROLL_ALL
        for (int i = 0; i < B::EACH; ++i) {
            const int r = line_of_thread<B>(i);
            lines_of_weight.begin[i] = pixels.row(r) * this->g.F + column;
            lines_of_weight.inside[i] = column < this->g.F ? pixels.cells(r) : 0;
        }
    }
    __device__ bool fetch(SharedAddress a, SharedAddress b) {  // a cell fits into a tile: there is one per tap
        const Conv& g = this->g;
        Walk& walk = this->walk;
        const bool pairs = walk.pairs();
        this->rows.fetch(a, this->x + (walk.y * g.W + walk.x) * g.C, this->rows.channel >= g.C ? NO_TAP : walk.tap());
        const Number* const taps = this->weight + (walk.y * by_row + walk.x * by_column);
        lines_of_weight.fetch(b, taps, walk.tap());
        if (pairs) lines_of_weight.fetch(b + B::BYTES, taps + by_column, walk.second_tap());  // cells have stride 1
        walk.next();
        return pairs;
    }
};

template <class Shape>
struct InputGradOfCells : InputGrad<Shape> {
    using B = typename InputGrad<Shape>::B;
    Pixels pixels;

    __device__ InputGradOfCells(const Conv& conv, const Number* dy, const Number* weight, const Pixels& pixels)
        : InputGrad<Shape>(conv, dy, weight, 0), pixels(pixels) {
        this->by_row = pixels.cell(1, 0) * conv.F, this->by_column = pixels.cell(0, 1) * conv.F;
        keep(this->by_row), keep(this->by_column);
    }
    __device__ void start(int m0, int n0, int tile) {
        InputGrad<Shape>::start(m0, n0, tile);
UNROLL_ALL
        for (int i = 0; i < B::EACH; ++i) {
            const int r = n0 + line_of_thread<B>(i);
            this->columns.begin[i] = pixels.row(r) * this->g.F + chunk_of_thread<B>() * VEC;
            this->columns.inside[i] = pixels.cells(r);
        }
    }
};

template <class Shape>
struct WeightGradOfCells : WeightGrad<Shape> {
    Pixels pixels;

    __device__ WeightGradOfCells(const Conv& conv, const Number* x, const Number* dy, const Pixels& pixels)
        : WeightGrad<Shape>(conv, x, dy), pixels(pixels) {}
    __device__ long long out(int m) const {
        const Conv& g = this->g;
        const int r = m % g.C, x = m / g.C % g.KW, y = m / g.C / g.KW;
        const unsigned tap = 1u << y | 0x10000u << x;
        return (pixels.cells(r) & tap) == tap ? (long long) (pixels.row(r) + pixels.cell(y, x)) * g.F : -1;
    }
};

// The sizes N to left are those of the convolution of cells: C numbers of a cell, KH x KW cells, stride 1, no padding.
// Those behind `splits` are those of Pixels. Grid, parts and counters: forward.cuh.
#define PIXELS {channels, padded, kernel_h, kernel_w, stride_h, stride_w}

template <class Shape>
__device__ void forward(const Result& y, const Number* x, const Number* weight, float* parts, int* counters,
                        const Conv& conv, int splits, const Pixels& pixels, const Norm& norm) {
    const ForwardOfCells<Shape> pass(conv, x, weight, pixels);
    // Tall tiles leave no registers for batch norm's sums (of_cells.py asks for none).
    if constexpr (Shape::ROWS > 2 * Shape::COLUMNS) convolve<Shape>(pass, y, parts, counters, splits, blockIdx.x);
    else convolve<Shape>(pass, y, parts, counters, splits, blockIdx.x, SumForNorm<Shape>{norm});
}

// y (N, OH, OW, F) of cells x; bias (F). y is null where `rounded` takes the result, and the other way round.
// NORM_PARAMETERS: norm.cuh.
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_forward_tall(
    optional float* y, optional Number* rounded, aligned16 const Number* x, aligned16 const Number* weight,
    optional const float* bias, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits, int channels, int padded,
    int kernel_h, int kernel_w, int stride_h, int stride_w, NORM_PARAMETERS) {
    forward<Tall>({y, rounded, bias, nullptr, slope}, x, weight, parts, counters, CONV, splits, PIXELS, NORM);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_forward_small(
    optional float* y, optional Number* rounded, aligned16 const Number* x, aligned16 const Number* weight,
    optional const float* bias, float slope, optional float* parts, optional int* counters, int N, int H, int W, int C,
    int OH, int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits, int channels, int padded,
    int kernel_h, int kernel_w, int stride_h, int stride_w, NORM_PARAMETERS) {
    forward<Small>({y, rounded, bias, nullptr, slope}, x, weight, parts, counters, CONV, splits, PIXELS, NORM);
}

// The gradient, or that in front of a tanh whose result y has the same layout: dx (1 - y^2). y is 1 in the frame around
// the picture, for which there is a gradient here, but none in front of the tanh.
struct Gradient {
    float* out;
    Number* rounded;
    const float* y;  // or null

    __device__ void write(long long row, int n, float& left, float& right) const {
        const long long at = row + n;
        if (y) left *= fmaf(-y[at], y[at], 1), right *= fmaf(-y[at + 1], y[at + 1], 1);
        if (out) *reinterpret_cast<float2*>(out + at) = float2{left, right};
        if (rounded) {
            struct alignas(2 * sizeof(Number)) Pair { Number left, right; };
            *reinterpret_cast<Pair*>(rounded + at) = {factor_of<Number>(left), factor_of<Number>(right)};
        }
    }
};

template <class Shape>
__device__ void input_grad(const Gradient& dx, const Number* dy, const Number* weight, float* parts, int* counters,
                           const Conv& conv, int splits, const Pixels& pixels) {
    convolve<Shape>(InputGradOfCells<Shape>(conv, dy, weight, pixels), dx, parts, counters, splits, blockIdx.x);
}

// dx in cells, of dy (N, OH, OW, F); tanh: y of Gradient. dx is null where `rounded` takes it, and the other way round.
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_input_grad_tall(
    optional float* dx, optional Number* rounded, aligned16 const Number* dy, aligned16 const Number* weight,
    optional const float* tanh, optional float* parts, optional int* counters, int N, int H, int W, int C, int OH,
    int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits, int channels, int padded,
    int kernel_h, int kernel_w, int stride_h, int stride_w) {
    input_grad<Tall>({dx, rounded, tanh}, dy, weight, parts, counters, CONV, splits, PIXELS);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_input_grad_small(
    optional float* dx, optional Number* rounded, aligned16 const Number* dy, aligned16 const Number* weight,
    optional const float* tanh, optional float* parts, optional int* counters, int N, int H, int W, int C, int OH,
    int OW, int F, int KH, int KW, int SH, int SW, int top, int left, int splits, int channels, int padded,
    int kernel_h, int kernel_w, int stride_h, int stride_w) {
    input_grad<Small>({dx, rounded, tanh}, dy, weight, parts, counters, CONV, splits, PIXELS);
}

template <class Shape>
__device__ void weight_grad(float* dweight, const Number* x, const Number* dy, float* parts, int* counters,
                            const Conv& conv, int splits, const Pixels& pixels) {
    const Result result = {dweight, nullptr, nullptr, nullptr, 1};
    convolve<Shape>(WeightGradOfCells<Shape>(conv, x, dy, pixels), result, parts, counters, splits, blockIdx.x);
}

// dweight (kernel_h, kernel_w, channels, F) of cells x and dy (N, OH, OW, F)
extern "C" __global__ void __launch_bounds__(128, 2) conv2d_weight_grad_tall(
    float* dweight, aligned16 const Number* x, aligned16 const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits, int channels, int padded, int kernel_h, int kernel_w, int stride_h, int stride_w) {
    weight_grad<Tall>(dweight, x, dy, parts, counters, CONV, splits, PIXELS);
}
extern "C" __global__ void __launch_bounds__(128, 3) conv2d_weight_grad_small(
    float* dweight, aligned16 const Number* x, aligned16 const Number* dy, optional float* parts,
    optional int* counters, int N, int H, int W, int C, int OH, int OW, int F, int KH, int KW, int SH, int SW, int top,
    int left, int splits, int channels, int padded, int kernel_h, int kernel_w, int stride_h, int stride_w) {
    weight_grad<Small>(dweight, x, dy, parts, counters, CONV, splits, PIXELS);
}
