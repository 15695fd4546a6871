// Pictures into and out of the network: bytes (N, H, W, C) <-> numbers in [low, 1], where low is -1 or 0.

// x = factor * image + low, factor = (1 - low) / 255, elementwise (for_elements in common.cuh)
extern "C" __global__ void images_to_real(real* x, const unsigned char* images, int count, real factor, real low) {
    const auto body = [=](int i, unsigned char byte) { x[i] = byte * factor + low; };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, images);
}

// The same, mirrored left-right where flip[n] is true. `line` is W * C; flip (N).
// Block: a line of an image (blockIdx.x). Thread: number j of the line; blockDim.x divides the line.
// Number j = w C + c is channel c of pixel w. Its mirror image, channel c of pixel W - 1 - w, is number
// (W - 1 - w) C + c = W C - C - j + 2c. Example: W = 4, C = 3: j = 1 (green of pixel 0) and 12 - 3 - 1 + 2 = 10.
extern "C" __global__ void flipped_images_to_real(real* x, const unsigned char* images, const bool* flip, int height,
                                                  int line, int channels, real factor, real low) {
    const int j = blockIdx.y * blockDim.x + threadIdx.x;
    const long long start = (long long) blockIdx.x * line;
    if (flip[blockIdx.x / height])
        x[start + j] = images[start + line - channels - j + 2 * channel_of(j, channels)] * factor + low;
    else
        x[start + j] = images[start + j] * factor + low;
}

// image = (x - low) * factor, factor = 255 / (1 - low), rounded to even and clipped to 0 ... 255; a NaN becomes 0.
// Elementwise.
extern "C" __global__ void real_to_images(unsigned char* images, const real* x, int count, real factor, real low) {
    const auto body = [=](int i, real x) {
        const real value = (x - low) * factor;
        const real clipped = value > 255 ? real(255) : value > 0 ? value : real(0);
        images[i] = (unsigned char) (int) rint(clipped);
    };
    for_elements(whole_block, blockIdx.x, threadIdx.x, count, body, x);
}
