// Winograd's transforms of the input side: V from x, and back from dV to dx (see winograd.cuh).
//
// grid of the image transforms: x = (tile, phase, block of channels), y = image
extern "C" __global__ void winograd_input(real* v, const real* x, int h, int w, int c, int s, int few, int top,
                                          int left, int tiles_h, int tiles_w, int plane) {
    const int channel = blockIdx.x % BLOCKS_OF(c) * blockDim.x + threadIdx.x, deep = blockIdx.x / BLOCKS_OF(c);
    const int place = deep % (s * s), phase = phase_at(place, few), at = deep / (s * s), image = blockIdx.y;
    const int th = at / tiles_w, tw = at % tiles_w;
    const int first_row = M * th * s + phase / s - top, first_col = M * tw * s + phase % s - left;
    real tile[T][T], half[T][T], out[T][T];
    each<T>([&](auto i) INLINE {
        each<T>([&](auto j) INLINE {
            const int row = first_row + i * s, col = first_col + j * s;
            const int mask = mask_of_range(row, h) & mask_of_range(col, w);
            tile[i][j] = masked(x[((image * h + max(0, min(row, h - 1))) * w + max(0, min(col, w - 1))) * c + channel], mask);
        });
    });
    interpolate(half, tile, axis_with(1 - (few & phase)));
    interpolate(out, half, axis_with(1 - (few & phase >> 1)));
    real* here = v + (((image * tiles_h + th) * tiles_w + tw) * s * s + place) * c + channel;
    each<T>([&](auto p) INLINE {
        each<T>([&](auto q) INLINE { here[(long long) (p * T + q) * plane] = out[p][q]; });
    });
}

// Add to `cells`, the M x M cells that belong to one tile, what the tile DH rows above and DW columns to the left puts
// there: it reaches R - 1 cells into its neighbours. dv points to that tile; where it does not exist, to any, and the mask
// is 0. few: of rows and of columns; what was computed for LAST is then of no meaning, and point 0 is read in its place.
template <int DH, int DW>
__device__ void gather(real (&cells)[M][M], const real* dv, int mask, int few_down, int few_across, int plane) {
    real half[M][T];
    each<T>([&](auto q) INLINE {
        real points[T], column[M] = {};
        const int of_q = VALUE(q) == LAST ? few_across - 1 : -1;
        each<T>([&](auto p) INLINE {
            if constexpr (reaches(VALUE(q), DW) && reaches(VALUE(p), DH)) {
                const int of_p = VALUE(p) == LAST ? few_down - 1 : -1;
                points[p] = masked(dv[(long long) ((p & of_p) * T + (q & of_q)) * plane], mask & of_p & of_q);
            }
        });
        if constexpr (reaches(VALUE(q), DW)) spread<DH>(column, points, axis_with(1 - few_down));
        each<M>([&](auto i) INLINE { half[i][q] = column[i]; });
    });
    each<M>([&](auto i) INLINE {
        if constexpr (DH * M + VALUE(i) < T) spread<DW>(cells[i], half[i], axis_with(1 - few_across));
    });
}

// grid: x = (row of tiles, row a of the phase, column of tiles, column b, block of channels), y = image. It covers all
// pixels: some phases take one more row or column of tiles than there are. across: how many (column of tiles, b).
extern "C" __global__ void winograd_input_adjoint(real* dx, const real* dv, optional const real* bias, int h, int w,
                                                  int c, int s, int few, int top, int left, int tiles_h, int tiles_w,
                                                  int across, int plane) {
    const int channel = blockIdx.x % BLOCKS_OF(c) * blockDim.x + threadIdx.x, at = blockIdx.x / BLOCKS_OF(c);
    const int th = at / across / s, tw = at % across / s, image = blockIdx.y;
    const int phase = at / across % s * s + at % across % s;
    const int first_row = M * th * s + phase / s - top, first_col = M * tw * s + phase % s - left;
    const int own_row = mask_of_range(th, tiles_h), own_col = mask_of_range(tw, tiles_w);
    const int above = mask_of_range(th - 1, tiles_h), before = mask_of_range(tw - 1, tiles_w);
    const int row_of_tiles = image * tiles_h + (th & own_row), col_of_tiles = tw & own_col;
    const int row_above = image * tiles_h + ((th - 1) & above), col_before = (tw - 1) & before;
    const int depth = s * s * c;
    const int few_down = few & phase >> 1, few_across = few & phase;
    const real* from = dv + phase_at(phase, few) * c + channel;
    real cells[M][M] = {};
    gather<0, 0>(cells, from + (row_of_tiles * tiles_w + col_of_tiles) * depth, own_row & own_col, few_down, few_across, plane);
    gather<0, 1>(cells, from + (row_of_tiles * tiles_w + col_before) * depth, own_row & before, few_down, few_across, plane);
    gather<1, 0>(cells, from + (row_above * tiles_w + col_of_tiles) * depth, above & own_col, few_down, few_across, plane);
    gather<1, 1>(cells, from + (row_above * tiles_w + col_before) * depth, above & before, few_down, few_across, plane);
    const real shift = bias ? bias[channel] : 0;
    real* const to = dx + channel;
    each<M>([&](auto i) INLINE {
        each<M>([&](auto j) INLINE {
            const int row = first_row + i * s, col = first_col + j * s;
            if ((row >= 0) & (row < h) & (col >= 0) & (col < w))
                to[((image * h + row) * w + col) * c] = cells[i][j] + shift;
        });
    });
}
