// DiffAugment (Zhao et al., 2020): pictures (N, H, W, C) get random colours, are moved, and lose a rectangle
// (gpunet/backend/augment.py has the formulas). The colour's own backward pass is the same formula without the
// brightness, so both passes share all but the place that a pixel is read from.

#include "device/block_sums.cuh"

// The seven numbers of a picture
constexpr int BRIGHTNESS = 0, SATURATION = 1, CONTRAST = 2, DOWN = 3, RIGHT = 4, TOP = 5, LEFT = 6, NUMBERS = 7;

struct Geometry {
    int height, width, down, right, top, left, cut_height, cut_width;

    __device__ Geometry(const real* numbers, int height, int width, int cut_height, int cut_width)
        : height(height), width(width), down(int(numbers[DOWN])), right(int(numbers[RIGHT])), top(int(numbers[TOP])),
          left(int(numbers[LEFT])), cut_height(cut_height), cut_width(cut_width) {}
    __device__ bool inside(int h, int w) const { return h >= 0 && h < height && w >= 0 && w < width; }
    // Whether pixel (h, w) of the result shows a pixel of the picture: (h + down, w + right).
    __device__ bool shows(int h, int w) const {
        const bool cut = h >= top && h < top + cut_height && w >= left && w < left + cut_width;
        return !cut && inside(h + down, w + right);
    }
};

// Write a pixel in new colours; a pixel that is not there is 0. to, pixel (channels), mean: of the picture
__device__ void write_coloured(real* to, const real* pixel, bool there, int channels, const real* numbers, real mean,
                               real brightness) {
    const real saturation = numbers[SATURATION], contrast = numbers[CONTRAST];
    real grey = 0;
    for (int c = 0; c < channels && there; ++c) grey += pixel[c];
    grey /= channels;
    const real constant = contrast * (grey - mean) + mean + brightness;
    for (int c = 0; c < channels; ++c)
        to[c] = contrast * (saturation * ((there ? pixel[c] : real(0)) - grey)) + constant;
}

// Write a pixel as it is, or zeros.
__device__ void write_pixel(real* to, const real* pixel, bool there, int channels) {
    for (int c = 0; c < channels; ++c) to[c] = there ? pixel[c] : real(0);
}

// Thread: pixel w of line h = blockIdx.y of picture n = blockIdx.x; blockDim.x divides the width.
// y, x (N, H, W, C), numbers (N, 7), means (N), which are left out where colours stay
extern "C" __global__ void augment(real* y, const real* x, const real* numbers, optional const real* means, int height,
                                   int width, int channels, int cut_height, int cut_width) {
    const int n = blockIdx.x, h = blockIdx.y, w = blockIdx.z * blockDim.x + threadIdx.x;
    const real* const own = numbers + n * NUMBERS;
    const Geometry to(own, height, width, cut_height, cut_width);
    const bool there = to.shows(h, w);
    const long long line = (long long) n * height + h, place = (line + to.down) * width + w + to.right;
    real* const target = y + (line * width + w) * channels;
    const real* const pixel = x + (there ? place * channels : 0);
    if (means && there) write_coloured(target, pixel, true, channels, own, means[n], own[BRIGHTNESS]);
    else write_pixel(target, pixel, there, channels);
}

// The gradient of x: pixel (h, w) was shown at (h - down, w - right), or nowhere. The colour's own gradient follows.
// Threads as above. dx, dy (N, H, W, C); means (N): of the gradients of what was shown
extern "C" __global__ void augment_backward(real* dx, const real* dy, const real* numbers, optional const real* means,
                                            int height, int width, int channels, int cut_height, int cut_width) {
    const int n = blockIdx.x, h = blockIdx.y, w = blockIdx.z * blockDim.x + threadIdx.x;
    const real* const own = numbers + n * NUMBERS;
    const Geometry to(own, height, width, cut_height, cut_width);
    const int row = h - to.down, column = w - to.right;
    const bool there = to.inside(row, column) && to.shows(row, column);
    const long long lines = (long long) n * height;
    real* const target = dx + ((lines + h) * width + w) * channels;
    const real* const pixel = dy + (there ? ((lines + row) * width + column) * channels : 0);
    if (means) write_coloured(target, pixel, there, channels, own, means[n], 0);
    else write_pixel(target, pixel, there, channels);
}

// The sum of the pixels `lane`, lane + lanes, ... of a picture x (H, W, C); of those that are shown, or of all.
__device__ double sum_of_lane(int lane, int lanes, const real* x, const Geometry& to, int channels, bool shown_alone) {
    double sum = 0;
    for (int pixel = lane; pixel < to.height * to.width; pixel += lanes) {
        const int h = pixel / to.width;
        if (shown_alone && !to.shows(h, pixel - h * to.width)) continue;
        for (int c = 0; c < channels; ++c) sum += x[(long long) pixel * channels + c];
    }
    return sum;
}

// means[n] = the mean of picture n, or, with shown_alone, the sum of what is shown over all numbers of the picture.
// One thread per block and picture, on the CPU.
extern "C" __global__ void means(real* means, const real* x, const real* numbers, int height, int width, int channels,
                                 int cut_height, int cut_width, int shown_alone) {
    const int n = blockIdx.x, count = height * width * channels;
    const Geometry to(numbers + n * NUMBERS, height, width, cut_height, cut_width);
    means[n] = sum_of_lane(0, 1, x + (long long) n * count, to, channels, shown_alone) / count;
}

// The same by 256 threads per block and picture, on the GPU.
extern "C" __global__ void __launch_bounds__(256)
    means_by_blocks(real* means, const real* x, const real* numbers, int height, int width, int channels,
                    int cut_height, int cut_width, int shown_alone) {
    const int n = blockIdx.x, count = height * width * channels;
    const Geometry to(numbers + n * NUMBERS, height, width, cut_height, cut_width);
    real sum[1];
    sum[0] = sum_of_lane(threadIdx.x, blockDim.x, x + (long long) n * count, to, channels, shown_alone);
    add_lanes(sum, threadIdx.x, 1);
    if (threadIdx.x == 0) means[n] = sum[0] / count;
}
