// Winograd's transforms on the side of the output, y from M and E from dy, and of the weight, U and back
// (winograd.cuh).
//
// Grid of the output transforms: x = (tile, block of filters), y = image.
// Grid of the weight transforms: x = (channel of the input, block of filters), y = phase.

// y (n, oh, ow, f), bias (f); m: T * T planes (tiles, f) of the products M[p]
extern "C" __global__ void winograd_output(real* y, const real* m, optional const real* bias, int oh, int ow, int f,
                                           int tiles_h, int tiles_w, int plane) {
    const int filter = blockIdx.x % BLOCKS_OF(f) * blockDim.x + threadIdx.x, at = blockIdx.x / BLOCKS_OF(f);
    const int th = at / tiles_w, tw = at % tiles_w, image = blockIdx.y;
    const real* here = m + ((image * tiles_h + th) * tiles_w + tw) * f + filter;
    real products[T][T], out[M][M];
    each<T>([&](auto p) INLINE {
        each<T>([&](auto q) INLINE { products[p][q] = here[(long long) (p * T + q) * plane]; });
    });
    sandwich(out, products, EntryOfA());
    const real shift = bias ? bias[filter] : 0;
    real* const to = y + filter;  // as in winograd_input_adjoint
    each<M>([&](auto i) INLINE {
        each<M>([&](auto j) INLINE {
            const int row = M * th + i, col = M * tw + j;
            if ((row < oh) & (col < ow)) to[((image * oh + row) * ow + col) * f] = out[i][j] + shift;
        });
    });
}

// e: T * T planes (tiles, f) of E; dy (n, oh, ow, f). Outputs of a tile beyond oh or ow count as zeros.
extern "C" __global__ void winograd_output_adjoint(real* e, const real* dy, int oh, int ow, int f, int tiles_h,
                                                   int tiles_w, int plane) {
    const int filter = blockIdx.x % BLOCKS_OF(f) * blockDim.x + threadIdx.x, at = blockIdx.x / BLOCKS_OF(f);
    const int th = at / tiles_w, tw = at % tiles_w, image = blockIdx.y;
    real tile[M][M], out[T][T];
    each<M>([&](auto i) INLINE {
        each<M>([&](auto j) INLINE {
            const int row = M * th + i, col = M * tw + j;
            const int mask = mask_of_range(row, oh) & mask_of_range(col, ow);
            tile[i][j] = masked(dy[((image * oh + min(row, oh - 1)) * ow + min(col, ow - 1)) * f + filter], mask);
        });
    });
    sandwich(out, tile, Transposed<EntryOfA>());
    real* here = e + ((image * tiles_h + th) * tiles_w + tw) * f + filter;
    each<T>([&](auto p) INLINE {
        each<T>([&](auto q) INLINE { here[(long long) (p * T + q) * plane] = out[p][q]; });
    });
}

// u: T * T planes (s * s * c, f) of U; weight (k, k, c, f). Phase (a, b) has the taps (i * s + a, j * s + b), i, j < R;
// those beyond the kernel are zeros. Example: k = 5, s = 2: phase (1, 0) has rows 1 and 3 and columns 0, 2 and 4.
extern "C" __global__ void winograd_weight(real* u, const real* weight, int k, int c, int f, int s, int few,
                                           int plane) {
    const int filter = blockIdx.x % BLOCKS_OF(f) * blockDim.x + threadIdx.x, channel = blockIdx.x / BLOCKS_OF(f);
    const int a = blockIdx.y / s, b = blockIdx.y % s, depth = phase_at(blockIdx.y, few) * c + channel;
    const int few_down = few & a, few_across = few & b;
    real taps[R][R], out[T][T];
    each<R>([&](auto i) INLINE {
        each<R>([&](auto j) INLINE {
            const int row = i * s + a, col = j * s + b;
            const int mask = mask_of_range(row, k) & mask_of_range(col, k);
            taps[i][j] = masked(weight[((min(row, k - 1) * k + min(col, k - 1)) * c + channel) * f + filter], mask);
        });
    });
    multiply_taps<-1>(taps, axis_with(few_down), axis_with(few_across));
    sandwich(out, taps, EntryOfG());
    each<T>([&](auto p) INLINE {
        each<T>([&](auto q) INLINE { u[(long long) (p * T + q) * plane + depth * f + filter] = out[p][q]; });
    });
}

// dweight (k, k, c, f); du: planes like U
extern "C" __global__ void winograd_weight_adjoint(real* dweight, const real* du, int k, int c, int f, int s,
                                                   int few, int plane) {
    const int filter = blockIdx.x % BLOCKS_OF(f) * blockDim.x + threadIdx.x, channel = blockIdx.x / BLOCKS_OF(f);
    const int a = blockIdx.y / s, b = blockIdx.y % s, depth = phase_at(blockIdx.y, few) * c + channel;
    const int few_down = few & a, few_across = few & b;
    real points[T][T], out[R][R];
    each<T>([&](auto p) INLINE {
        const int of_p = VALUE(p) == LAST ? few_down - 1 : -1;  // as in `gather`: all bits, or none for LAST
        each<T>([&](auto q) INLINE {
            const int of_q = VALUE(q) == LAST ? few_across - 1 : -1;
            const int point = (p & of_p) * T + (q & of_q);
            points[p][q] = masked(du[(long long) point * plane + depth * f + filter], of_p & of_q);
        });
    });
    sandwich(out, points, Transposed<EntryOfG>());
    multiply_taps<1>(out, axis_with(few_down), axis_with(few_across));
    each<R>([&](auto i) INLINE {
        each<R>([&](auto j) INLINE {
            const int row = i * s + a, col = j * s + b;  // the last tap of an axis may lie beyond the kernel
            if ((row < k) & (col < k)) dweight[((row * k + col) * c + channel) * f + filter] = out[i][j];
        });
    });
}
