// Pictures as cells, in which the convolutions of conv2d_mma/of_cells.cuh read them, and back.
//
// A picture (height, width, channels) with zeros around it is cut into rows x columns cells of stride_h x stride_w
// pixels; the first cell begins `top` rows above and `left` columns to the left of the picture. A pixel is padded with
// zeros to `padded` channels, so that a cell is a multiple of 16 bytes:
//
//     cells[n, i, j, a, b, c] = x[n, i stride_h + a - top, j stride_w + b - left, c], 0 outside
//
// Example: 64 x 64 pixels, 3 channels, k4 s2 p1, in 16 bits: 33 x 33 cells of 2 x 2 x 4 numbers. The 48 numbers that
// an output of the convolution sees are 2 x 2 cells, and each number lies in memory once. Patches hold it four times.
#include "device/factor.cuh"
#include "device/simd_math.cuh"

constexpr int CHUNK = 16 / sizeof(Number);          // numbers that a thread writes at once
constexpr int OF_COLOURS = sizeof(Number) == 2 ? 4 : 3;  // padded channels of a pixel of 3, with stride 2

struct Cells {
    int height, width, channels, rows, columns, padded, stride_h, stride_w, top, left;

    __device__ int depth() const { return stride_h * stride_w * padded; }
    // Where the first channel of a pixel of image n lies in the cells, and among the pictures.
    __device__ int place(int n, int h, int w) const {
        const unsigned down = h + top, across = w + left, i = down / stride_h, j = across / stride_w;
        const int a = down - i * stride_h, b = across - j * stride_w;
        return ((n * rows + i) * columns + j) * depth() + (a * stride_w + b) * padded;
    }
    __device__ int pixel(int n, int h, int w) const { return ((n * height + h) * width + w) * channels; }
};
#define CELLS {height, width, channels, rows, columns, padded, stride_h, stride_w, top, left}

// Write chunk number i of the cells. A pixel of the source is source.read(n, h, w), its channel c read(...)(c); what is
// written is source.then(that number), and 0 for padding. All numbers are read before the first is written. source.keep
// gets what is written before it is rounded. With constants for the stride and the padded channels there is neither a
// division nor a count of channels.
template <int STRIDE, int PADDED, class Source>
__device__ void write_chunk(Number* cells, unsigned i, const Cells& g, const Source& source) {
    struct alignas(16) Chunk { Number numbers[CHUNK]; } chunk;
    float numbers[CHUNK];
    bool real[CHUNK];  // else it is padding
    const int stride_h = STRIDE ? STRIDE : g.stride_h, stride_w = STRIDE ? STRIDE : g.stride_w;
    const int padded = PADDED ? PADDED : g.padded, chunks = stride_h * stride_w * padded / CHUNK;
    const unsigned cell = i / chunks, line = cell / g.columns, n = line / g.rows;
    const int h0 = int(line - n * g.rows) * stride_h - g.top, w0 = int(cell - line * g.columns) * stride_w - g.left;
    const int first = (i - cell * chunks) * CHUNK;
    int pixel = first / padded, c = first - pixel * padded, a = pixel / stride_w, b = pixel - a * stride_w;
    bool inside = false;
    auto pixel_of = source.read(n, 0, 0);
#pragma unroll
    for (int e = 0; e < CHUNK; ++e) {
        if (e == 0 || c == 0) {
            const int h = h0 + a, w = w0 + b;
            inside = unsigned(h) < unsigned(g.height) && unsigned(w) < unsigned(g.width);
            if (inside) pixel_of = source.read(n, h, w);
        }
        real[e] = inside && c < g.channels;
        numbers[e] = real[e] ? pixel_of(c) : 0;
        if (++c < padded) continue;
        c = 0;
        if (++b == stride_w) b = 0, ++a;
    }
#pragma unroll
    for (int e = 0; e < CHUNK; ++e) {
        numbers[e] = real[e] ? source.then(numbers[e]) : 0;
        chunk.numbers[e] = rounded(numbers[e]);
    }
    source.keep(i, numbers, real);
    *reinterpret_cast<Chunk*>(cells + (long long) i * CHUNK) = chunk;
}
template <class Source>
__device__ void write_chunk(Number* cells, unsigned i, const Cells& g, const Source& source) {
    if (g.stride_h == 2 && g.stride_w == 2 && g.padded == OF_COLOURS)
        write_chunk<2, OF_COLOURS>(cells, i, g, source);
    else write_chunk<0, 0>(cells, i, g, source);
}

// Bytes, mirrored left-right where flip[n] is true, become factor * byte + low: images.cu.
struct Bytes {
    const unsigned char* images;
    const bool* flip;  // or null
    Cells g;
    float factor, low;

    struct Pixel {
        const unsigned char* first;
        __device__ float operator()(int c) const { return first[c]; }
    };
    __device__ Pixel read(int n, int h, int w) const {
        return {images + g.pixel(n, h, flip && flip[n] ? g.width - 1 - w : w)};
    }
    __device__ float then(float byte) const { return byte * factor + low; }
    __device__ void keep(unsigned, const float (&)[CHUNK], const bool (&)[CHUNK]) const {}
};

// Numbers (N, height, width, channels) as they are.
struct Pictures {
    const float* x;
    Cells g;

    struct Pixel {
        const float* first;
        __device__ float operator()(int c) const { return first[c]; }
    };
    __device__ Pixel read(int n, int h, int w) const { return {x + g.pixel(n, h, w)}; }
    __device__ float then(float x) const { return x; }
    __device__ void keep(unsigned, const float (&)[CHUNK], const bool (&)[CHUNK]) const {}
};

// y = tanh(x) of other cells x, which is also kept as cells of floats, with ones for padding: there 1 - y^2 is 0, by
// which a gradient is multiplied (Gradient in conv2d_mma/of_cells.cuh).
struct Tanh {
    float* y;
    const float* x;
    Cells from;

    __device__ Pictures::Pixel read(int n, int h, int w) const { return {x + from.place(n, h, w)}; }
    __device__ float then(float x) const { return simd_tanh(x); }
    __device__ void keep(unsigned i, const float (&numbers)[CHUNK], const bool (&real)[CHUNK]) const {
        float4* const to = reinterpret_cast<float4*>(y) + i * (CHUNK / 4);
        float kept[CHUNK];
#pragma unroll
        for (int e = 0; e < CHUNK; ++e) kept[e] = real[e] ? numbers[e] : 1;
#pragma unroll
        for (int e = 0; e < CHUNK; e += 4) to[e / 4] = float4{kept[e], kept[e + 1], kept[e + 2], kept[e + 3]};
    }
};

// dx = dy (1 - y^2) of the gradient dy and of y, both in other cells.
struct TanhBackward {
    const float *dy, *y;
    Cells from;

    struct Pixel {
        const float *dy, *y;
        __device__ float operator()(int c) const { return dy[c] * (1 - y[c] * y[c]); }
    };
    __device__ Pixel read(int n, int h, int w) const {
        const int place = from.place(n, h, w);
        return {dy + place, y + place};
    }
    __device__ float then(float dx) const { return dx; }
    __device__ void keep(unsigned, const float (&)[CHUNK], const bool (&)[CHUNK]) const {}
};

// The kernels write `count` chunks of cells, elementwise (for_elements in common.cuh).

extern "C" __global__ void images_to_cells(aligned16 Number* cells, const unsigned char* images,
                                           optional const bool* flip, int count, float factor, float low, int height,
                                           int width, int channels, int rows, int columns, int padded, int stride_h,
                                           int stride_w, int top, int left) {
    const Cells g = CELLS;
    const Bytes source{images, flip, g, factor, low};
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { write_chunk(cells, i, g, source); });
}

extern "C" __global__ void pictures_to_cells(aligned16 Number* cells, const float* x, int count, int height, int width,
                                             int channels, int rows, int columns, int padded, int stride_h,
                                             int stride_w, int top, int left) {
    const Cells g = CELLS;
    const Pictures source{x, g};
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { write_chunk(cells, i, g, source); });
}

// The other cells have the same pictures, and a layout of their own: from_rows and so on.
#define FROM {height, width, channels, from_rows, from_columns, from_padded, from_stride_h, from_stride_w, from_top, \
              from_left}

extern "C" __global__ void tanh_to_cells(aligned16 Number* cells, aligned16 float* y, const float* x, int count,
                                         int height, int width, int channels, int rows, int columns, int padded,
                                         int stride_h, int stride_w, int top, int left, int from_rows, int from_columns,
                                         int from_padded, int from_stride_h, int from_stride_w, int from_top,
                                         int from_left) {
    const Cells g = CELLS, from = FROM;
    const Tanh source{y, x, from};
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { write_chunk(cells, i, g, source); });
}

// tanh_to_cells, and images_to_cells in front of it: the first `real` chunks are those of the images.
extern "C" __global__ void batch_to_cells(aligned16 Number* cells, aligned16 float* y, const float* x,
                                          const unsigned char* images, optional const bool* flip, int count, int real,
                                          float factor, float low, int height, int width, int channels, int rows,
                                          int columns, int padded, int stride_h, int stride_w, int top, int left,
                                          int from_rows, int from_columns, int from_padded, int from_stride_h,
                                          int from_stride_w, int from_top, int from_left) {
    const Cells g = CELLS, from = FROM;
    const Bytes bytes{images, flip, g, factor, low};
    const Tanh tanh{y, x, from};
    Number* const made = cells + (long long) real * CHUNK;
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) {
        if (i < real) write_chunk(cells, i, g, bytes);
        else write_chunk(made, i - real, g, tanh);
    });
}

extern "C" __global__ void tanh_backward_to_cells(aligned16 Number* cells, const float* dy, const float* y, int count,
                                                  int height, int width, int channels, int rows, int columns,
                                                  int padded, int stride_h, int stride_w, int top, int left,
                                                  int from_rows, int from_columns, int from_padded, int from_stride_h,
                                                  int from_stride_w, int from_top, int from_left) {
    const Cells g = CELLS, from = FROM;
    const TanhBackward source{dy, y, from};
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, [=](int i) { write_chunk(cells, i, g, source); });
}

// x (N, height, width, channels) of cells of floats, plus bias (channels); elementwise over the numbers of x. It serves
// where no kernel above takes the cells.
extern "C" __global__ void cells_to_pictures(float* x, const float* cells, optional const float* bias, int count,
                                             int height, int width, int channels, int rows, int columns, int padded,
                                             int stride_h, int stride_w, int top, int left) {
    const Cells g = CELLS;
    const auto body = [=](int i) {
        const int pixel = i / channels, c = i - pixel * channels, line = pixel / width, n = line / height;
        const float number = cells[g.place(n, line - n * height, pixel - line * width) + c];
        x[i] = bias ? number + bias[c] : number;
    };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body);
}
