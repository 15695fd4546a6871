// Maps made larger and smaller: nearest upsampling, pooling by 2, and pooling of whole maps, each the backward pass of
// another one (gpunet/backend/resize.py).
//
// A window is the up to 2 x 2 pixels of the large map (H, W) that belong to one pixel of the small map, of half the size
// rounded up. Example: 5 rows have the windows 0-1, 2-3 and 4, the last one of a single row.
//
// Thread -> element: one channel of some pixels (for_rows_of_block in common.cuh), blockIdx.z is the sample. Divisions
// are by numbers that all channels of a pixel share, so the loop over channels stays SIMD on the CPU.

// The pixels in the window of one small pixel: rows [top, bottom), columns [left, right).
struct Window {
    int top, bottom, left, right;

    __device__ Window(int row, int column, int height, int width)
        : top(2 * row), bottom(min(2 * row + 2, height)), left(2 * column), right(min(2 * column + 2, width)) {}
    __device__ real share(bool mean) const { return mean ? real(1) / ((bottom - top) * (right - left)) : real(1); }
};

// The number of the window that a large pixel lies in, for one channel: large[pixel] = small[window], or with `mean` its
// share of the window's mean.
struct Spread {
    const real* small;  // of the sample, at the channel
    int height, width, channels;
    bool mean;

    __device__ real operator[](int pixel) const {
        const int row = pixel / width / 2, column = pixel % width / 2;
        const real share = Window(row, column, height, width).share(mean);
        return share * small[(long long) (row * ((width + 1) / 2) + column) * channels];
    }
};

// The sum of a window of the large map, or its mean, for one channel. Where the window has no second row or column, the
// first one is read again and its bits are dropped: a condition would keep the loop over threads from becoming SIMD.
struct Gathered {
    const real* large;  // of the sample, at the channel
    int height, width, channels;
    bool mean;

    __device__ real at(int row, int column) const { return large[(long long) (row * width + column) * channels]; }
    __device__ real operator[](int pixel) const {
        const int across = (width + 1) / 2;
        const Window window(pixel / across, pixel % across, height, width);
        const int below = window.bottom - window.top - 1, beside = window.right - window.left - 1;  // 1 or 0
        const int second = window.top + below, next = window.left + beside;
        const real upper = at(window.top, window.left) + masked(at(window.top, next), -beside);
        const real lower = at(second, window.left) + masked(at(second, next), -beside);
        return window.share(mean) * (upper + masked(lower, -below));
    }
};

// large (samples, height, width, channels), small (samples, half of it, channels); `mean` is 0 or 1
extern "C" __global__ void spread(real* large, const real* small, int height, int width, int channels, int mean) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x, pixels = height * width;
    const int halved = ((height + 1) / 2) * ((width + 1) / 2);
    const Column<real> to{large + (long long) blockIdx.z * pixels * channels + c, channels};
    const auto body = [=](int pixel, real number) { to[pixel] = number; };
    const Spread from{small + (long long) blockIdx.z * halved * channels + c, height, width, channels, mean != 0};
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, pixels, body, from);
}

extern "C" __global__ void gather(real* small, const real* large, int height, int width, int channels, int mean) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x, pixels = height * width;
    const int halved = ((height + 1) / 2) * ((width + 1) / 2);
    const Column<real> to{small + (long long) blockIdx.z * halved * channels + c, channels};
    const auto body = [=](int pixel, real number) { to[pixel] = number; };
    const Gathered from{large + (long long) blockIdx.z * pixels * channels + c, height, width, channels, mean != 0};
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, halved, body, from);
}

// map[n, pixel, c] = factor * vector[n, c]: map (samples, pixels, channels), vector (samples, channels)
extern "C" __global__ void fill_maps(real* map, const real* vector, int pixels, int channels, real factor) {
    const int c = blockIdx.y * blockDim.x + threadIdx.x;
    const real number = factor * vector[(long long) blockIdx.z * channels + c];
    const Column<real> to{map + (long long) blockIdx.z * pixels * channels + c, channels};
    const auto body = [=](int pixel) { to[pixel] = number; };
    for_rows_of_block(whole_block, blockIdx.x, blockDim.y, threadIdx.y, pixels, body);
}

// y = factor * x: one thread per number (for_elements in common.cuh)
extern "C" __global__ void scaled(real* y, const real* x, int count, real factor) {
    const auto body = [=](int i, real x) { y[i] = factor * x; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}
