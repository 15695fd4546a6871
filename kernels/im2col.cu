// The patches of a convolution as the rows of a matrix (im2col), and the adjoint of that (fold).
//
//     unfold   columns[n, oh, ow, kh, kw, c] = x[n, oh SH + kh - top, ow SW + kw - left, c], 0 outside
//     fold     x[n, h, w, c] = sum of the columns that hold that pixel
//
// x (N, H, W, C), columns (N, OH, OW, KH, KW, C). With the channels last, KW neighbouring pixels are one run of KW * C
// numbers, in x as in the columns. `line` is W * C, `run` is KW * C. The fold gathers: a thread looks up what belongs to
// its number instead of adding numbers to where they belong, so that no two threads write to one place.

// Block: line oh of image n (blockIdx.x = n OH + oh), tap row kh (blockIdx.z), some outputs ow (threadIdx.y). Thread: one
// number j of the run (blockDim.x divides it; pieces of the run and of ow in blockIdx.y).
extern "C" __global__ void unfold(real* columns, const real* x, int height, int line, int channels, int out_height,
                                  int out_width, int run, int stride_h, int stride_w, int top, int left) {
    const int pieces = run / blockDim.x, tile = blockIdx.y / pieces;
    const int j = (blockIdx.y - tile * pieces) * blockDim.x + threadIdx.x;
    const int image = blockIdx.x / out_height, oh = blockIdx.x - image * out_height;
    const int ow = tile * blockDim.y + threadIdx.y, kh = blockIdx.z;
    if (ow >= out_width) return;
    const int h = oh * stride_h + kh - top, at = (ow * stride_w - left) * channels + j;
    const bool inside = h >= 0 && h < height && at >= 0 && at < line;
    const long long patch = (long long) blockIdx.x * out_width + ow;
    columns[(patch * gridDim.z + kh) * run + j] = inside ? x[((long long) image * height + h) * line + at] : real(0);
}

// Block row blockIdx.x: line h of image n. Thread: one of the line's W * C numbers (blockDim.x divides that).
// With h + top = SH a + p, the taps kh = p, p + SH, p + 2 SH ... of outputs oh = a, a - 1, a - 2 ... hold line h; so for w.
extern "C" __global__ void fold(real* x, const real* columns, int height, int line, int channels, int out_height,
                                int out_width, int kernel_h, int kernel_w, int stride_h, int stride_w, int top, int left) {
    const int j = blockIdx.y * blockDim.x + threadIdx.x, w = quotient(j, channels), c = j - w * channels;
    const int image = blockIdx.x / height, h = blockIdx.x - image * height;
    const int oh = (h + top) / stride_h, kh = (h + top) - oh * stride_h;
    const int ow = quotient(w + left, stride_w), kw = w + left - ow * stride_w;
    real sum = 0;
    for (int a = 0; kh + a * stride_h < kernel_h; ++a)
        for (int b = 0; kw + b * stride_w < kernel_w; ++b) {
            if (oh - a < 0 || oh - a >= out_height || ow - b < 0 || ow - b >= out_width) continue;
            const long long patch = ((long long) image * out_height + oh - a) * out_width + ow - b;
            sum += columns[((patch * kernel_h + kh + a * stride_h) * kernel_w + kw + b * stride_w) * channels + c];
        }
    x[(long long) blockIdx.x * line + j] = sum;
}
