// One number of a patch: number j of the run of output `ow`. block = (n OH + oh) KH + kh says which output line and tap
// row. `rounded` is what happens to the number on its way.
template <class Number, class Rounding>
__device__ void unfold_number(Number* columns, const real* x, int block, int ow, int j, int height, int line,
                              int channels, int out_height, int out_width, int kernel_h, int run, int stride_h,
                              int stride_w, int top, int left, Rounding rounded) {
    const int out_line = block / kernel_h, kh = block - out_line * kernel_h;
    const int image = out_line / out_height, h = (out_line - image * out_height) * stride_h + kh - top;
    const int begin = (ow * stride_w - left) * channels, at = begin + j;
    const bool line_inside = h >= 0 && h < height;
    Number* const target = columns + (((long long) out_line * out_width + ow) * kernel_h + kh) * run;
    const real* const source = x + ((long long) image * height + h) * line;
    if (line_inside && begin >= 0 && begin + run <= line)  // the whole run is inside: no condition per number
        target[j] = rounded(source[at]);
    else
        target[j] = rounded(line_inside && at >= 0 && at < line ? source[at] : real(0));
}
