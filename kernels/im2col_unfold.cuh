// Where a patch lies in the image. `block` = (n OH + oh) KH + kh says which tap row of which output line it is.
// Number j of output ow's run: x[n, oh SH + kh - top, begin + j], where lines are lines of numbers, not of pixels.
struct PatchRow {
    const real* source;  // the line of the image
    long long target;    // where the run of output 0 begins in the columns
    bool inside;
    int line;

    __device__ PatchRow(const real* x, int block, int height, int line, int out_height, int out_width, int kernel_h,
                        int run, int stride_h, int top) : line(line) {
        const int out_line = block / kernel_h, kh = block - out_line * kernel_h;
        const int image = out_line / out_height, h = (out_line - image * out_height) * stride_h + kh - top;
        inside = h >= 0 && h < height;
        source = x + ((long long) image * height + h) * line;
        target = ((long long) out_line * out_width * kernel_h + kh) * run;
    }
    __device__ real number(int begin, int run, int j) const {
        const int at = begin + j;
        if (inside && begin >= 0 && begin + run <= line) return source[at];  // the whole run: no condition per number
        return inside && at >= 0 && at < line ? source[at] : real(0);
    }
};
